/* A batch: the records that one shard has for another at the end of a turn, in one allocation.
 *
 * Owned by one thread at a time: by the sender until it is pushed into an inbox, by the receiver
 * from then on. */
#ifndef SHARDCAST_SHARDS_BATCH_H
#define SHARDCAST_SHARDS_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "shards/records.h"
#include "shards/table.h"

struct batch {
    struct batch *next;     /* in whatever list its owner keeps */
    uint32_t source;        /* shard that made it; one past the last: the main thread */
    uint32_t used;          /* bytes of records */
    uint32_t capacity;      /* bytes */
    uint32_t payload_bytes; /* of the messages that it refers to */
    uint8_t bytes[];
};

/* NULL: out of memory. */
struct batch *batch_new(uint32_t source, uint32_t capacity) MUST_CHECK;

/* Adds a record of `fixed` bytes, followed by the name (NULL: none) and room for `extra` bytes, to
 * *batch, which may move. Fills the head; the caller fills the rest. NULL: out of memory, nothing
 * changed. */
void *batch_add(struct batch **batch, enum record_type type, size_t fixed, const struct named *name,
                size_t extra) MUST_CHECK;

/* The record behind `record`, the first where it is NULL, NULL behind the last. */
struct record *batch_next(struct batch *batch, struct record *record);

/* Gives back what the records own, and frees the batch. */
void batch_discard(struct batch *batch);

#endif
