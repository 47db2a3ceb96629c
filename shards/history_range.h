/* A range of a group's history: what an answer carries from the home to those who asked.
 *
 * Immutable once made, counted, shared by all who asked for the same: any thread that holds a
 * reference may read. */
#ifndef SHARDCAST_SHARDS_HISTORY_RANGE_H
#define SHARDCAST_SHARDS_HISTORY_RANGE_H

#include <stdatomic.h>
#include <stdint.h>

#include "proto/payload.h"

struct history_range {
    atomic_uint refs;
    uint32_t count;
    uint64_t first;             /* offset of messages[0]; each further one is one more */
    uint64_t bytes;             /* of their frames */
    struct payload *messages[]; /* `count`, one reference each */
};

/* Zeroed but for one reference. NULL: out of memory. */
struct history_range *history_range_new(uint32_t count) MUST_CHECK;

struct history_range *history_range_ref(struct history_range *range);
void history_range_unref(struct history_range *range); /* NULL: nothing */

#endif
