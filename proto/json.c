#include "proto/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/decimal.h"
#include "proto/json_string.h"
#include "proto/utf8.h"

/* A container that is open. */
struct level {
    uint32_t left; /* values (of a map: pairs) still to come */
    bool map;
    bool first;
};

static int grow(struct json_text *text, size_t size)
{
    size_t capacity = 2 * text->capacity;
    if (capacity < text->size + size)
        capacity = text->size + size;
    char *grown = realloc(text->bytes == text->small ? NULL : text->bytes, capacity);
    if (!grown)
        return ERR_NOMEM;
    if (text->bytes == text->small)
        memcpy(grown, text->small, text->size);
    text->bytes = grown;
    text->capacity = capacity;
    return 0;
}

/* Room for `size` more bytes at text->bytes + text->size. */
static int reserve(struct json_text *text, uint64_t size)
{
    if (size > text->max - text->size)
        return ERR_TOO_LARGE;
    return size <= text->capacity - text->size ? 0 : grow(text, size);
}

static int put(struct json_text *text, const void *bytes, size_t size)
{
    int error = reserve(text, size);

    if (error)
        return error;
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    return 0;
}

static int put_char(struct json_text *text, char c)
{
    return put(text, &c, 1);
}

static int put_escape(struct json_text *text, uint8_t c)
{
    char escape[JSON_ESCAPE_MAX];

    return put(text, escape, json_escape(escape, c));
}

static int put_string(struct json_text *text, const struct value *value, const char **why)
{
    const uint8_t *at = value->bytes, *end = at + value->size;
    int error = reserve(text, (uint64_t)value->size + 2);

    if (error)
        return error; /* before the check of UTF-8: what is too large is not worth reading */
    if (!utf8_valid(at, value->size)) {
        *why = "a string in it is not UTF-8";
        return ERR_PROTOCOL;
    }
    error = put_char(text, '"');
    while (!error) {
        const uint8_t *run = at;
        at = json_plain_end(at, end);
        error = put(text, run, (size_t)(at - run));
        if (error || at == end)
            break;
        error = put_escape(text, *at++);
    }
    return error ? error : put_char(text, '"');
}

static int put_base64(struct json_text *text, const struct value *value)
{
    size_t size = json_base64_bytes(value->size);
    int error = reserve(text, size);

    if (error)
        return error;
    json_base64_write((uint8_t *)text->bytes + text->size, value->bytes, value->size);
    text->size += size;
    return 0;
}

static int put_double(struct json_text *text, double value)
{
    char digits[DECIMAL_MAX];

    return isfinite(value) ? put(text, digits, decimal_double(digits, value))
                           : put(text, "null", 4);
}

static int put_float(struct json_text *text, float value)
{
    char digits[DECIMAL_MAX];

    return isfinite(value) ? put(text, digits, decimal_float(digits, value)) : put(text, "null", 4);
}

static int put_scalar(struct json_text *text, const struct value *value, const char **why)
{
    char digits[DECIMAL_MAX];

    switch (value->type) {
    case VALUE_NIL:
        return put(text, "null", 4);
    case VALUE_BOOL:
        return value->boolean ? put(text, "true", 4) : put(text, "false", 5);
    case VALUE_UINT:
        return put(text, digits, decimal_uint(digits, value->uint));
    case VALUE_NEGATIVE:
        return put(text, digits, decimal_int(digits, value->negative));
    case VALUE_FLOAT:
        return put_float(text, value->single);
    case VALUE_DOUBLE:
        return put_double(text, value->real);
    case VALUE_STR:
        return put_string(text, value, why);
    case VALUE_BIN:
        return put_base64(text, value);
    default:
        *why = "an extension type has no JSON";
        return ERR_PROTOCOL;
    }
}

/* A comma where one is due, a map's key, and the head of the value that comes next. */
static int next_value(struct json_text *text, struct level *level, struct value *value,
                      const uint8_t **at, const uint8_t *end, const char **why)
{
    int error = level->first ? 0 : put_char(text, ',');

    level->first = false;
    level->left--;
    if (!error && level->map) {
        error = value_next(value, at, end);
        if (!error && value->type != VALUE_STR) {
            *why = "a key in it is no string";
            return ERR_PROTOCOL;
        }
        if (!error)
            error = put_string(text, value, why);
        if (!error)
            error = put_char(text, ':');
    }
    return error ? error : value_next(value, at, end);
}

static int write_all(struct json_text *text, struct value value, const uint8_t *end,
                     const char **why)
{
    struct level levels[JSON_LEVELS_MAX]; /* not the C stack: a peer says how deep it goes */
    unsigned depth = 0;
    const uint8_t *at = value.type == VALUE_ARRAY || value.type == VALUE_MAP ? value.bytes : end;

    for (;;) {
        int error;

        if (value.type != VALUE_ARRAY && value.type != VALUE_MAP) {
            error = put_scalar(text, &value, why);
        } else if (depth == JSON_LEVELS_MAX) {
            *why = "it is more than 32 levels deep";
            return ERR_PROTOCOL;
        } else {
            bool map = value.type == VALUE_MAP;
            levels[depth++] = (struct level){.left = value.size, .map = map, .first = true};
            error = put_char(text, map ? '{' : '[');
        }
        while (!error && depth && !levels[depth - 1].left) {
            depth--;
            error = put_char(text, levels[depth].map ? '}' : ']');
        }
        if (error || !depth)
            return error;
        error = next_value(text, &levels[depth - 1], &value, &at, end, why);
        if (error)
            return error;
    }
}

int json_write(struct json_text *text, const struct value *value, const uint8_t *end, uint64_t max,
               const char **why)
{
    text->bytes = text->small;
    text->size = 0;
    text->capacity = sizeof(text->small);
    text->max = max;
    *why = "it is cut short"; /* only where nobody has scanned the bytes before */
    return write_all(text, *value, end, why);
}

void json_text_free(struct json_text *text)
{
    if (text->bytes != text->small)
        free(text->bytes);
}
