/* What a measured message says about itself: the run and group it is for, its number in that group,
 * when it should have been sent, and a checksum over all its bytes. In the payload, in host order:
 * the publisher and the members are one process.
 *
 *     0 group (32 bits; first, so that a peer can route by it)   4 run   6 phase
 *     8 sequence   16 intended time   24 filler   last 8 bytes: XXH3 over all that is before them
 */
#ifndef SHARDCAST_BENCH_LOAD_STAMP_H
#define SHARDCAST_BENCH_LOAD_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define STAMP_BYTES_MIN 32
#define STAMP_EVERYONE  UINT32_MAX /* the group number of what is sent to all */

enum stamp_phase { PHASE_PROBE, PHASE_WARMUP, PHASE_MEASURE };

struct stamp {
    uint32_t group;
    uint16_t run;         /* which run sent it: another one may use the same names */
    uint16_t phase;       /* enum stamp_phase: latency counts in PHASE_MEASURE only */
    uint64_t sequence;    /* 1 for the group's first */
    uint64_t intended_ns; /* CLOCK_MONOTONIC; by schedule, not when it got around to it */
};

_Static_assert(sizeof(struct stamp) == 24, "the stamp is laid out as documented");

/* Writes stamp and checksum into a payload of `size` >= STAMP_BYTES_MIN bytes; the filler between
 * them is the caller's. */
static inline void stamp_write(uint8_t *payload, size_t size, const struct stamp *stamp)
{
    XXH64_hash_t sum;

    memcpy(payload, stamp, sizeof(*stamp));
    sum = XXH3_64bits(payload, size - sizeof(sum));
    memcpy(payload + size - sizeof(sum), &sum, sizeof(sum));
}

/* Reads it back. False: these are not the bytes that were sent. */
static inline bool stamp_read(const uint8_t *payload, size_t size, struct stamp *stamp)
{
    XXH64_hash_t sum;

    if (size < STAMP_BYTES_MIN)
        return false;
    memcpy(stamp, payload, sizeof(*stamp));
    memcpy(&sum, payload + size - sizeof(sum), sizeof(sum));
    return sum == XXH3_64bits(payload, size - sizeof(sum));
}

#endif
