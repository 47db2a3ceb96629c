#include "proto/command.h"

#include <stdlib.h>
#include <string.h>

#include "proto/command_fields.h"
#include "proto/command_target.h"
#include "proto/json.h"
#include "proto/json_scan.h"
#include "proto/refuse.h"
#include "proto/utf8.h"

#define PAYLOAD_BYTES_MAX INT32_MAX /* whatever message_bytes says: lengths are 32 bits */

#define KEYS_ALWAYS     (KEY_BIT(KEY_OP) | KEY_BIT(KEY_ID))
#define KEYS_BROADCAST  (KEYS_ALWAYS | TARGET_ANY | KEY_BIT(KEY_DATA) | KEY_BIT(KEY_PRIORITY))
#define KEYS_DISCONNECT (KEYS_ALWAYS | TARGET_ANY | KEY_BIT(KEY_CODE) | KEY_BIT(KEY_REASON))
#define KEYS_HISTORY    (KEYS_ALWAYS | TARGET_ONE_GROUP | KEY_BIT(KEY_LIMIT) | KEY_BIT(KEY_SINCE))
#define KEYS_HELLO      (KEYS_ALWAYS | KEY_BIT(KEY_TOKEN))

static const struct {
    const char *name;
    uint32_t size;
    uint32_t keys; /* that it uses */
} ops[] = {
    [COMMAND_BROADCAST] = {"broadcast", 9, KEYS_BROADCAST},
    [COMMAND_DISCONNECT] = {"disconnect", 10, KEYS_DISCONNECT},
    [COMMAND_HISTORY] = {"history", 7, KEYS_HISTORY},
    [COMMAND_STATS] = {"stats", 5, KEYS_ALWAYS},
    [COMMAND_HELLO] = {"hello", 5, KEYS_HELLO},
    [COMMAND_PING] = {"ping", 4, KEYS_ALWAYS},
};

static const struct {
    const char *name;
    uint32_t size;
} priorities[] = {
    [PRIORITY_CRITICAL] = {"critical", 8},
    [PRIORITY_NORMAL] = {"normal", 6},
    [PRIORITY_LOW] = {"low", 3},
};

static bool view_is(struct name_view view, const char *text, size_t size)
{
    return view.size == size && memcmp(view.bytes, text, size) == 0;
}

static int read_op(struct command *command, const struct fields *fields,
                   struct command_refusal *refusal)
{
    struct quoted quoted;
    struct name_view name;

    if (!fields_has(fields, KEY_OP))
        return refuse(refusal, REFUSAL_BAD_COMMAND, "op: missing");
    int error = fields_str(fields, KEY_OP, &name, refusal);
    if (error)
        return error;
    for (unsigned op = 0; op < sizeof(ops) / sizeof(ops[0]); op++) {
        if (view_is(name, ops[op].name, ops[op].size)) {
            command->op = (enum command_op)op;
            return 0;
        }
    }
    return refuse(refusal, REFUSAL_UNKNOWN_OP,
                  "%s: the ops are broadcast, disconnect, history, stats, hello and ping",
                  quote(&quoted, name.bytes, name.size));
}

static int refuse_unused(const struct command *command, const struct fields *fields,
                         struct command_refusal *refusal)
{
    uint32_t unused = fields->present & ~ops[command->op].keys;
    const char *op = ops[command->op].name;
    struct quoted quoted;

    if (unused)
        return refuse(refusal, REFUSAL_BAD_COMMAND, "%s: not a key of %s",
                      key_name((enum key)__builtin_ctz(unused)), op);
    if (fields->has_unknown)
        return refuse(refusal, REFUSAL_BAD_COMMAND, "%s: not a key of %s",
                      quote(&quoted, fields->unknown.bytes, fields->unknown.size), op);
    return 0;
}

static int read_priority(struct command *command, const struct fields *fields,
                         struct command_refusal *refusal)
{
    struct name_view name;

    if (!fields_has(fields, KEY_PRIORITY))
        return 0;
    int error = fields_str(fields, KEY_PRIORITY, &name, refusal);
    if (error)
        return error;
    for (unsigned i = 0; i < sizeof(priorities) / sizeof(priorities[0]); i++) {
        if (view_is(name, priorities[i].name, priorities[i].size)) {
            command->priority = (enum command_priority)i;
            return 0;
        }
    }
    return refuse(refusal, REFUSAL_BAD_COMMAND, "priority: must be critical, normal or low");
}

static int set_payload(struct command *command, enum payload_kind kind, const void *bytes,
                       size_t size)
{
    command->payload = payload_new(kind, (uint32_t)size);
    if (!command->payload)
        return ERR_NOMEM;
    memcpy(payload_body(command->payload), bytes, size);
    return 0;
}

static int read_structured(struct command *command, const struct fields *fields, uint64_t max,
                           struct command_refusal *refusal)
{
    struct json_text text;
    const char *why;
    int error = json_write(&text, &fields->values[KEY_DATA], fields->end, max, &why);

    if (!error)
        error = set_payload(command, PAYLOAD_JSON, text.bytes, text.size);
    else if (error == ERR_TOO_LARGE)
        error = refuse(refusal, REFUSAL_TOO_LARGE, "data: more than %llu bytes as JSON",
                       (unsigned long long)max);
    else if (error == ERR_PROTOCOL)
        error = refuse(refusal, REFUSAL_BAD_COMMAND, "data: %s", why);
    json_text_free(&text);
    return error;
}

static int read_data(struct command *command, const struct fields *fields, uint64_t message_bytes,
                     struct command_refusal *refusal)
{
    const struct value *data = &fields->values[KEY_DATA];
    uint64_t max = message_bytes < PAYLOAD_BYTES_MAX ? message_bytes : PAYLOAD_BYTES_MAX;

    if (!fields_has(fields, KEY_DATA))
        return refuse(refusal, REFUSAL_BAD_COMMAND, "data: missing");
    if (data->type != VALUE_STR && data->type != VALUE_BIN)
        return read_structured(command, fields, max, refusal);
    if (data->size > max)
        return refuse(refusal, REFUSAL_TOO_LARGE, "data: %lu bytes, where the limit is %llu",
                      (unsigned long)data->size, (unsigned long long)max);
    if (data->type == VALUE_BIN)
        return set_payload(command, PAYLOAD_BINARY, data->bytes, data->size);
    if (!utf8_valid(data->bytes, data->size))
        return refuse(refusal, REFUSAL_BAD_COMMAND, "data: not UTF-8");
    return set_payload(command, PAYLOAD_TEXT, data->bytes, data->size);
}

static int read_broadcast(struct command *command, const struct fields *fields,
                          uint64_t message_bytes, struct command_refusal *refusal)
{
    int error = target_read(command, fields, refusal);

    if (!error)
        error = read_priority(command, fields, refusal);
    if (!error)
        error = read_data(command, fields, message_bytes, refusal);
    return error;
}

/* A close frame carries it (RFC 6455 section 5.5.1), and it is handed on as a C string. */
static int read_reason(struct command *command, const struct fields *fields,
                       struct command_refusal *refusal)
{
    struct name_view reason = {.bytes = "force disconnect", .size = 16};
    int error = 0;

    if (fields_has(fields, KEY_REASON))
        error = fields_str(fields, KEY_REASON, &reason, refusal);
    if (error)
        return error;
    if (!reason.size || reason.size >= sizeof(command->reason))
        return refuse(refusal, REFUSAL_BAD_COMMAND, "reason: must be 1-%d bytes",
                      (int)sizeof(command->reason) - 1);
    if (memchr(reason.bytes, '\0', reason.size))
        return refuse(refusal, REFUSAL_BAD_COMMAND, "reason: must be without NUL");
    if (json_valid(reason.bytes, reason.size))
        return refuse(refusal, REFUSAL_BAD_COMMAND, "reason: must not be JSON");
    memcpy(command->reason, reason.bytes, reason.size);
    command->reason[reason.size] = '\0';
    return 0;
}

static int read_disconnect(struct command *command, const struct fields *fields,
                           struct command_refusal *refusal)
{
    uint64_t code = COMMAND_CODE_DEFAULT;
    int error = target_read(command, fields, refusal);

    if (!error && fields_has(fields, KEY_CODE))
        error = fields_uint(fields, KEY_CODE, &code, refusal);
    if (error)
        return error;
    if (code < 3000 || code > 4999)
        return refuse(refusal, REFUSAL_BAD_COMMAND, "code: must be 3000-4999");
    command->code = (uint16_t)code;
    return read_reason(command, fields, refusal);
}

/* EPOCH:OFFSET. Whether the epoch is one is the home's to say (an unknown group's is ""). */
static bool split_since(struct command *command)
{
    struct name_view since = command->since;
    const char *end = since.bytes + since.size, *digits = end;
    uint64_t offset = 0;

    while (digits > since.bytes && digits[-1] != ':')
        digits--;
    if (digits == since.bytes || digits == end)
        return false;
    for (const char *at = digits; at < end; at++) {
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(offset, 10u, &offset) ||
            __builtin_add_overflow(offset, (unsigned)(*at - '0'), &offset))
            return false;
    }
    command->since_epoch = (struct name_view){since.bytes, (uint32_t)(digits - 1 - since.bytes)};
    command->since_offset = offset;
    return true;
}

static int read_history(struct command *command, const struct fields *fields,
                        struct command_refusal *refusal)
{
    int error = target_read(command, fields, refusal);

    command->has_limit = fields_has(fields, KEY_LIMIT);
    if (!error && command->has_limit)
        error = fields_uint(fields, KEY_LIMIT, &command->limit, refusal);
    if (error || !fields_has(fields, KEY_SINCE))
        return error;
    error = fields_str(fields, KEY_SINCE, &command->since, refusal);
    if (!error && !split_since(command))
        error = refuse(refusal, REFUSAL_BAD_COMMAND, "since: must be \"EPOCH:OFFSET\"");
    return error;
}

static int read_fields_of_op(struct command *command, const struct fields *fields,
                             uint64_t message_bytes, struct command_refusal *refusal)
{
    switch (command->op) {
    case COMMAND_BROADCAST:
        return read_broadcast(command, fields, message_bytes, refusal);
    case COMMAND_DISCONNECT:
        return read_disconnect(command, fields, refusal);
    case COMMAND_HISTORY:
        return read_history(command, fields, refusal);
    case COMMAND_HELLO:
        return fields_has(fields, KEY_TOKEN)
                   ? fields_str(fields, KEY_TOKEN, &command->token, refusal)
                   : 0;
    case COMMAND_STATS:
    case COMMAND_PING:
        break;
    }
    return 0;
}

int command_decode(struct command *command, const uint8_t *bytes, size_t size,
                   uint64_t message_bytes, struct command_refusal *refusal)
{
    struct fields fields;

    memset(command, 0, sizeof(*command));
    command->priority = PRIORITY_UNSET;

    int error = fields_read(&fields, bytes, size, command, refusal);
    if (!error)
        error = read_op(command, &fields, refusal);
    if (!error)
        error = refuse_unused(command, &fields, refusal);
    if (!error)
        error = read_fields_of_op(command, &fields, message_bytes, refusal);
    if (error)
        command_clear(command);
    return error;
}

void command_clear(struct command *command)
{
    if (command->payload)
        payload_unref(command->payload);
    command->payload = NULL;
    free(command->names);
    command->names = NULL;
    command->name_count = 0;
}
