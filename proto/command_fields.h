/* A command's keys and what stands behind them, before anybody asks what it means. Internal to
 * proto/command*.c. */
#ifndef SHARDCAST_PROTO_COMMAND_FIELDS_H
#define SHARDCAST_PROTO_COMMAND_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/command.h"
#include "proto/value.h"

/* The most frequent first: a key is looked up in this order. */
enum key {
    KEY_OP,
    KEY_GROUP,
    KEY_DATA,
    KEY_ID,
    KEY_EXPERIMENT,
    KEY_SESSION,
    KEY_USER,
    KEY_GROUPS,
    KEY_ALL,
    KEY_PRIORITY,
    KEY_CODE,
    KEY_REASON,
    KEY_LIMIT,
    KEY_SINCE,
    KEY_TOKEN,
    KEY_COUNT /* no key of ours */
};

#define KEY_BIT(key) (UINT32_C(1) << (key))

const char *key_name(enum key key);

struct fields {
    uint32_t present; /* KEY_BIT() of each key that is there */
    bool has_unknown; /* a key that no op has */
    struct value unknown;
    struct value values[KEY_COUNT]; /* of those present */
    const uint8_t *end;             /* of the command */
};

static inline bool fields_has(const struct fields *fields, enum key key)
{
    return fields->present & KEY_BIT(key);
}

/* Reads a whole command into `fields`, and its id into `command`, which is there after a refusal,
 * too. Refuses what is no map, keys that are no strings, keys that are there twice, and an id of
 * a wrong type. */
int fields_read(struct fields *fields, const uint8_t *bytes, size_t size, struct command *command,
                struct command_refusal *refusal) MUST_CHECK;

/* A field that must be a string in UTF-8, and is present. */
int fields_str(const struct fields *fields, enum key key, struct name_view *view,
               struct command_refusal *refusal) MUST_CHECK;

/* A field that must be an integer and not negative, and is present. */
int fields_uint(const struct fields *fields, enum key key, uint64_t *number,
                struct command_refusal *refusal) MUST_CHECK;

#endif
