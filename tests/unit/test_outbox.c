/* The outbox: the order of each lane, what happens where an inbox is full, and what a shard has for
 * itself. test_outbox_model.c has the random turns. */
#include "tests/unit/outbox_helper.h"

#include <poll.h>

/* A message for `to` that holds a reference. */
static void add_message(struct world *world, uint32_t to, struct payload *payload)
{
    struct named name = {1, 1, (char *)"g"};
    struct record_publish *publish = outbox_add(world->outbox, to, OUTBOX_NORMAL, RECORD_PUBLISH,
                                                sizeof(*publish), &name, 0, 10);

    payload_ref(payload, 1);
    publish->payload = payload;
}

static bool readable(const struct inbox *inbox)
{
    struct pollfd fd = {.fd = inbox_fd(inbox), .events = POLLIN};

    return poll(&fd, 1, 0) == 1;
}

/* The batch holds the records `from` to `to`. */
static void assert_records(struct batch *batch, uint64_t from, uint64_t to)
{
    struct record *record = NULL;

    assert_non_null(batch);
    assert_int_equal(batch->source, SELF);
    for (uint64_t number = from; number <= to; number++) {
        record = batch_next(batch, record);
        assert_non_null(record);
        assert_int_equal(record->hash, number);
    }
    assert_null(batch_next(batch, record));
    batch_discard(batch);
}

static void a_turn_travels_as_one_batch(void **state)
{
    struct world world;

    world_init(&world, 1000);
    assert_false(outbox_hand_over(world.outbox));
    for (uint64_t i = 1; i <= 100; i++) {
        add(&world, 0, OUTBOX_NORMAL, i);
        add(&world, MAIN, OUTBOX_NORMAL, 1000 + i);
    }
    assert_null(inbox_pop(world.inboxes[0])); /* not before the turn's end */
    assert_false(outbox_hand_over(world.outbox));
    assert_false(outbox_waiting(world.outbox));
    assert_records(inbox_pop(world.inboxes[0]), 1, 100);
    assert_null(inbox_pop(world.inboxes[0]));
    assert_records(inbox_pop(world.inboxes[MAIN]), 1001, 1100);
    assert_null(inbox_pop(world.inboxes[2]));
    world_free(&world);
}

static void answers_come_behind_everything_else(void **state)
{
    struct world world;

    world_init(&world, 1000);
    add(&world, 0, OUTBOX_ANSWERS, 1);
    add(&world, 0, OUTBOX_NORMAL, 2);
    add(&world, 0, OUTBOX_CRITICAL, 3);
    assert_false(outbox_hand_over(world.outbox));
    assert_records(inbox_pop(world.inboxes[0]), 3, 3);
    assert_records(inbox_pop(world.inboxes[0]), 2, 2);
    assert_records(inbox_pop(world.inboxes[0]), 1, 1);
    world_free(&world);
}

static void only_who_gets_something_is_woken(void **state)
{
    struct world world;

    world_init(&world, 1000);
    for (unsigned i = 0; i <= SHARDS; i++)
        assert_true(inbox_sleep(world.inboxes[i]));
    assert_false(outbox_hand_over(world.outbox));
    for (unsigned i = 0; i <= SHARDS; i++)
        assert_false(readable(world.inboxes[i]));

    add(&world, 0, OUTBOX_ANSWERS, 1);
    add(&world, SELF, OUTBOX_NORMAL, 2);
    add(&world, MAIN, OUTBOX_CRITICAL, 3);
    assert_false(outbox_hand_over(world.outbox));
    assert_true(readable(world.inboxes[0]));
    assert_false(readable(world.inboxes[SELF]));
    assert_false(readable(world.inboxes[2]));
    assert_true(readable(world.inboxes[MAIN]));
    world_free(&world);
}

static void what_is_its_own_never_travels(void **state)
{
    struct world world;

    world_init(&world, 1000);
    assert_false(outbox_has_own(world.outbox));
    assert_null(outbox_take_own(world.outbox));
    add(&world, SELF, OUTBOX_ANSWERS, 1);
    add(&world, SELF, OUTBOX_NORMAL, 2);
    add(&world, SELF, OUTBOX_CRITICAL, 3);
    add(&world, SELF, OUTBOX_NORMAL, 3);
    assert_false(outbox_hand_over(world.outbox));
    assert_null(inbox_pop(world.inboxes[SELF]));

    assert_true(outbox_has_own(world.outbox));
    assert_records(outbox_take_own(world.outbox), 3, 3);
    assert_records(outbox_take_own(world.outbox), 2, 3);
    assert_true(outbox_has_own(world.outbox));
    assert_records(outbox_take_own(world.outbox), 1, 1);
    assert_false(outbox_has_own(world.outbox));
    assert_null(outbox_take_own(world.outbox));
    world_free(&world);
}

static void fill(struct inbox *inbox, enum inbox_queue queue)
{
    for (unsigned i = 0; i < SLOTS - 1; i++) {
        struct batch *batch = batch_new(99, 64);

        assert_non_null(batch);
        assert_int_equal(inbox_push_mpmc(inbox, queue, batch), 0);
    }
}

/* Takes out what fill() put in. */
static void make_room(struct inbox *inbox, unsigned batches)
{
    while (batches--) {
        struct batch *batch = inbox_pop(inbox);

        assert_non_null(batch);
        assert_int_equal(batch->source, 99);
        batch_discard(batch);
    }
}

static void a_full_inbox_keeps_its_batches_in_order(void **state)
{
    struct world world;

    world_init(&world, 1000);
    fill(world.inboxes[0], INBOX_NORMAL);
    for (uint64_t turn = 0; turn < 5; turn++) {
        for (uint64_t i = 0; i < 10; i++)
            add(&world, 0, OUTBOX_NORMAL, turn * 10 + i);
        add(&world, 2, OUTBOX_NORMAL, turn); /* the others get theirs meanwhile */
        assert_true(outbox_hand_over(world.outbox));
        assert_true(outbox_waiting(world.outbox));
        assert_records(inbox_pop(world.inboxes[2]), turn, turn);
    }
    assert_int_equal(inbox_full_count(world.inboxes[0]), 5); /* one try a turn */

    /* What came while the first batch waited is one more, not one for each turn. */
    make_room(world.inboxes[0], 1);
    assert_true(outbox_hand_over(world.outbox));
    make_room(world.inboxes[0], 2);
    assert_false(outbox_hand_over(world.outbox));
    assert_false(outbox_waiting(world.outbox));
    assert_records(inbox_pop(world.inboxes[0]), 0, 9);
    assert_records(inbox_pop(world.inboxes[0]), 10, 49);
    world_free(&world);
}

/* inbox_pop() relies on it: what is critical was pushed before. */
static void nothing_overtakes_what_is_critical(void **state)
{
    struct world world;

    world_init(&world, 1000);
    fill(world.inboxes[0], INBOX_CRITICAL);
    add(&world, 0, OUTBOX_CRITICAL, 1);
    add(&world, 0, OUTBOX_NORMAL, 2);
    assert_true(outbox_hand_over(world.outbox));
    make_room(world.inboxes[0], SLOTS - 1);
    assert_null(inbox_pop(world.inboxes[0])); /* though it had room for the normal one */
    assert_false(outbox_hand_over(world.outbox));
    assert_records(inbox_pop(world.inboxes[0]), 1, 1);
    assert_records(inbox_pop(world.inboxes[0]), 2, 2);
    world_free(&world);
}

static void what_is_critical_passes_a_full_queue(void **state)
{
    struct world world;

    world_init(&world, 1000);
    fill(world.inboxes[0], INBOX_NORMAL);
    assert_true(inbox_sleep(world.inboxes[2]));
    add(&world, 0, OUTBOX_CRITICAL, 1);
    add(&world, 0, OUTBOX_NORMAL, 2);
    add(&world, 2, OUTBOX_NORMAL, 3);
    assert_true(outbox_hand_over(world.outbox));
    assert_records(inbox_pop(world.inboxes[0]), 1, 1);
    assert_true(readable(world.inboxes[2]));
    world_free(&world);
}

/* Answers are the credit of other shards' producers: while anything waits they get none. */
static void answers_are_held_back_while_something_waits(void **state)
{
    struct world world;

    world_init(&world, 1000);
    fill(world.inboxes[0], INBOX_NORMAL);
    add(&world, 0, OUTBOX_NORMAL, 1);
    add(&world, 2, OUTBOX_ANSWERS, 2);
    add(&world, SELF, OUTBOX_ANSWERS, 3);
    add(&world, SELF, OUTBOX_NORMAL, 4);
    assert_true(outbox_hand_over(world.outbox));
    assert_null(inbox_pop(world.inboxes[2]));
    assert_records(outbox_take_own(world.outbox), 4, 4);
    assert_false(outbox_has_own(world.outbox));
    assert_null(outbox_take_own(world.outbox));

    make_room(world.inboxes[0], SLOTS - 1);
    assert_false(outbox_hand_over(world.outbox));
    assert_records(inbox_pop(world.inboxes[0]), 1, 1);
    assert_records(inbox_pop(world.inboxes[2]), 2, 2);
    assert_true(outbox_has_own(world.outbox));
    assert_records(outbox_take_own(world.outbox), 3, 3);
    world_free(&world);
}

static void an_answer_may_be_what_waits(void **state)
{
    struct world world;

    world_init(&world, 1000);
    fill(world.inboxes[0], INBOX_NORMAL);
    add(&world, 0, OUTBOX_ANSWERS, 1);
    assert_true(outbox_hand_over(world.outbox));
    add(&world, 0, OUTBOX_NORMAL, 2);
    make_room(world.inboxes[0], SLOTS - 1);
    assert_false(outbox_hand_over(world.outbox));
    assert_records(inbox_pop(world.inboxes[0]), 2, 2);
    assert_records(inbox_pop(world.inboxes[0]), 1, 1);
    world_free(&world);
}

/* One inbox entry is a bounded piece of work, by records and by messages. */
static void a_batch_is_bounded(void **state)
{
    struct world world;
    uint64_t count = 0, batches = 0;

    world_init(&world, 1u << 30);
    for (uint64_t i = 0; i < 60000; i++)
        add(&world, 0, OUTBOX_NORMAL, i);
    for (uint64_t i = 60000; i < 60100; i++)
        add_bytes(&world, 0, OUTBOX_NORMAL, i, 65536);
    bool waiting = true;
    while (waiting) {
        waiting = outbox_hand_over(world.outbox);
        for (struct batch *batch; (batch = inbox_pop(world.inboxes[0]));) {
            assert_true(batch->used < 2 << 20 && batch->payload_bytes < 2 << 20);
            for (struct record *record = NULL; (record = batch_next(batch, record));)
                assert_int_equal(record->hash, count++);
            batches++;
            batch_discard(batch);
        }
    }
    assert_int_equal(count, 60100);
    assert_in_range(batches, 7, 16);
    world_free(&world);
}

/* A batch larger than any bound of the inbox waits for an empty queue, and goes. */
static void a_message_larger_than_the_inbox_gets_through(void **state)
{
    struct world world;

    world_init(&world, 1000);
    add_bytes(&world, 0, OUTBOX_NORMAL, 1, 10);
    assert_false(outbox_hand_over(world.outbox));
    add_bytes(&world, 0, OUTBOX_NORMAL, 2, 5000);
    assert_true(outbox_hand_over(world.outbox));
    assert_records(inbox_pop(world.inboxes[0]), 1, 1);
    assert_false(outbox_hand_over(world.outbox));
    assert_records(inbox_pop(world.inboxes[0]), 2, 2);
    world_free(&world);
}

static void a_batch_that_is_done_is_used_again(void **state)
{
    struct world world;
    struct batch *batch, *again;

    world_init(&world, 1000);
    add_bytes(&world, SELF, OUTBOX_NORMAL, 1, 700);
    batch = outbox_take_own(world.outbox);
    outbox_recycle(world.outbox, batch);
    add(&world, SELF, OUTBOX_CRITICAL, 2);
    again = outbox_take_own(world.outbox);
    assert_ptr_equal(again, batch);
    assert_int_equal(again->payload_bytes, 0);
    assert_records(again, 2, 2);

    /* Also one that another shard made. */
    batch = batch_new(2, 4096);
    assert_non_null(batch);
    outbox_recycle(world.outbox, batch);
    add(&world, SELF, OUTBOX_NORMAL, 3);
    assert_records(outbox_take_own(world.outbox), 3, 3);
    world_free(&world);
}

/* What its records owned went to whoever worked through them. */
static void a_batch_kept_for_use_owns_nothing(void **state)
{
    struct payload *payload = payload_new(PAYLOAD_TEXT, 0);
    struct world world;

    assert_non_null(payload);
    world_init(&world, 1000);
    for (unsigned i = 0; i < 100; i++) {
        add_message(&world, SELF, payload);
        struct batch *batch = outbox_take_own(world.outbox);
        payload_unref(payload); /* as home_publish() does */
        outbox_recycle(world.outbox, batch);
    }
    world_free(&world);
    assert_int_equal(payload->refs, 1);
    payload_unref(payload);
}

static void what_is_left_is_discarded(void **state)
{
    struct payload *payload = payload_new(PAYLOAD_TEXT, 0);
    struct world world;

    assert_non_null(payload);
    world_init(&world, 1000);
    fill(world.inboxes[0], INBOX_NORMAL);
    for (unsigned turn = 0; turn < 3; turn++) {
        add_message(&world, 0, payload); /* waits */
        add_message(&world, 2, payload); /* is in the inbox */
        add_message(&world, SELF, payload);
        outbox_hand_over(world.outbox);
    }
    add_message(&world, 2, payload); /* has not been tried */
    assert_int_equal(payload->refs, 11);
    world_free(&world);
    assert_int_equal(payload->refs, 1);
    payload_unref(payload);
    outbox_free(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_travels_as_one_batch),
        cmocka_unit_test(answers_come_behind_everything_else),
        cmocka_unit_test(only_who_gets_something_is_woken),
        cmocka_unit_test(what_is_its_own_never_travels),
        cmocka_unit_test(a_full_inbox_keeps_its_batches_in_order),
        cmocka_unit_test(nothing_overtakes_what_is_critical),
        cmocka_unit_test(what_is_critical_passes_a_full_queue),
        cmocka_unit_test(answers_are_held_back_while_something_waits),
        cmocka_unit_test(an_answer_may_be_what_waits),
        cmocka_unit_test(a_batch_is_bounded),
        cmocka_unit_test(a_message_larger_than_the_inbox_gets_through),
        cmocka_unit_test(a_batch_that_is_done_is_used_again),
        cmocka_unit_test(a_batch_kept_for_use_owns_nothing),
        cmocka_unit_test(what_is_left_is_discarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
