/* Batches: what is put in comes out, in order, and what records own is given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/group_name.h"
#include "shards/batch.h"
#include "shards/settings.h"
#include "tests/unit/rng.h"

#define REASON_MAX 123

/* batch_add() lays the name where sizeof says that the fixed part ends. */
#define NAME_ENDS_THE_RECORD(type) \
    _Static_assert(offsetof(struct type, name) == sizeof(struct type), #type)

NAME_ENDS_THE_RECORD(record_publish);
NAME_ENDS_THE_RECORD(record_deliver);
NAME_ENDS_THE_RECORD(record_answer);
NAME_ENDS_THE_RECORD(record_join);
NAME_ENDS_THE_RECORD(record_joined);
NAME_ENDS_THE_RECORD(record_leave);
NAME_ENDS_THE_RECORD(record_disconnect);
NAME_ENDS_THE_RECORD(record_close);
NAME_ENDS_THE_RECORD(record_history);
NAME_ENDS_THE_RECORD(record_history_answer);

static struct batch *new_batch(uint32_t capacity)
{
    struct batch *batch = batch_new(3, capacity);

    assert_non_null(batch);
    return batch;
}

static struct payload *new_payload(void)
{
    struct payload *payload = payload_new(PAYLOAD_TEXT, 5);

    assert_non_null(payload);
    memcpy(payload_body(payload), "hello", 5);
    return payload;
}

static unsigned refs(struct payload *payload)
{
    return atomic_load(&payload->refs);
}

static void an_empty_batch_has_no_record(void **state)
{
    struct batch *batch = new_batch(64);

    assert_null(batch_next(batch, NULL));
    assert_null(batch->next);
    assert_int_equal(batch->source, 3);
    assert_int_equal(batch->payload_bytes, 0);
    batch_discard(batch);
}

static void a_record_carries_its_name_and_what_follows(void **state)
{
    struct named name = {0x123456789abcdef0u, 4, (char *)"room"};
    struct batch *batch = new_batch(64);
    struct record_close *close =
        batch_add(&batch, RECORD_CLOSE, sizeof(*close), &name, strlen("goodbye"));

    assert_non_null(close);
    close->reader = 7;
    close->code = 3503;
    close->reason_bytes = 7;
    memcpy(close->name + name.size, "goodbye", 7);

    close = (struct record_close *)batch_next(batch, NULL);
    assert_non_null(close);
    assert_int_equal(close->head.type, RECORD_CLOSE);
    assert_int_equal(close->head.name_bytes, 4);
    assert_true(close->head.hash == name.hash);
    assert_memory_equal(close->name, "roomgoodbye", 11);
    assert_int_equal(close->reader, 7);
    assert_int_equal(close->code, 3503);
    assert_null(batch_next(batch, &close->head));

    struct named same = record_name(close, close->name);
    assert_true(same.hash == name.hash);
    assert_int_equal(same.size, 4);
    assert_ptr_equal(same.name, close->name);
    batch_discard(batch);
}

static void a_record_may_have_no_name(void **state)
{
    struct batch *batch = new_batch(64);
    struct record_state *record = batch_add(&batch, RECORD_STATE, sizeof(*record), NULL, 0);

    assert_non_null(record);
    assert_int_equal(record->head.name_bytes, 0);
    assert_int_equal(record->head.hash, 0);
    assert_ptr_equal(batch_next(batch, NULL), record);
    batch_discard(batch);
}

static void the_longest_name_and_reason_fit(void **state)
{
    char text[GROUP_NAME_MAX];
    struct named name = {1, sizeof(text), text};
    struct batch *batch = new_batch(64); /* has to grow more than once */
    struct record_close *close;

    memset(text, 'n', sizeof(text));
    close = batch_add(&batch, RECORD_CLOSE, sizeof(*close), &name, REASON_MAX);
    assert_non_null(close);
    memset(close->name + name.size, 'r', REASON_MAX);
    assert_memory_equal(close->name, text, sizeof(text));
    assert_true(batch->used <= batch->capacity);
    batch_discard(batch);
}

/* Byte `at` of the rest of record `i`. */
static uint8_t rest_byte(unsigned i, size_t at)
{
    return (uint8_t)(i * 131 + at * 7);
}

static void records_come_out_in_order_while_the_batch_grows(void **state)
{
    enum { COUNT = 5000 };
    struct batch *batch = new_batch(64);
    struct rng rng = {1};
    struct record *record = NULL;
    static uint32_t names[COUNT], rests[COUNT];

    for (unsigned i = 0; i < COUNT; i++) {
        char text[GROUP_NAME_MAX];
        struct named name = {i, 1 + (uint32_t)rng_below(&rng, GROUP_NAME_MAX), text};
        struct record_leave *leave;

        names[i] = name.size;
        rests[i] = (uint32_t)rng_below(&rng, 300);
        memset(text, 'a' + (int)(i % 26), sizeof(text));
        leave = batch_add(&batch, RECORD_LEAVE, sizeof(*leave), &name, rests[i]);
        assert_non_null(leave);
        assert_int_equal((uintptr_t)leave % 8, 0);
        for (size_t at = 0; at < rests[i]; at++)
            leave->name[names[i] + at] = (char)rest_byte(i, at);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        struct record_leave *leave = (struct record_leave *)(record = batch_next(batch, record));

        assert_non_null(record);
        assert_int_equal(record->type, RECORD_LEAVE);
        assert_int_equal(record->hash, i);
        assert_int_equal(record->name_bytes, names[i]);
        for (size_t at = 0; at < names[i]; at++)
            assert_int_equal(leave->name[at], 'a' + i % 26);
        for (size_t at = 0; at < rests[i]; at++)
            assert_int_equal((uint8_t)leave->name[names[i] + at], rest_byte(i, at));
    }
    assert_null(batch_next(batch, record));
    assert_int_equal(batch->source, 3);
    batch_discard(batch);
}

static void what_records_own_is_given_back(void **state)
{
    struct named name = {1, 1, (char *)"a"};
    struct payload *payload = new_payload();
    struct settings *settings = settings_new();
    struct batch *batch = new_batch(4096);

    assert_non_null(settings);
    payload_ref(payload, 2);
    struct record_publish *publish = batch_add(&batch, RECORD_PUBLISH, sizeof(*publish), &name, 0);
    assert_non_null(publish);
    publish->payload = payload;
    struct record_deliver *deliver = batch_add(&batch, RECORD_DELIVER, sizeof(*deliver), &name, 0);
    assert_non_null(deliver);
    deliver->payload = payload;
    struct record_settings *record = batch_add(&batch, RECORD_SETTINGS, sizeof(*record), NULL, 0);
    assert_non_null(record);
    record->settings = settings_ref(settings);
    struct history_range *range = history_range_new(0);
    assert_non_null(range);
    struct record_joined *joined = batch_add(&batch, RECORD_JOINED, sizeof(*joined), &name, 0);
    assert_non_null(joined);
    joined->range = history_range_ref(range);
    joined = batch_add(&batch, RECORD_JOINED, sizeof(*joined), &name, 0);
    assert_non_null(joined);
    joined->range = NULL;
    struct record_history_answer *answer =
        batch_add(&batch, RECORD_HISTORY_ANSWER, sizeof(*answer), &name, 0);
    assert_non_null(answer);
    answer->range = history_range_ref(range);
    /* Owns nothing. */
    assert_non_null(batch_add(&batch, RECORD_JOIN, sizeof(struct record_join), &name, 0));

    assert_int_equal(refs(payload), 3);
    batch_discard(batch);
    assert_int_equal(refs(payload), 1);
    assert_int_equal(atomic_load(&settings->refs), 1);
    assert_int_equal(atomic_load(&range->refs), 1);
    history_range_unref(range);
    payload_unref(payload);
    settings_unref(settings);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_batch_has_no_record),
        cmocka_unit_test(a_record_carries_its_name_and_what_follows),
        cmocka_unit_test(a_record_may_have_no_name),
        cmocka_unit_test(the_longest_name_and_reason_fit),
        cmocka_unit_test(records_come_out_in_order_while_the_batch_grows),
        cmocka_unit_test(what_records_own_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
