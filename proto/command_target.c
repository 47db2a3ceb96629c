#include "proto/command_target.h"

#include <stdlib.h>
#include <string.h>

#include "proto/decimal.h"
#include "proto/refuse.h"
#include "proto/utf8.h"

#define SMALL_NAMES 32 /* so many names are told apart without an allocation for it */

/* Which names `groups` had so far: open addressing, at most half full. A slot is 1 + the name's
 * index, or 0. */
struct name_set {
    uint32_t mask;
    uint64_t hash_key;
    uint32_t *slots; /* `small`, or allocated */
    uint32_t small[2 * SMALL_NAMES];
};

static int refuse_name(struct command_refusal *refusal, enum key key, const void *bytes,
                       size_t size)
{
    struct quoted quoted;

    if (!utf8_valid(bytes, size))
        return refuse(refusal, REFUSAL_BAD_COMMAND, "%s: not UTF-8", key_name(key));
    return refuse(refusal, REFUSAL_BAD_GROUP,
                  "%s %s: a name%s is 1-128 bytes of printable ASCII without space / ? # %% * , "
                  "\" \\",
                  key_name(key), quote(&quoted, bytes, size),
                  key == KEY_GROUP || key == KEY_GROUPS ? "" : " with its namespace");
}

/* prefix + text, if that is a group's name. */
static int set_name(struct command_name *name, enum key key, const char *prefix, const void *text,
                    size_t size, struct command_refusal *refusal)
{
    size_t prefix_bytes = strlen(prefix);

    if (size > GROUP_NAME_MAX - prefix_bytes)
        return refuse_name(refusal, key, text, size);
    memcpy(name->bytes, prefix, prefix_bytes);
    memcpy(name->bytes + prefix_bytes, text, size);
    name->size = (uint16_t)(prefix_bytes + size);
    name->bytes[name->size] = '\0';
    if (!group_name_valid(name->bytes, name->size))
        return refuse_name(refusal, key, text, size);
    return 0;
}

/* group, experiment, session or user: the last three also take integers. */
static int read_one(struct command *command, const struct fields *fields, enum key key,
                    const char *prefix, struct command_refusal *refusal)
{
    const struct value *value = &fields->values[key];
    char digits[DECIMAL_MAX];
    size_t size;

    command->name_count = 1;
    if (value->type == VALUE_STR)
        return set_name(&command->name, key, prefix, value->bytes, value->size, refusal);
    if (key != KEY_GROUP && (value->type == VALUE_UINT || value->type == VALUE_NEGATIVE)) {
        size = value->type == VALUE_UINT ? decimal_uint(digits, value->uint)
                                         : decimal_int(digits, value->negative);
        return set_name(&command->name, key, prefix, digits, size, refusal);
    }
    return refuse(refusal, REFUSAL_BAD_COMMAND, "%s: must be a string%s, not %s", key_name(key),
                  key == KEY_GROUP ? "" : " or an integer", value_type_name(value->type));
}

/* For up to `names` names. */
static int name_set_init(struct name_set *set, uint32_t names)
{
    uint32_t slots = 2 * SMALL_NAMES;

    while (slots < 2 * (uint64_t)names)
        slots *= 2;
    set->mask = slots - 1;
    set->slots = set->small;
    if (names > SMALL_NAMES)
        set->slots = calloc(slots, sizeof(*set->slots));
    else
        memset(set->small, 0, sizeof(set->small));
    if (!set->slots)
        return ERR_NOMEM;
    /* Addresses are random and no peer sees them, so nobody can choose names that collide. */
    set->hash_key = (uintptr_t)set->slots ^ (uint64_t)(uintptr_t)set << 24;
    return 0;
}

/* The slot that has this name, or is free for it. */
static uint32_t *name_set_slot(struct name_set *set, const struct command_name *names,
                               const struct value *text)
{
    uint64_t at = group_name_hash((const char *)text->bytes, text->size, set->hash_key);

    for (;; at++) {
        uint32_t *slot = &set->slots[at & set->mask];
        if (!*slot)
            return slot;
        const struct command_name *name = &names[*slot - 1];
        if (name->size == text->size && memcmp(name->bytes, text->bytes, text->size) == 0)
            return slot;
    }
}

static void name_set_free(struct name_set *set)
{
    if (set->slots != set->small)
        free(set->slots);
}

static int add_name(struct command *command, uint32_t *capacity, const struct value *text,
                    struct command_refusal *refusal)
{
    if (command->name_count == COMMAND_GROUPS_MAX)
        return refuse(refusal, REFUSAL_TOO_LARGE, "groups: more than %d names", COMMAND_GROUPS_MAX);
    if (command->name_count == *capacity) {
        /* In step with names that are read, not with a count that a peer only claims. */
        uint32_t grown = *capacity ? 2 * *capacity : SMALL_NAMES;
        struct command_name *names = realloc(command->names, grown * sizeof(*names));
        if (!names)
            return ERR_NOMEM;
        command->names = names;
        *capacity = grown;
    }
    int error = set_name(&command->names[command->name_count], KEY_GROUPS, "", text->bytes,
                         text->size, refusal);
    if (!error)
        command->name_count++;
    return error;
}

static int read_names(struct command *command, const struct fields *fields, struct name_set *set,
                      struct command_refusal *refusal)
{
    const struct value *array = &fields->values[KEY_GROUPS];
    const uint8_t *at = array->bytes;
    uint32_t capacity = 0;

    for (uint32_t i = 0; i < array->size; i++) {
        struct value text = {.type = VALUE_NIL};

        if (value_next(&text, &at, fields->end) || text.type != VALUE_STR)
            return refuse(refusal, REFUSAL_BAD_COMMAND, "groups: must be strings, not %s",
                          value_type_name(text.type));
        uint32_t *slot = name_set_slot(set, command->names, &text);
        if (*slot)
            continue;
        int error = add_name(command, &capacity, &text, refusal);
        if (error)
            return error;
        *slot = command->name_count;
    }
    return 0;
}

static int read_groups(struct command *command, const struct fields *fields,
                       struct command_refusal *refusal)
{
    const struct value *array = &fields->values[KEY_GROUPS];
    struct name_set set;

    if (array->type != VALUE_ARRAY)
        return refuse(refusal, REFUSAL_BAD_COMMAND, "groups: must be an array, not %s",
                      value_type_name(array->type));
    if (!array->size)
        return refuse(refusal, REFUSAL_BAD_COMMAND, "groups: must not be empty");
    if (name_set_init(&set, array->size < COMMAND_GROUPS_MAX ? array->size : COMMAND_GROUPS_MAX))
        return ERR_NOMEM;

    int error = read_names(command, fields, &set, refusal);
    name_set_free(&set);
    if (error)
        return error;
    command->groups = true;
    if (command->name_count == 1) {
        command->name = command->names[0];
        free(command->names);
        command->names = NULL;
    }
    return 0;
}

static int read_all(struct command *command, const struct fields *fields,
                    struct command_refusal *refusal)
{
    const struct value *value = &fields->values[KEY_ALL];

    if (value->type != VALUE_BOOL || !value->boolean)
        return refuse(refusal, REFUSAL_BAD_COMMAND, "all: can only be true");
    command->all = true;
    return 0;
}

int target_read(struct command *command, const struct fields *fields,
                struct command_refusal *refusal)
{
    uint32_t targets = fields->present & TARGET_ANY;

    if (!targets)
        return refuse(refusal, REFUSAL_BAD_COMMAND,
                      "no target: one of group, %sexperiment, "
                      "session, user%s is needed",
                      command->op == COMMAND_HISTORY ? "" : "groups, ",
                      command->op == COMMAND_HISTORY ? "" : ", all");
    if (targets & (targets - 1))
        return refuse(refusal, REFUSAL_BAD_COMMAND, "more than one target");

    switch (__builtin_ctz(targets)) {
    case KEY_EXPERIMENT:
        return read_one(command, fields, KEY_EXPERIMENT, "experiment:", refusal);
    case KEY_SESSION:
        return read_one(command, fields, KEY_SESSION, "session:", refusal);
    case KEY_USER:
        return read_one(command, fields, KEY_USER, "user:", refusal);
    case KEY_GROUPS:
        return read_groups(command, fields, refusal);
    case KEY_ALL:
        return read_all(command, fields, refusal);
    default:
        return read_one(command, fields, KEY_GROUP, "", refusal);
    }
}
