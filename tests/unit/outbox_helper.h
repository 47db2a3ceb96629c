/* An outbox of shard SELF, and the inboxes of all. Records are leaves of groups whose hash is their
 * number. */
#ifndef SHARDCAST_TESTS_OUTBOX_HELPER_H
#define SHARDCAST_TESTS_OUTBOX_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shards/outbox.h"

#define SHARDS 3
#define MAIN   SHARDS /* the main thread's inbox */
#define SELF   1
#define SLOTS  4 /* 3 batches fit */

struct world {
    struct inbox *inboxes[SHARDS + 1];
    struct outbox *outbox;
};

static inline void world_init(struct world *world, uint64_t bytes_max)
{
    for (unsigned i = 0; i <= SHARDS; i++) {
        world->inboxes[i] = inbox_new(SLOTS, bytes_max);
        assert_non_null(world->inboxes[i]);
    }
    world->outbox = outbox_new(SELF, SHARDS, world->inboxes);
    assert_non_null(world->outbox);
}

static inline void world_free(struct world *world)
{
    outbox_free(world->outbox);
    for (unsigned i = 0; i <= SHARDS; i++)
        inbox_free(world->inboxes[i]);
}

static inline void add_bytes(struct world *world, uint32_t to, enum outbox_queue queue,
                             uint64_t number, uint32_t payload_bytes)
{
    struct named name = {number, 1, (char *)"g"};

    assert_non_null(outbox_add(world->outbox, to, queue, RECORD_LEAVE, sizeof(struct record_leave),
                               &name, 0, payload_bytes));
}

static inline void add(struct world *world, uint32_t to, enum outbox_queue queue, uint64_t number)
{
    add_bytes(world, to, queue, number, 0);
}

#endif
