#include "proto/command_fields.h"

#include <string.h>

#include "proto/refuse.h"
#include "proto/utf8.h"

static const struct {
    const char *name;
    uint32_t size;
} keys[KEY_COUNT] = {
    [KEY_OP] = {"op", 2},
    [KEY_GROUP] = {"group", 5},
    [KEY_DATA] = {"data", 4},
    [KEY_ID] = {"id", 2},
    [KEY_EXPERIMENT] = {"experiment", 10},
    [KEY_SESSION] = {"session", 7},
    [KEY_USER] = {"user", 4},
    [KEY_GROUPS] = {"groups", 6},
    [KEY_ALL] = {"all", 3},
    [KEY_PRIORITY] = {"priority", 8},
    [KEY_CODE] = {"code", 4},
    [KEY_REASON] = {"reason", 6},
    [KEY_LIMIT] = {"limit", 5},
    [KEY_SINCE] = {"since", 5},
    [KEY_TOKEN] = {"token", 5},
};

const char *key_name(enum key key)
{
    return keys[key].name;
}

static enum key key_find(const struct value *text)
{
    enum key key = 0;

    while (key < KEY_COUNT &&
           (keys[key].size != text->size || memcmp(keys[key].name, text->bytes, text->size) != 0))
        key++;
    return key;
}

static int add_field(struct fields *fields, const struct value *text, const struct value *value,
                     struct command_refusal *refusal)
{
    if (text->type != VALUE_STR)
        return refuse(refusal, REFUSAL_BAD_COMMAND, "a key must be a string, not %s",
                      value_type_name(text->type));

    enum key key = key_find(text);
    if (key == KEY_COUNT) {
        if (!fields->has_unknown)
            fields->unknown = *text;
        fields->has_unknown = true;
        return 0;
    }
    if (fields_has(fields, key))
        return refuse(refusal, REFUSAL_BAD_COMMAND, "%s: a key that is there twice", key_name(key));
    fields->present |= KEY_BIT(key);
    fields->values[key] = *value;
    return 0;
}

/* All keys, also behind one that is refused: the id may still come. */
static int read_map(struct fields *fields, const uint8_t *at, struct command_refusal *refusal)
{
    struct command_refusal later; /* only the first fault is told */
    struct value map, text, value;
    int error = 0;

    if (value_next(&map, &at, fields->end) || map.type != VALUE_MAP)
        return refuse(refusal, REFUSAL_BAD_COMMAND, "a command must be a map");
    for (uint32_t pairs = map.size; pairs; pairs--) {
        if (value_next(&text, &at, fields->end) || value_skip(&text, &at, fields->end) ||
            value_next(&value, &at, fields->end) || value_skip(&value, &at, fields->end))
            return error ? error : refuse(refusal, REFUSAL_BAD_COMMAND, "it is cut short");
        if (add_field(fields, &text, &value, error ? &later : refusal))
            error = ERR_PROTOCOL;
    }
    return error;
}

static int read_id(const struct fields *fields, struct command *command,
                   struct command_refusal *refusal)
{
    if (!fields_has(fields, KEY_ID) || fields->values[KEY_ID].type == VALUE_NIL)
        return 0;
    if (fields->values[KEY_ID].type != VALUE_UINT)
        return refuse(refusal, REFUSAL_BAD_COMMAND,
                      "id: must be an unsigned integer of up to 64 bits, not %s",
                      value_type_name(fields->values[KEY_ID].type));
    command->has_id = true;
    command->id = fields->values[KEY_ID].uint;
    return 0;
}

int fields_read(struct fields *fields, const uint8_t *bytes, size_t size, struct command *command,
                struct command_refusal *refusal)
{
    struct command_refusal later;

    fields->present = 0;
    fields->has_unknown = false;
    fields->end = bytes + size;

    int error = read_map(fields, bytes, refusal);
    if (read_id(fields, command, error ? &later : refusal))
        error = ERR_PROTOCOL;
    return error;
}

int fields_str(const struct fields *fields, enum key key, struct name_view *view,
               struct command_refusal *refusal)
{
    const struct value *value = &fields->values[key];

    if (value->type != VALUE_STR)
        return refuse(refusal, REFUSAL_BAD_COMMAND, "%s: must be a string, not %s", key_name(key),
                      value_type_name(value->type));
    if (!utf8_valid(value->bytes, value->size))
        return refuse(refusal, REFUSAL_BAD_COMMAND, "%s: not UTF-8", key_name(key));
    view->bytes = (const char *)value->bytes;
    view->size = value->size;
    return 0;
}

int fields_uint(const struct fields *fields, enum key key, uint64_t *number,
                struct command_refusal *refusal)
{
    const struct value *value = &fields->values[key];

    if (value->type != VALUE_UINT)
        return refuse(refusal, REFUSAL_BAD_COMMAND, "%s: must be an unsigned integer, not %s",
                      key_name(key), value_type_name(value->type));
    *number = value->uint;
    return 0;
}
