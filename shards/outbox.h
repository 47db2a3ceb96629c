/* What a shard has for the others: one batch for each of them and queue, handed over at the end of
 * the turn. One shard's own.
 *
 * A full inbox is an outcome: the batches wait here, in order, and are tried again next turn;
 * meanwhile the shard reads nothing from its producers, and gives its answers (which are the
 * credit of the other shards' producers) only when everything else has been handed over.
 *
 * Records that shards tell each other keep the members counted, so none of them can be left out:
 * out of memory here ends the process with a message. */
#ifndef SHARDCAST_SHARDS_OUTBOX_H
#define SHARDCAST_SHARDS_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shards/batch.h"
#include "shards/inbox.h"
#include "shards/table.h"

/* OUTBOX_ANSWERS travel by the normal queue, behind everything else. */
enum outbox_queue { OUTBOX_CRITICAL, OUTBOX_NORMAL, OUTBOX_ANSWERS, OUTBOX_QUEUES };

struct outbox;

/* For shard `self` of `count`; `inboxes` has count + 1 entries, the last is the main thread's.
 * NULL: out of memory. */
struct outbox *outbox_new(uint32_t self, uint32_t count, struct inbox **inboxes) MUST_CHECK;
void outbox_free(struct outbox *outbox); /* discards what waits in it */

/* Adds a record for shard `to` (`count`: the main thread), see batch_add(); `name` is what it is
 * about, NULL: nothing. `payload_bytes` is the size of the message that it refers to, if any.
 * Never NULL. */
void *outbox_add(struct outbox *outbox, uint32_t to, enum outbox_queue queue, enum record_type type,
                 size_t fixed, const struct named *name, size_t extra, uint32_t payload_bytes);

/* Takes what the shard has for itself; NULL: nothing. Answers come only while nothing waits. */
struct batch *outbox_take_own(struct outbox *outbox);

/* Whether outbox_take_own() has something. */
bool outbox_has_own(const struct outbox *outbox);

/* Takes back a batch that has been worked through, to be used again. */
void outbox_recycle(struct outbox *outbox, struct batch *batch);

/* Hands over what it can, and wakes whom it must. Returns whether something is left waiting. */
bool outbox_hand_over(struct outbox *outbox);

/* Whether something critical has been added since the last hand-over. */
bool outbox_urgent(const struct outbox *outbox);

/* Whether the last hand-over left something waiting. */
bool outbox_waiting(const struct outbox *outbox);

/* Ends the process: what shards tell each other can be neither lost nor kept. */
_Noreturn void outbox_out_of_memory(void);

#endif
