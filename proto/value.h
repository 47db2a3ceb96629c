/* One msgpack value as it lies in somebody's bytes.
 *
 * A cursor by hand over the input, for the scanner, the decoder and the JSON transcoder. Nothing is
 * allocated and nothing is copied: a str, bin or ext points into the input, and a container says
 * where its first value begins. Every read is bounded by `end`, so any bytes may be given.
 *
 * Why not msgpack-c's unpacker here: it builds a tree in a zone first. For a small broadcast that
 * alone takes 64 ns, where scanning takes 22 ns and decoding with all that belongs to it 74 ns; for
 * `data` of 16 fields 260-370 ns against 130 ns (bench/micro_command, one run each). It stops at 32
 * levels counted from the command, where `data` alone may have 32; and five bytes make it reserve a
 * gigabyte. What the engine writes is packed with msgpack-c (proto/answer.c). */
#ifndef SHARDCAST_PROTO_VALUE_H
#define SHARDCAST_PROTO_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

enum value_type {
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_UINT,     /* any integer that is not negative, also in a signed encoding */
    VALUE_NEGATIVE, /* an integer below 0 */
    VALUE_FLOAT,    /* 32 bits */
    VALUE_DOUBLE,   /* 64 bits */
    VALUE_STR,
    VALUE_BIN,
    VALUE_EXT, /* timestamps are among them */
    VALUE_ARRAY,
    VALUE_MAP
};

struct value {
    enum value_type type;
    uint32_t size; /* STR, BIN, EXT: bytes; ARRAY: values; MAP: pairs; else 0 */
    union {
        bool boolean;
        uint64_t uint;
        int64_t negative;
        float single;
        double real;
        const uint8_t *bytes; /* STR, BIN, EXT: the body; ARRAY, MAP: the first value */
    };
};

/* Length of the head (all of a value but body and contained values) that a first byte announces:
 * 1-9; 0 for 0xc1, which is no msgpack. */
size_t value_head_bytes(uint8_t first);

/* Reads the head at `at`. Returns its length; ERR_AGAIN: the `left` bytes do not hold all of it;
 * ERR_PROTOCOL: not msgpack. Whether body and contained values are there is not looked at. */
int value_read_head(struct value *value, const uint8_t *at, size_t left) MUST_CHECK;

/* Bytes that follow the head and belong to the value itself. */
static inline uint64_t value_body(const struct value *value)
{
    return value->type >= VALUE_STR && value->type <= VALUE_EXT ? value->size : 0;
}

/* Values that a container holds: a map's keys count, too. */
static inline uint64_t value_children(const struct value *value)
{
    if (value->type == VALUE_ARRAY)
        return value->size;
    return value->type == VALUE_MAP ? 2 * (uint64_t)value->size : 0;
}

/* Reads the value at `*at` with its body and moves `*at` behind that: for a container, to the first
 * value in it. ERR_PROTOCOL: it is not msgpack, or goes beyond `end`. */
int value_next(struct value *value, const uint8_t **at, const uint8_t *end) MUST_CHECK;

/* Moves `*at` behind all that the value holds, where value_next() has just read it. In constant
 * stack, however deep it is. ERR_PROTOCOL as above. */
int value_skip(const struct value *value, const uint8_t **at, const uint8_t *end) MUST_CHECK;

/* For messages to people: "an array", "a string", … */
const char *value_type_name(enum value_type type);

#endif
