/* A shard's inbox: two bounded lock-free MPMC queues of batches, one for what is critical and one
 * for all the rest, and the wake-up of the shard that sleeps in its loop.
 *
 * Any thread may push; only the owning shard pops (and whoever destroys it, once the threads are
 * gone). Made before any thread starts, so that the eventfd has the same number in every shard's
 * private fd table. */
#ifndef SHARDCAST_SHARDS_INBOX_H
#define SHARDCAST_SHARDS_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/error.h"
#include "shards/batch.h"

enum inbox_queue { INBOX_CRITICAL, INBOX_NORMAL };

struct inbox;

/* `slots` batches each, a power of two of at least 4 (one slot stays empty); a push beyond
 * `bytes_max` bytes of messages in its queue is full, too, unless there are none.
 * NULL: out of memory or no eventfd. */
struct inbox *inbox_new(uint32_t slots, uint64_t bytes_max) MUST_CHECK;

/* Discards what is left in it. No other thread may use it any more. */
void inbox_free(struct inbox *inbox);

/* Any thread. On success the batch is the receiver's. ERR_FULL: it stays the sender's. */
int inbox_push_mpmc(struct inbox *inbox, enum inbox_queue queue, struct batch *batch) MUST_CHECK;

/* Any thread, after its pushes of a turn: wakes the owner if it may be asleep. */
void inbox_wake(struct inbox *inbox);

/* The owner: the next batch. What is critical comes first, and a batch of the other queue is handed
 * out only once everything critical that was pushed before it has been. NULL: empty. */
struct batch *inbox_pop(struct inbox *inbox);

/* The owner: the next batch of what is critical; NULL: none. */
struct batch *inbox_pop_critical(struct inbox *inbox);

/* Whether there is any. */
bool inbox_has_critical(const struct inbox *inbox);

/* The owner, before it sleeps: from now on pushes are followed by a wake-up. False: there is
 * something to pop, do not sleep. */
bool inbox_sleep(struct inbox *inbox);

/* The owner, awake again: pushes need no wake-up any more. */
void inbox_awake(struct inbox *inbox);

/* The owner, when the eventfd is readable. */
void inbox_drain_wakeups(struct inbox *inbox);

/* The eventfd to poll for reading. */
int inbox_fd(const struct inbox *inbox);

/* Any thread, for statistics: batches waiting, and pushes that found it full. */
uint64_t inbox_depth(const struct inbox *inbox);
uint64_t inbox_full_count(const struct inbox *inbox);

#endif
