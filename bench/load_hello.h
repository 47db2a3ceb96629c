/* The first frame of a member that asked for `hello=1`: where its group stood when it joined. With
 * it nothing can be missed at the beginning unseen: the next message has the number behind that.
 *
 * Pure. */
#ifndef SHARDCAST_BENCH_LOAD_HELLO_H
#define SHARDCAST_BENCH_LOAD_HELLO_H

#include <stddef.h>
#include <stdint.h>

struct hello {
    uint64_t epoch; /* a hash of it */
    uint64_t offset;
};

/* Reads {"groups": {NAME: {"epoch": "…", "offset": N}}} of one group. -1: it is something else. */
int hello_parse(struct hello *hello, const uint8_t *text, size_t size);

/* Where a run's numbers of a group begin: its message n has the offset base + n. */
struct position {
    uint64_t epoch;
    uint64_t base;
    enum { POSITION_UNKNOWN, POSITION_KNOWN, POSITION_LOST } state;
};

/* Takes the hello of a member that joined. The first one of a group says where its numbers begin;
 * of one that the server had forgotten since (another epoch) nothing is known any more. Returns the
 * number of the message that must come next, 0: nobody knows. */
uint64_t position_take(struct position *position, const struct hello *hello);

#endif
