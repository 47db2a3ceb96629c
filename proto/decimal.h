/* Numbers as decimal text: what JSON has, and what stands in a group's name. Pure; not ended by
 * NUL. The process stays in the C locale, so a decimal point is a point. */
#ifndef SHARDCAST_PROTO_DECIMAL_H
#define SHARDCAST_PROTO_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#define DECIMAL_MAX 32

/* Each writes to `out`, which has DECIMAL_MAX bytes, and returns the length. */
size_t decimal_uint(char *out, uint64_t value);
size_t decimal_int(char *out, int64_t value);

/* Finite numbers, in the fewest digits that read back as the same bits. A float always shows
 * that it is one ("1.0", "1e+21"), so that readers that tell the two apart get what was sent. */
size_t decimal_double(char *out, double value);

/* The same for 32 bits: 0.1f is "0.1", not "0.10000000149011612". */
size_t decimal_float(char *out, float value);

#endif
