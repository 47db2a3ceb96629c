/* What reading one command costs: finding its end, decoding it (the payload's allocation and UTF-8
 * check or transcoding included), and, as the peer in the same run, what msgpack-c takes to build
 * its tree of the same bytes and free it, which decodes nothing yet; the ratio is of scan and
 * decode together.
 *
 *     micro_command [ROUNDS]
 *
 * Prints nanoseconds per command: the median of the rounds, and the lowest and highest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "bench/micro.h"
#include "proto/command.h"

#define MESSAGE_BYTES 65536
#define MAX_BYTES     (MESSAGE_BYTES + COMMAND_OVERHEAD_MAX)

struct sample {
    const char *name;
    msgpack_sbuffer bytes;
};

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void pack_pair(msgpack_packer *packer, const char *key, const char *text)
{
    pack_text(packer, key);
    pack_text(packer, text);
}

/* A map of `pairs` pairs, of which op and group are written. */
static msgpack_packer begin(struct sample *sample, const char *name, size_t pairs)
{
    msgpack_packer packer;

    sample->name = name;
    msgpack_sbuffer_init(&sample->bytes);
    msgpack_packer_init(&packer, &sample->bytes, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, pairs);
    pack_pair(&packer, "op", "broadcast");
    return packer;
}

static void make_small(struct sample *sample)
{
    msgpack_packer packer = begin(sample, "str of 64 bytes", 3);

    pack_pair(&packer, "group", "analytics_dashboard");
    pack_pair(&packer, "data",
              "{\"type\":\"count\",\"experiment\":42,\"variant\":\"blue\",\"visitors\":17}");
}

static void make_with_id(struct sample *sample)
{
    msgpack_packer packer = begin(sample, "the same with an id", 4);

    pack_text(&packer, "id");
    msgpack_pack_uint64(&packer, 123456);
    pack_pair(&packer, "group", "analytics_dashboard");
    pack_pair(&packer, "data",
              "{\"type\":\"count\",\"experiment\":42,\"variant\":\"blue\",\"visitors\":17}");
}

static void make_experiment(struct sample *sample)
{
    msgpack_packer packer = begin(sample, "experiment: 42, bin of 64", 3);
    char bytes[64] = {0};

    pack_text(&packer, "experiment");
    msgpack_pack_int(&packer, 42);
    pack_text(&packer, "data");
    msgpack_pack_bin_with_body(&packer, bytes, sizeof(bytes));
}

static void make_map(struct sample *sample)
{
    msgpack_packer packer = begin(sample, "map of 16 fields, to JSON", 3);

    pack_pair(&packer, "group", "analytics_dashboard");
    pack_text(&packer, "data");
    msgpack_pack_map(&packer, 16);
    for (int i = 0; i < 4; i++) {
        char key[16];

        snprintf(key, sizeof(key), "visitors_%d", i);
        pack_text(&packer, key);
        msgpack_pack_int(&packer, 1000 * i);
        snprintf(key, sizeof(key), "share_%d", i);
        pack_text(&packer, key);
        msgpack_pack_double(&packer, 0.25 + i);
        snprintf(key, sizeof(key), "name_%d", i);
        pack_pair(&packer, key, "variant blue");
        snprintf(key, sizeof(key), "active_%d", i);
        pack_text(&packer, key);
        msgpack_pack_true(&packer);
    }
}

static void make_large(struct sample *sample)
{
    msgpack_packer packer = begin(sample, "str of 16 KiB", 3);
    static char text[16384 + 1];

    memset(text, 'x', sizeof(text) - 1);
    pack_pair(&packer, "group", "analytics_dashboard");
    pack_pair(&packer, "data", text);
}

static void scan_once(const struct sample *sample)
{
    struct command_scanner scanner;

    command_scanner_init(&scanner);
    if (command_scan(&scanner, (const uint8_t *)sample->bytes.data, sample->bytes.size,
                     MAX_BYTES) != (int64_t)sample->bytes.size)
        micro_die("a command is not found");
}

static void decode_once(const struct sample *sample)
{
    struct command_refusal refusal;
    struct command command;

    if (command_decode(&command, (const uint8_t *)sample->bytes.data, sample->bytes.size,
                       MESSAGE_BYTES, &refusal))
        micro_die(refusal.message);
    command_clear(&command);
}

static void unpack_once(const struct sample *sample)
{
    msgpack_unpacked unpacked;

    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, sample->bytes.data, sample->bytes.size, NULL) !=
        MSGPACK_UNPACK_SUCCESS)
        micro_die("msgpack-c refuses a command");
    msgpack_unpacked_destroy(&unpacked);
}

static void scan(void *context, uint64_t times)
{
    for (; times; times--)
        scan_once(context);
}

static void decode(void *context, uint64_t times)
{
    for (; times; times--)
        decode_once(context);
}

static void unpack(void *context, uint64_t times)
{
    for (; times; times--)
        unpack_once(context);
}

int main(int argc, char **argv)
{
    struct sample samples[5];
    unsigned rounds = micro_rounds(argc, argv);

    make_small(&samples[0]);
    make_with_id(&samples[1]);
    make_experiment(&samples[2]);
    make_map(&samples[3]);
    make_large(&samples[4]);

    micro_print_machine(rounds, "ns per command");
    printf("peer: msgpack-c %s\n", msgpack_version());
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct sample *sample = &samples[i];
        struct micro_figure scanned = micro_measure(scan, sample, rounds);
        struct micro_figure decoded = micro_measure(decode, sample, rounds);
        struct micro_figure both = {.median = scanned.median + decoded.median};

        micro_print(scanned, "scan: %s", sample->name);
        micro_print(decoded, "decode: %s", sample->name);
        micro_print_peer(micro_measure(unpack, sample, rounds), both, "msgpack-c's tree: %s",
                         sample->name);
        msgpack_sbuffer_destroy(&sample->bytes);
    }
    return 0;
}
