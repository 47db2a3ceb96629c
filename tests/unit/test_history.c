/* A group's history: what it keeps is what its limits say, in one piece up to the top, and what it
 * gives is what was asked for; by hand and against a model with random operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shards/history.h"
#include "tests/unit/rng.h"

#define SECOND 1000000000ull
#define ALL    UINT64_MAX

static const struct history_settings unlimited = {.messages = UINT32_MAX, .bytes = UINT64_MAX};

struct fixture {
    struct history *history;
    uint64_t top;
    uint64_t now;
};

/* A message whose bytes say its offset. */
static struct payload *message(uint64_t offset, uint32_t bytes)
{
    struct payload *payload = payload_new(PAYLOAD_BINARY, bytes);

    assert_non_null(payload);
    memset(payload_body(payload), 0, bytes);
    memcpy(payload_body(payload), &offset, bytes < sizeof(offset) ? bytes : sizeof(offset));
    return payload;
}

static void append(struct fixture *fixture, const struct history_settings *settings, uint32_t bytes)
{
    struct payload *payload = message(++fixture->top, bytes);

    history_append(&fixture->history, settings, payload, fixture->now);
    payload_unref(payload);
}

static struct history_part part_of(const struct fixture *fixture, struct history_query query,
                                   enum history_outcome expected)
{
    struct history_part part;

    assert_int_equal(history_select(fixture->history, fixture->top, &query, ALL, &part), expected);
    return part;
}

#define assert_part(part, from, number)              \
    do {                                             \
        struct history_part part_is = (part);        \
        assert_int_equal(part_is.count, (number));   \
        if (number)                                  \
            assert_int_equal(part_is.first, (from)); \
    } while (0)

static void nothing_costs_nothing(void **state)
{
    struct fixture fixture = {0};

    (void)state;
    assert_int_equal(history_count(fixture.history), 0);
    history_trim(&fixture.history, &unlimited, 5);
    assert_null(fixture.history);
    assert_true(history_expires(fixture.history, &unlimited) == UINT64_MAX);
    assert_false(history_forget_range(fixture.history));
    assert_part(part_of(&fixture, (struct history_query){.limit = ALL}, HISTORY_OK), 0, 0);
    assert_part(part_of(&fixture, (struct history_query){.limit = ALL, .since = true}, HISTORY_OK),
                0, 0);
    assert_part(part_of(&fixture, (struct history_query){.limit = ALL, .since = true, .offset = 1},
                        HISTORY_GONE),
                0, 0);
    history_free(&fixture.history);
}

static void messages_leave_by_number(void **state)
{
    struct history_settings settings = {.messages = 3, .bytes = 1000};
    struct fixture fixture = {0};

    (void)state;
    for (unsigned i = 1; i <= 20; i++) {
        append(&fixture, &settings, 8);
        assert_int_equal(history_count(fixture.history), i < 3 ? i : 3);
    }
    assert_part(part_of(&fixture, (struct history_query){.limit = ALL}, HISTORY_OK), 18, 3);
    settings.messages = 1;
    history_trim(&fixture.history, &settings, 0);
    assert_part(part_of(&fixture, (struct history_query){.limit = ALL}, HISTORY_OK), 20, 1);
    append(&fixture, &settings, 8);
    assert_part(part_of(&fixture, (struct history_query){.limit = ALL}, HISTORY_OK), 21, 1);
    settings.messages = 0;
    history_trim(&fixture.history, &settings, 0);
    assert_null(fixture.history);
}

static void messages_leave_by_bytes_of_their_payloads(void **state)
{
    struct history_settings settings = {.messages = 1000, .bytes = 1000};
    struct fixture fixture = {0};

    (void)state;
    for (unsigned i = 0; i < 15; i++)
        append(&fixture, &settings, 100);
    assert_int_equal(history_count(fixture.history), 10);
    append(&fixture, &settings, 901);
    assert_part(part_of(&fixture, (struct history_query){.limit = ALL}, HISTORY_OK), 16, 1);
    append(&fixture, &settings, 99);
    assert_int_equal(history_count(fixture.history), 2);
    append(&fixture, &settings, 0);
    assert_int_equal(history_count(fixture.history), 3);
    append(&fixture, &settings, 1001); /* is too large itself */
    assert_null(fixture.history);
    append(&fixture, &settings, 1);
    assert_part(part_of(&fixture, (struct history_query){.limit = ALL}, HISTORY_OK), 20, 1);
    history_free(&fixture.history);
}

static void messages_leave_when_they_are_old(void **state)
{
    struct history_settings settings = {.messages = 1000, .bytes = 1000, .seconds = 10};
    struct fixture fixture = {.now = 100 * SECOND};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        append(&fixture, &settings, 8);
        fixture.now += SECOND;
    }
    assert_true(history_expires(fixture.history, &settings) == 110 * SECOND);
    history_trim(&fixture.history, &settings, 110 * SECOND - 1);
    assert_int_equal(history_count(fixture.history), 5);
    history_trim(&fixture.history, &settings, 110 * SECOND);
    assert_part(part_of(&fixture, (struct history_query){.limit = ALL}, HISTORY_OK), 2, 4);
    fixture.now = 112 * SECOND;
    append(&fixture, &settings, 8); /* drops what is too old as well */
    assert_part(part_of(&fixture, (struct history_query){.limit = ALL}, HISTORY_OK), 4, 3);
    settings.seconds = 0;
    assert_true(history_expires(fixture.history, &settings) == UINT64_MAX);
    history_trim(&fixture.history, &settings, 1000 * SECOND);
    assert_int_equal(history_count(fixture.history), 3);
    settings.seconds = 10;
    history_trim(&fixture.history, &settings, 122 * SECOND);
    assert_null(fixture.history);
}

static void a_question_is_answered_from_either_end(void **state)
{
    struct history_settings settings = {.messages = 10, .bytes = 10000};
    struct fixture fixture = {0};
    struct history_query query = {.limit = ALL};

    (void)state;
    for (unsigned i = 0; i < 30; i++)
        append(&fixture, &settings, 8);
    query.limit = 0;
    assert_part(part_of(&fixture, query, HISTORY_OK), 0, 0);
    query.limit = 3;
    assert_part(part_of(&fixture, query, HISTORY_OK), 21, 3);
    query.newest = true;
    assert_part(part_of(&fixture, query, HISTORY_OK), 28, 3);
    query.since = true;
    query.offset = 25; /* before it */
    assert_part(part_of(&fixture, query, HISTORY_OK), 22, 3);
    query.offset = 23;
    assert_part(part_of(&fixture, query, HISTORY_OK), 21, 2);
    query.offset = 21;
    assert_part(part_of(&fixture, query, HISTORY_OK), 0, 0);
    query.offset = 5;
    assert_part(part_of(&fixture, query, HISTORY_OK), 0, 0);
    query.offset = UINT64_MAX;
    assert_part(part_of(&fixture, query, HISTORY_OK), 28, 3);
    query.newest = false;
    query.limit = ALL;
    assert_part(part_of(&fixture, query, HISTORY_GONE), 0, 0);
    query.offset = 31;
    assert_part(part_of(&fixture, query, HISTORY_GONE), 0, 0);
    query.offset = 30;
    assert_part(part_of(&fixture, query, HISTORY_OK), 0, 0);
    query.offset = 29;
    assert_part(part_of(&fixture, query, HISTORY_OK), 30, 1);
    query.offset = 20;
    assert_part(part_of(&fixture, query, HISTORY_OK), 21, 10);
    query.offset = 19;
    assert_part(part_of(&fixture, query, HISTORY_GONE), 21, 10);
    query.limit = 4;
    assert_part(part_of(&fixture, query, HISTORY_GONE), 21, 4);
    history_free(&fixture.history);
}

static void an_answer_is_bounded_in_bytes_of_frames(void **state)
{
    struct fixture fixture = {0};
    struct history_query query = {.limit = ALL};
    struct history_part part;

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        append(&fixture, &unlimited, 98); /* a frame of 100 bytes */
    for (uint64_t bytes = 0; bytes <= 1100; bytes += 50) {
        uint32_t expected = bytes < 100 ? 1 : bytes > 1000 ? 10 : (uint32_t)(bytes / 100);

        query.newest = false;
        history_select(fixture.history, fixture.top, &query, bytes, &part);
        assert_part(part, 1, expected);
        query.newest = true;
        history_select(fixture.history, fixture.top, &query, bytes, &part);
        assert_part(part, 11 - expected, expected);
    }
    history_free(&fixture.history);
}

static void who_asks_for_the_same_shares_a_range(void **state)
{
    struct fixture fixture = {0};

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        append(&fixture, &unlimited, 8);

    struct history_range *first =
        history_range(fixture.history, fixture.top, (struct history_part){4, 7});
    struct history_range *second =
        history_range(fixture.history, fixture.top, (struct history_part){4, 7});
    struct history_range *other =
        history_range(fixture.history, fixture.top, (struct history_part){5, 6});
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, other);
    assert_int_equal(first->bytes, 7 * 10);
    assert_int_equal(first->messages[0]->refs, 2);
    assert_int_equal(first->messages[1]->refs, 3);

    append(&fixture, &unlimited, 8);
    struct history_range *later =
        history_range(fixture.history, fixture.top, (struct history_part){5, 6});
    assert_ptr_not_equal(later, other);
    assert_true(history_forget_range(fixture.history));
    assert_false(history_forget_range(fixture.history));

    /* It outlives the history. */
    history_free(&fixture.history);
    for (uint32_t i = 0; i < first->count; i++) {
        uint64_t offset;

        memcpy(&offset, payload_body(first->messages[i]), sizeof(offset));
        assert_int_equal(offset, 4 + i);
    }
    history_range_unref(first);
    history_range_unref(second);
    history_range_unref(other);
    history_range_unref(later);
    history_range_unref(NULL);
}

/* The model: every message that ever was. */

#define STEPS 40000

struct model {
    uint32_t bytes[STEPS + 1]; /* by offset */
    uint64_t times[STEPS + 1];
    uint64_t top, oldest; /* kept: oldest to top */
};

static void model_trim(struct model *model, const struct history_settings *settings, uint64_t now)
{
    for (;;) {
        uint64_t bytes = 0;

        for (uint64_t i = model->oldest; i <= model->top; i++)
            bytes += model->bytes[i];
        if (model->oldest > model->top ||
            (model->top - model->oldest + 1 <= settings->messages && bytes <= settings->bytes &&
             (!settings->seconds ||
              now - model->times[model->oldest] < settings->seconds * SECOND)))
            return;
        model->oldest++;
    }
}

static uint64_t frame_bytes(const struct model *model, uint64_t offset)
{
    uint32_t bytes = model->bytes[offset];

    return bytes + (bytes < 126 ? 2u : 4u);
}

/* What an answer must hold, by the words of the contract: one by one. */
static void model_select(const struct model *model, const struct history_query *query,
                         uint64_t bytes_max, struct history_part *part, bool *gone)
{
    uint64_t bytes = 0;

    *part = (struct history_part){0, 0};
    *gone = query->since && !query->newest &&
            (query->offset > model->top || query->offset + 1 < model->oldest);
    for (uint64_t i = 0; model->oldest + i <= model->top && part->count < query->limit; i++) {
        uint64_t offset = query->newest ? model->top - i : model->oldest + i;

        if (query->since && (query->newest ? offset >= query->offset : offset <= query->offset))
            continue;
        bytes += frame_bytes(model, offset);
        if (part->count && bytes > bytes_max)
            break;
        if (!part->count || query->newest)
            part->first = offset;
        part->count++;
    }
}

static void check_answer(struct fixture *fixture, const struct model *model, struct rng *rng)
{
    struct history_query query = {
        .limit = rng_once_in(rng, 3) ? ALL : rng_below(rng, 20),
        .offset = rng_below(rng, 30) + (fixture->top > 20 ? fixture->top - 20 : 0),
        .since = rng_once_in(rng, 2),
        .newest = rng_once_in(rng, 2),
    };
    uint64_t bytes_max = rng_once_in(rng, 2) ? ALL : rng_below(rng, 1500);
    struct history_part expected, part;
    bool gone;

    model_select(model, &query, bytes_max, &expected, &gone);
    assert_int_equal(history_select(fixture->history, fixture->top, &query, bytes_max, &part),
                     gone ? HISTORY_GONE : HISTORY_OK);
    assert_part(part, expected.first, expected.count);
    if (!part.count)
        return;

    struct history_range *range = history_range(fixture->history, fixture->top, part);
    uint64_t bytes = 0;

    assert_non_null(range);
    assert_int_equal(range->first, part.first);
    assert_int_equal(range->count, part.count);
    for (uint32_t i = 0; i < range->count; i++) {
        uint64_t offset = part.first + i;

        assert_int_equal(range->messages[i]->body_bytes, model->bytes[offset]);
        assert_memory_equal(payload_body(range->messages[i]), &offset,
                            model->bytes[offset] < 8 ? model->bytes[offset] : 8);
        bytes += frame_bytes(model, offset);
    }
    assert_int_equal(range->bytes, bytes);
    history_range_unref(range);
}

static void random_operations_match_a_model(void **state)
{
    struct history_settings settings = {.messages = 20, .bytes = 2000, .seconds = 5};
    struct fixture fixture = {.now = SECOND};
    struct model *model = calloc(1, sizeof(*model));
    struct rng rng = {11};

    (void)state;
    assert_non_null(model);
    model->oldest = 1;
    for (unsigned step = 0; step < STEPS; step++) {
        if (rng_once_in(&rng, 2)) {
            uint32_t bytes = (uint32_t)rng_below(&rng, rng_once_in(&rng, 20) ? 2100 : 150);

            append(&fixture, &settings, bytes);
            model->bytes[++model->top] = bytes;
            model->times[model->top] = fixture.now;
        } else if (rng_once_in(&rng, 200)) {
            settings = (struct history_settings){
                .messages = 1 + (uint32_t)rng_below(&rng, 100),
                .bytes = 1 + rng_below(&rng, 5000),
                .seconds = (uint32_t)rng_below(&rng, 10),
            };
            history_trim(&fixture.history, &settings, fixture.now);
        } else {
            fixture.now += rng_below(&rng, SECOND / 2);
            history_trim(&fixture.history, &settings, fixture.now);
        }
        model_trim(model, &settings, fixture.now);
        assert_int_equal(history_count(fixture.history), model->top - model->oldest + 1);
        check_answer(&fixture, model, &rng);
    }
    history_free(&fixture.history);
    free(model);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_costs_nothing),
        cmocka_unit_test(messages_leave_by_number),
        cmocka_unit_test(messages_leave_by_bytes_of_their_payloads),
        cmocka_unit_test(messages_leave_when_they_are_old),
        cmocka_unit_test(a_question_is_answered_from_either_end),
        cmocka_unit_test(an_answer_is_bounded_in_bytes_of_frames),
        cmocka_unit_test(who_asks_for_the_same_shares_a_range),
        cmocka_unit_test(random_operations_match_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
