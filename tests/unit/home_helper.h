/* The home of a shard SELF, and what it tells the shards: taken out of their inboxes. */
#ifndef SHARDCAST_TESTS_HOME_HELPER_H
#define SHARDCAST_TESTS_HOME_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/group_name.h"
#include "shards/shard.h"

#define SHARDS 3
#define SELF   1
#define SECOND 1000000000ull

#define HEARD_MAX 64

/* What the home told a shard. */
struct heard {
    uint32_t shard;
    bool critical; /* by the critical inbox */
    struct record *record;
};

struct fixture {
    struct world world;
    struct shard shard;
    struct counters counters;
    struct inbox *inboxes[SHARDS + 1];
    struct heard heard[HEARD_MAX]; /* by the last call */
    unsigned count;
    struct batch *batches; /* that hold them */
};

static inline int setup(void **state)
{
    struct fixture *fixture = aligned_alloc(64, sizeof(*fixture));

    assert_non_null(fixture);
    memset(fixture, 0, sizeof(*fixture));
    for (unsigned i = 0; i <= SHARDS; i++) {
        fixture->inboxes[i] = inbox_new(64, 1u << 30);
        assert_non_null(fixture->inboxes[i]);
    }
    fixture->world.shards = SHARDS;
    fixture->world.inboxes = fixture->inboxes;
    fixture->shard.index = SELF;
    fixture->shard.world = &fixture->world;
    fixture->shard.counters = &fixture->counters;
    fixture->shard.settings = settings_new();
    fixture->shard.outbox = outbox_new(SELF, SHARDS, fixture->inboxes);
    fixture->shard.now_ns = 1000 * SECOND;
    assert_non_null(fixture->shard.settings);
    assert_non_null(fixture->shard.outbox);
    assert_int_equal(home_init(&fixture->shard.home, &fixture->shard, 1), 0);
    *state = fixture;
    return 0;
}

static inline void forget_heard(struct fixture *fixture)
{
    while (fixture->batches) {
        struct batch *batch = fixture->batches;

        fixture->batches = batch->next;
        batch_discard(batch);
    }
    fixture->count = 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;

    forget_heard(fixture);
    home_free(&fixture->shard.home);
    outbox_free(fixture->shard.outbox);
    settings_unref(fixture->shard.settings);
    for (unsigned i = 0; i <= SHARDS; i++)
        inbox_free(fixture->inboxes[i]);
    free(fixture);
    return 0;
}

static inline void hear_batch(struct fixture *fixture, uint32_t shard, bool critical,
                              struct batch *batch)
{
    for (struct record *record = NULL; (record = batch_next(batch, record));) {
        assert_true(fixture->count < HEARD_MAX);
        fixture->heard[fixture->count++] = (struct heard){shard, critical, record};
    }
    batch->next = fixture->batches;
    fixture->batches = batch;
}

/* Takes out all that the home has told since the last time. */
static inline void hear(struct fixture *fixture)
{
    struct batch *batch;

    forget_heard(fixture);
    assert_false(outbox_hand_over(fixture->shard.outbox));
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        while ((batch = inbox_pop_critical(fixture->inboxes[shard])))
            hear_batch(fixture, shard, true, batch);
        while ((batch = inbox_pop(fixture->inboxes[shard])))
            hear_batch(fixture, shard, false, batch);
    }
    while ((batch = outbox_take_own(fixture->shard.outbox)))
        hear_batch(fixture, SELF, false, batch);
}

/* The only record of a type that this shard was told; NULL: none. */
static inline void *told(const struct fixture *fixture, uint32_t shard, enum record_type type)
{
    struct record *found = NULL;

    for (unsigned i = 0; i < fixture->count; i++) {
        if (fixture->heard[i].shard != shard || fixture->heard[i].record->type != type)
            continue;
        assert_null(found);
        found = fixture->heard[i].record;
    }
    return found;
}

/* Records to the home */

static inline void name_record(struct record *head, char *name, const char *group)
{
    head->name_bytes = (uint32_t)strlen(group);
    head->hash = group_name_hash(group, strlen(group), 1);
    memcpy(name, group, strlen(group));
}

static inline void join_with(struct fixture *fixture, uint32_t source, const char *group,
                             struct join_recovery recovery)
{
    struct record_join *record = calloc(1, sizeof(*record) + GROUP_NAME_MAX);

    assert_non_null(record);
    name_record(&record->head, record->name, group);
    record->connection = (struct slot_ref){7, 8};
    record->member = 9;
    record->recovery = recovery;
    home_join(&fixture->shard.home, source, record);
    free(record);
    hear(fixture);
}

static inline void join(struct fixture *fixture, uint32_t source, const char *group)
{
    join_with(fixture, source, group, (struct join_recovery){.want = RECOVER_NONE});
}

static inline void leave(struct fixture *fixture, uint32_t source, const char *group)
{
    struct record_leave *record = calloc(1, sizeof(*record) + GROUP_NAME_MAX);

    assert_non_null(record);
    name_record(&record->head, record->name, group);
    home_leave(&fixture->shard.home, source, record);
    free(record);
    hear(fixture);
}

static inline void publish_as(struct fixture *fixture, uint32_t source, const char *group,
                              enum command_priority priority, struct slot_ref sender)
{
    struct record_publish *record = calloc(1, sizeof(*record) + GROUP_NAME_MAX);

    assert_non_null(record);
    name_record(&record->head, record->name, group);
    record->head.size = 96;
    record->payload = payload_new(PAYLOAD_TEXT, 10);
    assert_non_null(record->payload);
    record->read_ns = 5;
    record->command = (struct command_ref){1, 2, 3, 4};
    record->sender = sender;
    record->priority = (uint8_t)priority;
    home_publish(&fixture->shard.home, source, record);
    free(record);
    hear(fixture);
}

static inline void publish(struct fixture *fixture, uint32_t source, const char *group)
{
    publish_as(fixture, source, group, PRIORITY_NORMAL, (struct slot_ref){NO_SLOT, 0});
}

/* The answer to the last publish of `source`. */
static inline struct record_answer *answered(const struct fixture *fixture, uint32_t source)
{
    struct record_answer *answer = told(fixture, source, RECORD_ANSWER);

    assert_non_null(answer);
    assert_int_equal(answer->command.producer, 1);
    assert_int_equal(answer->command.generation, 2);
    assert_int_equal(answer->command.sequence, 3);
    assert_int_equal(answer->command.part, 4);
    return answer;
}

/* The last publish was taken, at this position, for so many members. */
static inline void assert_taken(const struct fixture *fixture, uint32_t source, uint64_t offset,
                                uint64_t members)
{
    const struct record_answer *answer = answered(fixture, source);

    assert_int_equal(answer->refusal, REFUSAL_NONE);
    assert_int_equal(answer->offset, offset);
    assert_int_equal(answer->members, members);
}

static inline uint64_t epoch_of(struct fixture *fixture, const char *group)
{
    publish(fixture, 0, group);
    return answered(fixture, 0)->epoch;
}

/* Time passes, and the home looks what that does. */
static inline void sweep_after(struct fixture *fixture, uint64_t ns)
{
    fixture->shard.now_ns += ns;
    home_sweep(&fixture->shard.home, fixture->shard.now_ns);
}

/* What the last join was answered with. */
static inline enum join_outcome outcome(const struct fixture *fixture)
{
    assert_true(fixture->count > 0);
    assert_int_equal(fixture->heard[0].record->type, RECORD_JOINED);
    return ((struct record_joined *)fixture->heard[0].record)->outcome;
}

#endif
