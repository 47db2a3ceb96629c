/* The inbox by one thread: order, bounds and wake-ups. tests/concurrency has the threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shards/inbox.h"

#define SLOTS     8
#define BYTES_MAX 1000

static struct inbox *new_inbox(void)
{
    struct inbox *inbox = inbox_new(SLOTS, BYTES_MAX);

    assert_non_null(inbox);
    return inbox;
}

/* A batch known by its source. */
static struct batch *new_batch(uint32_t number, uint32_t payload_bytes)
{
    struct batch *batch = batch_new(number, 64);

    assert_non_null(batch);
    batch->payload_bytes = payload_bytes;
    return batch;
}

static void push_bytes(struct inbox *inbox, enum inbox_queue queue, uint32_t number, uint32_t bytes)
{
    assert_int_equal(inbox_push_mpmc(inbox, queue, new_batch(number, bytes)), 0);
}

static void push(struct inbox *inbox, enum inbox_queue queue, uint32_t number)
{
    push_bytes(inbox, queue, number, 0);
}

/* The batch is refused, and stays the sender's. */
static void assert_full(struct inbox *inbox, enum inbox_queue queue, uint32_t bytes)
{
    struct batch *batch = new_batch(99, bytes);
    uint64_t full = inbox_full_count(inbox);

    assert_int_equal(inbox_push_mpmc(inbox, queue, batch), ERR_FULL);
    assert_int_equal(inbox_full_count(inbox), full + 1);
    batch_discard(batch);
}

static void assert_pops(struct inbox *inbox, uint32_t number)
{
    struct batch *batch = inbox_pop(inbox);

    assert_non_null(batch);
    assert_int_equal(batch->source, number);
    batch_discard(batch);
}

/* Whether the owner, asleep in poll(), would be awake. */
static bool readable(const struct inbox *inbox)
{
    struct pollfd fd = {.fd = inbox_fd(inbox), .events = POLLIN};

    return poll(&fd, 1, 0) == 1;
}

static void batches_come_out_in_order(void **state)
{
    struct inbox *inbox = new_inbox();

    assert_null(inbox_pop(inbox));
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < 5; i++)
            push(inbox, INBOX_NORMAL, round * 5 + i);
        assert_int_equal(inbox_depth(inbox), 5);
        for (uint32_t i = 0; i < 5; i++)
            assert_pops(inbox, round * 5 + i);
        assert_null(inbox_pop(inbox));
        assert_int_equal(inbox_depth(inbox), 0);
    }
    inbox_free(inbox);
}

static void what_is_critical_comes_first(void **state)
{
    struct inbox *inbox = new_inbox();

    push(inbox, INBOX_NORMAL, 10);
    push(inbox, INBOX_NORMAL, 11);
    push(inbox, INBOX_CRITICAL, 1);
    push(inbox, INBOX_CRITICAL, 2);
    assert_int_equal(inbox_depth(inbox), 4);
    assert_pops(inbox, 1);
    assert_pops(inbox, 2);
    assert_pops(inbox, 10);
    push(inbox, INBOX_CRITICAL, 3);
    assert_pops(inbox, 3);
    assert_pops(inbox, 11);
    assert_null(inbox_pop(inbox));
    inbox_free(inbox);
}

static void what_is_critical_can_be_had_alone(void **state)
{
    struct inbox *inbox = new_inbox();

    push_bytes(inbox, INBOX_NORMAL, 10, BYTES_MAX);
    assert_false(inbox_has_critical(inbox));
    assert_null(inbox_pop_critical(inbox));
    push_bytes(inbox, INBOX_CRITICAL, 1, BYTES_MAX);
    assert_true(inbox_has_critical(inbox));

    struct batch *batch = inbox_pop_critical(inbox);
    assert_non_null(batch);
    assert_int_equal(batch->source, 1);
    batch_discard(batch);
    assert_false(inbox_has_critical(inbox));
    push_bytes(inbox, INBOX_CRITICAL, 2, BYTES_MAX); /* what it counted against is free again */
    assert_pops(inbox, 2);
    assert_pops(inbox, 10);
    inbox_free(inbox);
}

static void a_full_queue_is_an_outcome(void **state)
{
    struct inbox *inbox = new_inbox();

    for (uint32_t i = 0; i < SLOTS - 1; i++)
        push(inbox, INBOX_NORMAL, i);
    assert_full(inbox, INBOX_NORMAL, 0);
    push(inbox, INBOX_CRITICAL, 50); /* has its own slots */
    assert_pops(inbox, 50);
    assert_pops(inbox, 0);
    push(inbox, INBOX_NORMAL, SLOTS - 1);
    assert_full(inbox, INBOX_NORMAL, 0);
    for (uint32_t i = 1; i < SLOTS; i++)
        assert_pops(inbox, i);
    assert_null(inbox_pop(inbox));
    assert_int_equal(inbox_full_count(inbox), 2);
    inbox_free(inbox);
}

/* Each queue has its bound; what carries no messages is not bound by it. */
static void messages_under_way_are_bounded(void **state)
{
    struct inbox *inbox = new_inbox();

    push_bytes(inbox, INBOX_NORMAL, 1, 600);
    push_bytes(inbox, INBOX_NORMAL, 2, 400);
    assert_full(inbox, INBOX_NORMAL, 1);
    push(inbox, INBOX_NORMAL, 3);
    push_bytes(inbox, INBOX_CRITICAL, 50, BYTES_MAX); /* critical messages pass a full queue */
    assert_full(inbox, INBOX_CRITICAL, 1);
    assert_pops(inbox, 50);
    assert_pops(inbox, 1);
    assert_full(inbox, INBOX_NORMAL, 601);
    push_bytes(inbox, INBOX_NORMAL, 4, 600);
    assert_pops(inbox, 2);
    assert_pops(inbox, 3);
    assert_pops(inbox, 4);
    push_bytes(inbox, INBOX_NORMAL, 5, BYTES_MAX); /* all of it is free again */
    push_bytes(inbox, INBOX_CRITICAL, 51, BYTES_MAX);
    assert_pops(inbox, 51);
    assert_pops(inbox, 5);
    inbox_free(inbox);
}

/* A message larger than the bound passes when it is alone. */
static void one_batch_always_fits(void **state)
{
    struct inbox *inbox = new_inbox();

    push_bytes(inbox, INBOX_NORMAL, 1, 10 * BYTES_MAX);
    assert_full(inbox, INBOX_NORMAL, 1);
    assert_pops(inbox, 1);
    push_bytes(inbox, INBOX_NORMAL, 2, 1);
    assert_full(inbox, INBOX_NORMAL, 10 * BYTES_MAX);
    assert_pops(inbox, 2);
    push_bytes(inbox, INBOX_NORMAL, 3, 10 * BYTES_MAX);
    assert_pops(inbox, 3);
    inbox_free(inbox);
}

/* A push that finds no slot leaves no trace in the bound. */
static void a_refused_batch_is_not_counted(void **state)
{
    struct inbox *inbox = new_inbox();

    for (uint32_t i = 0; i < SLOTS - 1; i++)
        push(inbox, INBOX_NORMAL, i);
    for (unsigned i = 0; i < 100; i++)
        assert_full(inbox, INBOX_NORMAL, BYTES_MAX);
    assert_pops(inbox, 0);
    push_bytes(inbox, INBOX_NORMAL, 50, BYTES_MAX);
    inbox_free(inbox);
}

static void who_sleeps_is_woken_once(void **state)
{
    struct inbox *inbox = new_inbox();

    assert_true(inbox_sleep(inbox));
    assert_false(readable(inbox));
    push(inbox, INBOX_NORMAL, 1);
    assert_false(readable(inbox)); /* not before the sender's turn ends */
    inbox_wake(inbox);
    assert_true(readable(inbox));

    /* More wake-ups until it sleeps again cost no system call: the eventfd counted one. */
    uint64_t count;
    inbox_wake(inbox);
    inbox_wake(inbox);
    assert_int_equal(read(inbox_fd(inbox), &count, sizeof(count)), sizeof(count));
    assert_int_equal(count, 1);
    inbox_free(inbox);
}

static void who_is_awake_needs_no_wake_up(void **state)
{
    struct inbox *inbox = new_inbox();

    inbox_wake(inbox); /* it has never slept */
    assert_false(readable(inbox));
    assert_true(inbox_sleep(inbox));
    inbox_awake(inbox);
    push(inbox, INBOX_CRITICAL, 1);
    inbox_wake(inbox);
    assert_false(readable(inbox));
    assert_pops(inbox, 1);
    inbox_free(inbox);
}

static void nobody_sleeps_while_there_is_something(void **state)
{
    struct inbox *inbox = new_inbox();

    push(inbox, INBOX_NORMAL, 1);
    assert_false(inbox_sleep(inbox));
    push(inbox, INBOX_CRITICAL, 2);
    assert_false(inbox_sleep(inbox));
    assert_pops(inbox, 2);
    assert_false(inbox_sleep(inbox));
    inbox_wake(inbox); /* it does not sleep */
    assert_false(readable(inbox));
    assert_pops(inbox, 1);
    push(inbox, INBOX_CRITICAL, 3);
    assert_false(inbox_sleep(inbox));
    assert_pops(inbox, 3);
    assert_true(inbox_sleep(inbox));
    inbox_free(inbox);
}

static void wake_ups_are_taken_together(void **state)
{
    struct inbox *inbox = new_inbox();

    inbox_drain_wakeups(inbox); /* none is there */
    for (unsigned i = 0; i < 3; i++) {
        assert_true(inbox_sleep(inbox));
        inbox_wake(inbox);
    }
    assert_true(readable(inbox));
    inbox_drain_wakeups(inbox);
    assert_false(readable(inbox));
    inbox_free(inbox);
}

static void what_is_left_is_discarded(void **state)
{
    struct inbox *inbox = new_inbox();
    struct named name = {1, 1, (char *)"a"};
    struct payload *payload = payload_new(PAYLOAD_TEXT, 0);

    assert_non_null(payload);
    for (unsigned i = 0; i < 6; i++) {
        struct batch *batch = new_batch(i, 2 * BYTES_MAX * (i == 0));
        struct record_publish *publish =
            batch_add(&batch, RECORD_PUBLISH, sizeof(*publish), &name, 0);

        assert_non_null(publish);
        payload_ref(payload, 1);
        publish->payload = payload;
        assert_int_equal(inbox_push_mpmc(inbox, i % 2 ? INBOX_NORMAL : INBOX_CRITICAL, batch), 0);
    }
    inbox_free(inbox);
    assert_int_equal(payload->refs, 1);
    payload_unref(payload);
    inbox_free(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_out_in_order),
        cmocka_unit_test(what_is_critical_comes_first),
        cmocka_unit_test(what_is_critical_can_be_had_alone),
        cmocka_unit_test(a_full_queue_is_an_outcome),
        cmocka_unit_test(messages_under_way_are_bounded),
        cmocka_unit_test(one_batch_always_fits),
        cmocka_unit_test(a_refused_batch_is_not_counted),
        cmocka_unit_test(who_sleeps_is_woken_once),
        cmocka_unit_test(who_is_awake_needs_no_wake_up),
        cmocka_unit_test(nobody_sleeps_while_there_is_something),
        cmocka_unit_test(wake_ups_are_taken_together),
        cmocka_unit_test(what_is_left_is_discarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
