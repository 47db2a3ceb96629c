/* The producers' stream: its commands are the same in every cut, and what the decoder makes of each
 * keeps the promises of command.h.
 *
 * Input: one byte chooses message_bytes, one the cuts; the rest is a producer's stream. */
#define _GNU_SOURCE /* memmem */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/command.h"
#include "proto/json_scan.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

/* A copy in memory of just its size, so that a sanitizer sees what is read beyond. */
static uint8_t *copy_of(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    check(copy != NULL);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

static void check_name(const struct command_name *name)
{
    check(group_name_valid(name->bytes, name->size));
    check(name->bytes[name->size] == '\0');
}

static void check_target(const struct command *command)
{
    check(command->all == !command->name_count);
    check(!command->all || !command->groups);
    check((command->names != NULL) == (command->name_count > 1));
    check(!command->names || command->groups);
    if (command->name_count == 1)
        check_name(&command->name);
    for (uint32_t i = 0; command->names && i < command->name_count; i++) {
        check_name(&command->names[i]);
        for (uint32_t k = 0; k < i && k < 100; k++)
            check(strcmp(command->names[i].bytes, command->names[k].bytes) != 0);
    }
}

/* Another parser reads it, too; only NUL in keys is beyond it. */
static void check_json(const char *text, size_t size)
{
    json_t *json;

    check(json_valid(text, size));
    json = json_loadb(text, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    check(json || memmem(text, size, "\\u0000", 6));
    json_decref(json);
}

static void check_payload(struct payload *payload, uint64_t message_bytes)
{
    check(payload != NULL && payload->body_bytes <= message_bytes);
    check(payload->frame[0] == (payload->kind == PAYLOAD_BINARY ? 0x82 : 0x81));
    if (payload->kind != PAYLOAD_BINARY)
        check(utf8_valid(payload_body(payload), payload->body_bytes));
    if (payload->kind == PAYLOAD_JSON)
        check_json((const char *)payload_body(payload), payload->body_bytes);
}

static void check_command(const struct command *command, uint64_t message_bytes)
{
    check(command->op <= COMMAND_PING);
    if (command->op <= COMMAND_HISTORY)
        check_target(command);
    if (command->op == COMMAND_BROADCAST) {
        check_payload(command->payload, message_bytes);
        check(command->priority <= PRIORITY_UNSET);
        return;
    }
    check(command->payload == NULL);
    if (command->op == COMMAND_DISCONNECT) {
        size_t size = strnlen(command->reason, sizeof(command->reason));
        check(command->code >= 3000 && command->code <= 4999);
        check(size >= 1 && size <= 123 && utf8_valid(command->reason, size));
        check(!json_valid(command->reason, size));
    }
    if (command->op == COMMAND_HISTORY) {
        check(command->name_count == 1 && !command->groups);
        check(!command->since.bytes || command->since_epoch.size < command->since.size);
    }
}

static void check_refusal(const struct command *command, const struct command_refusal *refusal)
{
    size_t size = strnlen(refusal->message, sizeof(refusal->message));

    check(refusal->code >= REFUSAL_BAD_COMMAND && refusal->code <= REFUSAL_TOO_LARGE);
    check(size > 0 && size < sizeof(refusal->message) && utf8_valid(refusal->message, size));
    check(!command->payload && !command->names);
}

static void decode(const uint8_t *bytes, size_t size, uint64_t message_bytes)
{
    uint8_t *copy = copy_of(bytes, size);
    struct command_refusal refusal;
    struct command command;

    memset(&command, 0xa5, sizeof(command));
    memset(&refusal, 0xa5, sizeof(refusal));
    if (command_decode(&command, copy, size, message_bytes, &refusal) == 0)
        check_command(&command, message_bytes);
    else
        check_refusal(&command, &refusal);
    command_clear(&command);
    free(copy);
}

/* Scans one command from `bytes`, of which a few more are there each time. */
static int64_t scan_in_cuts(const uint8_t *bytes, size_t size, size_t max, uint32_t *random)
{
    struct command_scanner scanner;
    int64_t length = 0;

    command_scanner_init(&scanner);
    for (size_t have = 0; !length; have = have < size ? have : size) {
        uint8_t *copy = copy_of(bytes, have);
        length = command_scan(&scanner, copy, have, max);
        free(copy);
        check(length <= (int64_t)have);
        if (have == size)
            break;
        *random = *random * 1664525 + 1013904223;
        have += 1 + (*random >> 16) % (1 + (*random >> 8) % 32);
    }
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t limits[] = {65536, 0, 1, 16, 64, 1000, UINT64_MAX, 1048576};

    if (size < 2)
        return 0;

    uint64_t message_bytes = limits[data[0] % (sizeof(limits) / sizeof(limits[0]))];
    uint32_t random = data[1];
    /* Small limits all the way, too, so that they are met. */
    size_t max = data[0] & 8 ? 64 : 65536 + (message_bytes < 1048576 ? message_bytes : 1048576);
    const uint8_t *at = data + 2, *end = data + size;

    decode(at, (size_t)(end - at), message_bytes); /* nobody has scanned this */
    while (at < end) {
        struct command_scanner scanner;
        size_t left = (size_t)(end - at);

        command_scanner_init(&scanner);
        int64_t length = command_scan(&scanner, at, left, max);
        check(length == scan_in_cuts(at, left, max, &random));
        check(length != 0 || left < max);
        check(length <= (int64_t)left && length <= (int64_t)max);
        if (length <= 0)
            break;
        decode(at, (size_t)length, message_bytes);
        at += length;
    }
    return 0;
}
