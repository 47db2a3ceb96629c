#include "proto/value.h"

#include <endian.h>
#include <string.h>

/* clang-format off */
static const uint8_t head_bytes[256] = {
    [0x00 ... 0x7f] = 1, /* positive fixint */
    [0x80 ... 0xbf] = 1, /* fixmap, fixarray, fixstr */
    [0xc0] = 1, [0xc2] = 1, [0xc3] = 1, /* nil, false, true; 0xc1 is never used */
    [0xc4] = 2, [0xc5] = 3, [0xc6] = 5, /* bin */
    [0xc7] = 3, [0xc8] = 4, [0xc9] = 6, /* ext */
    [0xca] = 5, [0xcb] = 9, /* float */
    [0xcc] = 2, [0xcd] = 3, [0xce] = 5, [0xcf] = 9, /* uint */
    [0xd0] = 2, [0xd1] = 3, [0xd2] = 5, [0xd3] = 9, /* int */
    [0xd4 ... 0xd8] = 2, /* fixext */
    [0xd9] = 2, [0xda] = 3, [0xdb] = 5, /* str */
    [0xdc] = 3, [0xdd] = 5, /* array */
    [0xde] = 3, [0xdf] = 5, /* map */
    [0xe0 ... 0xff] = 1, /* negative fixint */
};
/* clang-format on */

size_t value_head_bytes(uint8_t first)
{
    return head_bytes[first];
}

static uint16_t load16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return be16toh(value);
}

static uint32_t load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return be32toh(value);
}

static uint64_t load64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return be64toh(value);
}

static void set_sized(struct value *value, enum value_type type, uint32_t size)
{
    value->type = type;
    value->size = size;
}

static void set_uint(struct value *value, uint64_t number)
{
    set_sized(value, VALUE_UINT, 0);
    value->uint = number;
}

static void set_int(struct value *value, int64_t number)
{
    if (number >= 0) {
        set_uint(value, (uint64_t)number);
        return;
    }
    set_sized(value, VALUE_NEGATIVE, 0);
    value->negative = number;
}

static void set_float(struct value *value, enum value_type type, uint64_t bits)
{
    uint32_t low = (uint32_t)bits;

    set_sized(value, type, 0);
    if (type == VALUE_FLOAT)
        memcpy(&value->single, &low, sizeof(low));
    else
        memcpy(&value->real, &bits, sizeof(bits));
}

static void read_fixed(struct value *value, uint8_t first)
{
    if (first < 0x80)
        set_uint(value, first);
    else if (first < 0x90)
        set_sized(value, VALUE_MAP, first & 0x0f);
    else if (first < 0xa0)
        set_sized(value, VALUE_ARRAY, first & 0x0f);
    else if (first < 0xc0)
        set_sized(value, VALUE_STR, first & 0x1f);
    else
        set_int(value, (int8_t)first);
}

static void read_number(struct value *value, const uint8_t *at)
{
    switch (*at) {
    case 0xca:
        set_float(value, VALUE_FLOAT, load32(at + 1));
        break;
    case 0xcb:
        set_float(value, VALUE_DOUBLE, load64(at + 1));
        break;
    case 0xcc:
        set_uint(value, at[1]);
        break;
    case 0xcd:
        set_uint(value, load16(at + 1));
        break;
    case 0xce:
        set_uint(value, load32(at + 1));
        break;
    case 0xcf:
        set_uint(value, load64(at + 1));
        break;
    case 0xd0:
        set_int(value, (int8_t)at[1]);
        break;
    case 0xd1:
        set_int(value, (int16_t)load16(at + 1));
        break;
    case 0xd2:
        set_int(value, (int32_t)load32(at + 1));
        break;
    default: /* 0xd3 */
        set_int(value, (int64_t)load64(at + 1));
    }
}

static void read_sized(struct value *value, const uint8_t *at)
{
    switch (*at) {
    case 0xc4:
    case 0xd9:
        set_sized(value, *at == 0xc4 ? VALUE_BIN : VALUE_STR, at[1]);
        break;
    case 0xc5:
    case 0xda:
        set_sized(value, *at == 0xc5 ? VALUE_BIN : VALUE_STR, load16(at + 1));
        break;
    case 0xc6:
    case 0xdb:
        set_sized(value, *at == 0xc6 ? VALUE_BIN : VALUE_STR, load32(at + 1));
        break;
    case 0xc7:
        set_sized(value, VALUE_EXT, at[1]);
        break;
    case 0xc8:
        set_sized(value, VALUE_EXT, load16(at + 1));
        break;
    case 0xc9:
        set_sized(value, VALUE_EXT, load32(at + 1));
        break;
    case 0xdc:
    case 0xde:
        set_sized(value, *at == 0xdc ? VALUE_ARRAY : VALUE_MAP, load16(at + 1));
        break;
    case 0xdd:
    case 0xdf:
        set_sized(value, *at == 0xdd ? VALUE_ARRAY : VALUE_MAP, load32(at + 1));
        break;
    default: /* 0xd4-0xd8 */
        set_sized(value, VALUE_EXT, 1u << (*at - 0xd4));
    }
}

int value_read_head(struct value *value, const uint8_t *at, size_t left)
{
    if (!left)
        return ERR_AGAIN;

    uint8_t first = *at;
    size_t head = head_bytes[first];
    if (!head)
        return ERR_PROTOCOL;
    if (left < head)
        return ERR_AGAIN;

    if (first < 0xc0 || first >= 0xe0) {
        read_fixed(value, first);
    } else if (first < 0xc4) {
        set_sized(value, first == 0xc0 ? VALUE_NIL : VALUE_BOOL, 0);
        value->boolean = first == 0xc3;
        return (int)head;
    } else if (first >= 0xca && first < 0xd4) {
        read_number(value, at);
    } else {
        read_sized(value, at);
    }
    if (value->type >= VALUE_STR)
        value->bytes = at + head;
    return (int)head;
}

int value_next(struct value *value, const uint8_t **at, const uint8_t *end)
{
    int head = value_read_head(value, *at, (size_t)(end - *at));

    if (head < 0)
        return ERR_PROTOCOL;
    *at += head;
    uint64_t body = value_body(value);
    if (body > (uint64_t)(end - *at))
        return ERR_PROTOCOL;
    *at += body;
    return 0;
}

int value_skip(const struct value *value, const uint8_t **at, const uint8_t *end)
{
    uint64_t pending = value_children(value);

    while (pending) {
        struct value child;

        /* Every value takes a byte at least; so `pending` stays far from overflowing, too. */
        if (pending > (uint64_t)(end - *at) || value_next(&child, at, end))
            return ERR_PROTOCOL;
        pending += value_children(&child) - 1;
    }
    return 0;
}

const char *value_type_name(enum value_type type)
{
    switch (type) {
    case VALUE_NIL:
        return "nil";
    case VALUE_BOOL:
        return "a boolean";
    case VALUE_UINT:
        return "an integer";
    case VALUE_NEGATIVE:
        return "a negative integer";
    case VALUE_FLOAT:
    case VALUE_DOUBLE:
        return "a float";
    case VALUE_STR:
        return "a string";
    case VALUE_BIN:
        return "binary data";
    case VALUE_EXT:
        return "an extension type";
    case VALUE_ARRAY:
        return "an array";
    case VALUE_MAP:
        return "a map";
    }
    return "a value";
}
