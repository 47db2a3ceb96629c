/* Protobuf's variable-length integers: seven bits a byte, the lowest first. Pure. */
#ifndef SHARDCAST_PROTO_VARINT_H
#define SHARDCAST_PROTO_VARINT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

#define VARINT_MAX 10 /* bytes */

/* Reads the one at `*at` and moves behind it. Forms that are longer than they need to be are taken.
 * ERR_PROTOCOL: it is cut short at `end`, or longer than VARINT_MAX. Bits above the 64th are lost,
 * as Protobuf wants. */
static inline int varint_read(uint64_t *value, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *next = *at;
    unsigned shift = 0;

    *value = 0;
    do {
        if (next == end || shift == 7 * VARINT_MAX)
            return ERR_PROTOCOL;
        *value |= (uint64_t)(*next & 0x7f) << shift;
        shift += 7;
    } while (*next++ & 0x80);
    *at = next;
    return 0;
}

/* Writes `value` in its shortest form and returns where it ends. */
static inline uint8_t *varint_write(uint8_t *out, uint64_t value)
{
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static inline size_t varint_bytes(uint64_t value)
{
    size_t bytes = 1;

    while (value >= 0x80) {
        value >>= 7;
        bytes++;
    }
    return bytes;
}

#endif
