/* What the Centrifuge client protocol costs: reading a command, making a publication for a group's
 * members, answering a recovery. As the peer in the same run, what libprotobuf-c takes for the same
 * Protobuf bytes: to build its tree of a command and free it, and to write a publication.
 *
 *     micro_sdk [ROUNDS]
 *
 * Prints nanoseconds: the median of the rounds, and the lowest and highest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/micro.h"
#include "proto/centrifuge.pb-c.h"
#include "proto/sdk_command.h"
#include "proto/sdk_push.h"
#include "proto/sdk_reply.h"
#include "proto/varint.h"

#define RECOVERED 100

static const char json_text[] = "{\"type\":\"count\",\"experiment\":42,\"variant\":\"blue\"}";

struct sample {
    const char *name;
    const void *json, *protobuf; /* the same command; protobuf with its length, of one byte */
    size_t json_bytes, protobuf_bytes;
};

#define COMMAND(title, text, bytes)                             \
    {                                                           \
        title, text, bytes, sizeof(text) - 1, sizeof(bytes) - 1 \
    }

static const struct sample samples[] = {
    COMMAND("connect", "{\"connect\":{},\"id\":1}", "\x04\x08\x01\x22\x00"),
    COMMAND("subscribe, recovering",
            "{\"subscribe\":{\"channel\":\"g\",\"recover\":true,\"epoch\":\"e\",\"offset\":3,"
            "\"flag\":1},\"id\":2}",
            "\x10\x08\x02\x2a\x0c\x0a\x01g\x18\x01\x32\x01\x65\x38\x03\x70\x01"),
    COMMAND("publish 12 bytes",
            "{\"publish\":{\"channel\":\"g\",\"data\":{\"value\":17}},\"id\":3}",
            "\x15\x08\x03\x3a\x11\x0a\x01g\x12\x0c{\"value\":17}"),
};

static void read_once(enum sdk_format format, const void *bytes, size_t size)
{
    struct sdk_commands commands;
    struct sdk_command command;

    sdk_commands_begin(&commands, format, bytes, size);
    if (sdk_commands_next(&commands, &command) != 1)
        micro_die("a command is refused");
    micro_use(&command);
}

static void read_json(void *context, uint64_t times)
{
    const struct sample *sample = context;

    for (; times; times--)
        read_once(SDK_JSON, sample->json, sample->json_bytes);
}

static void read_protobuf(void *context, uint64_t times)
{
    const struct sample *sample = context;

    for (; times; times--)
        read_once(SDK_PROTOBUF, sample->protobuf, sample->protobuf_bytes);
}

static void unpack(void *context, uint64_t times)
{
    const struct sample *sample = context;

    for (; times; times--) {
        Sdk__Command *command = sdk__command__unpack(NULL, sample->protobuf_bytes - 1,
                                                     (const uint8_t *)sample->protobuf + 1);
        if (!command)
            micro_die("libprotobuf-c refuses a command");
        sdk__command__free_unpacked(command, NULL);
    }
}

static const struct name_view channel = {"analytics_dashboard", 19};

static void push_json(void *context, uint64_t times)
{
    for (; times; times--)
        payload_unref(sdk_push_publication(SDK_JSON, channel, context, 123456));
}

static void push_protobuf(void *context, uint64_t times)
{
    for (; times; times--)
        payload_unref(sdk_push_publication(SDK_PROTOBUF, channel, context, 123456));
}

/* What sdk_push_publication() does, by libprotobuf-c. */
static void push_packed(void *context, uint64_t times)
{
    struct payload *payload = context;

    for (; times; times--) {
        Sdk__Publication publication = SDK__PUBLICATION__INIT;
        Sdk__Push push = SDK__PUSH__INIT;
        Sdk__Reply reply = SDK__REPLY__INIT;

        publication.data = (ProtobufCBinaryData){payload->body_bytes, payload_body(payload)};
        publication.offset = 123456;
        push.channel = (char[]){"analytics_dashboard"};
        push.pub = &publication;
        reply.push = &push;
        size_t size = sdk__reply__get_packed_size(&reply);
        struct payload *made = payload_new(PAYLOAD_BINARY, (uint32_t)(varint_bytes(size) + size));
        if (!made)
            micro_die("out of memory");
        sdk__reply__pack(&reply, varint_write(payload_body(made), size));
        payload_unref(made);
    }
}

struct recovery {
    enum sdk_format format;
    struct sdk_publication publications[RECOVERED];
    struct buffer out;
};

static void recover(void *context, uint64_t times)
{
    struct recovery *recovery = context;
    struct sdk_subscription subscription = {.recoverable = true,
                                            .positioned = true,
                                            .was_recovering = true,
                                            .recovered = true,
                                            .epoch = "0123456789abc",
                                            .publications = recovery->publications,
                                            .publication_count = RECOVERED};

    for (; times; times--) {
        recovery->out.size = 0;
        if (sdk_reply_subscribe(&recovery->out, recovery->format, 1, &subscription, SIZE_MAX))
            micro_die("out of memory");
    }
}

static struct payload *make_payload(enum payload_kind kind, const char *text, size_t size)
{
    struct payload *payload = payload_new(kind, (uint32_t)size);

    if (!payload)
        micro_die("out of memory");
    memcpy(payload_body(payload), text, size);
    return payload;
}

static void measure_command(const struct sample *sample, unsigned rounds)
{
    void *context = (void *)(uintptr_t)sample;
    struct micro_figure own = micro_measure(read_protobuf, context, rounds);

    micro_print(micro_measure(read_json, context, rounds), "JSON: %s", sample->name);
    micro_print(own, "Protobuf: %s", sample->name);
    micro_print_peer(micro_measure(unpack, context, rounds), own, "libprotobuf-c: %s",
                     sample->name);
}

/* Gives the payload back. */
static void measure_push(const char *name, struct payload *payload, unsigned rounds)
{
    struct micro_figure own = micro_measure(push_protobuf, payload, rounds);

    micro_print(micro_measure(push_json, payload, rounds), "JSON: push %s", name);
    micro_print(own, "Protobuf: push %s", name);
    micro_print_peer(micro_measure(push_packed, payload, rounds), own, "libprotobuf-c: push %s",
                     name);
    payload_unref(payload);
}

static void measure_recovery(unsigned rounds)
{
    struct recovery recovery = {.format = SDK_JSON};

    for (unsigned i = 0; i < RECOVERED; i++)
        recovery.publications[i] = (struct sdk_publication){
            make_payload(PAYLOAD_TEXT, json_text, strlen(json_text)), 1 + i};
    micro_print(micro_measure(recover, &recovery, rounds), "JSON: recovery of %d", RECOVERED);
    recovery.format = SDK_PROTOBUF;
    micro_print(micro_measure(recover, &recovery, rounds), "Protobuf: recovery of %d", RECOVERED);
    buffer_free(&recovery.out);
    for (unsigned i = 0; i < RECOVERED; i++)
        payload_unref(recovery.publications[i].payload);
}

int main(int argc, char **argv)
{
    static char large[16384];
    unsigned rounds = micro_rounds(argc, argv);
    size_t size = strlen(json_text);

    micro_print_machine(rounds, "ns per command, publication or reply");
    printf("peer: libprotobuf-c %s\n", protobuf_c_version());
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        measure_command(&samples[i], rounds);
    memset(large, 'x', sizeof(large));
    measure_push("str of JSON", make_payload(PAYLOAD_TEXT, json_text, size), rounds);
    measure_push("value", make_payload(PAYLOAD_JSON, json_text, size), rounds);
    measure_push("bin of 64", make_payload(PAYLOAD_BINARY, large, 64), rounds);
    measure_push("str of 16 KiB", make_payload(PAYLOAD_TEXT, large, sizeof(large)), rounds);
    measure_recovery(rounds);
    return 0;
}
