/* A producer's queue of answers: whatever the order in which homes answer, the answers leave in
 * that of the commands, each once all of its parts are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shards/answers.h"
#include "tests/unit/rng.h"

/* A command with `homes` parts under way. */
static struct answer_place *add(struct answers *answers, enum command_op op, uint64_t id,
                                uint32_t homes)
{
    struct command command = {.op = op, .has_id = true, .id = id, .groups = homes > 1};
    struct answer_place *place = answers_add(answers, &command);

    assert_non_null(place);
    place->homes = homes;
    return place;
}

/* Zeroed, with room for a name. */
static struct record_answer *new_answer(const char *name, uint32_t part)
{
    struct record_answer *answer = calloc(1, sizeof(*answer) + strlen(name));

    assert_non_null(answer);
    answer->head.name_bytes = (uint32_t)strlen(name);
    memcpy(answer->name, name, strlen(name));
    answer->command.part = part;
    return answer;
}

/* A home took the message. */
static void note_taken(struct answers *answers, uint32_t sequence, uint64_t members,
                       uint64_t offset)
{
    struct record_answer *answer = new_answer("", 0);
    struct answer_place *place = answers_get(answers, sequence);

    assert_non_null(place);
    answer->members = members;
    answer->offset = offset;
    answer->epoch = offset * 1000;
    assert_int_equal(answer_note(place, answer, 100), 0);
    free(answer);
}

static void note_refused(struct answers *answers, uint32_t sequence, enum refusal refusal,
                         uint32_t part, const char *name)
{
    struct record_answer *answer = new_answer(name, part);
    struct answer_place *place = answers_get(answers, sequence);

    assert_non_null(place);
    answer->refusal = (uint8_t)refusal;
    answer->retry_after_ms = 100 + part;
    assert_int_equal(answer_note(place, answer, 77), 0);
    free(answer);
}

/* A home passed a disconnect on to so many shards. */
static void note_closing(struct answers *answers, uint32_t sequence, uint32_t shards)
{
    struct record_answer *answer = new_answer("", 0);
    struct answer_place *place = answers_get(answers, sequence);

    assert_non_null(place);
    answer->closing = shards;
    assert_int_equal(answer_note(place, answer, 100), 0);
    free(answer);
}

/* A shard closed its members (RECORD_CLOSED, as producer_closed() takes it). */
static void note_closed(struct answers *answers, uint32_t sequence, uint64_t connections)
{
    struct answer_place *place = answers_get(answers, sequence);

    assert_non_null(place);
    place->closing--;
    place->members += connections;
}

/* The first answer is ready, and this one. */
static void assert_next(struct answers *answers, uint64_t id, uint64_t members)
{
    struct answer_place *place = answers_ready(answers);

    assert_non_null(place);
    assert_int_equal(place->id, id);
    assert_int_equal(place->members, members);
    answers_pop(answers);
}

static void nothing_is_ready_at_first(void **state)
{
    struct answers answers = {0};

    assert_true(answers_empty(&answers));
    assert_null(answers_ready(&answers));
    assert_null(answers_get(&answers, 0));
    assert_null(answers_get(&answers, UINT32_MAX));
    answers_free(&answers);
}

static void answers_leave_in_the_order_of_the_commands(void **state)
{
    struct answers answers = {0};

    for (uint32_t i = 0; i < 4; i++)
        add(&answers, COMMAND_BROADCAST, 100 + i, 1);
    note_taken(&answers, 2, 20, 5);
    assert_null(answers_ready(&answers));
    note_taken(&answers, 0, 10, 6);
    assert_next(&answers, 100, 10);
    assert_null(answers_ready(&answers));
    note_taken(&answers, 1, 15, 7);
    assert_next(&answers, 101, 15);
    assert_next(&answers, 102, 20);
    assert_null(answers_ready(&answers));
    note_taken(&answers, 3, 0, 8);
    assert_next(&answers, 103, 0);
    assert_true(answers_empty(&answers));
    answers_free(&answers);
}

/* A ping is ready at once, and still waits for what came before. */
static void what_needs_no_home_keeps_its_place(void **state)
{
    struct answers answers = {0};

    add(&answers, COMMAND_BROADCAST, 1, 1);
    add(&answers, COMMAND_PING, 2, 0);
    assert_null(answers_ready(&answers));
    note_taken(&answers, 0, 3, 1);
    assert_next(&answers, 1, 3);
    assert_next(&answers, 2, 0);
    answers_free(&answers);
}

static void one_group_has_a_position(void **state)
{
    struct answers answers = {0};
    struct command command = {.op = COMMAND_BROADCAST};

    add(&answers, COMMAND_BROADCAST, 1, 1);
    note_taken(&answers, 0, 50, 12);
    assert_true(answers_ready(&answers)->position);
    assert_true(answers_ready(&answers)->has_id);
    assert_int_equal(answers_ready(&answers)->offset, 12);
    assert_int_equal(answers_ready(&answers)->epoch, 12000);
    answers_pop(&answers);

    /* `groups` has none, also with one name; nor has everyone. */
    command.groups = true;
    assert_false(answers_add(&answers, &command)->position);
    command.groups = false;
    command.all = true;
    assert_false(answers_add(&answers, &command)->position);
    assert_false(answers_ready(&answers)->has_id);
    answers_free(&answers);
}

static void several_groups_are_summed(void **state)
{
    struct answers answers = {0};

    add(&answers, COMMAND_BROADCAST, 1, 3);
    note_taken(&answers, 0, 10, 1);
    note_taken(&answers, 0, 0, 2);
    assert_null(answers_ready(&answers));
    note_taken(&answers, 0, 7, 3);
    assert_true(answers_ready(&answers)->taken);
    assert_next(&answers, 1, 17);
    answers_free(&answers);
}

static void assert_refused_name(const struct answer_refusal *refusal, uint32_t at, const char *name)
{
    assert_true(at < refusal->name_count);
    assert_int_equal(refusal->names[at].size, strlen(name));
    assert_memory_equal(refusal->names[at].bytes, name, strlen(name));
}

static void the_first_groups_error_is_told(void **state)
{
    struct answers answers = {0};

    add(&answers, COMMAND_BROADCAST, 1, 5);
    note_refused(&answers, 0, REFUSAL_OVERLOADED, 3, "d");
    note_taken(&answers, 0, 4, 1);
    note_refused(&answers, 0, REFUSAL_RATE_LIMITED, 1, "b");
    note_taken(&answers, 0, 5, 1);
    assert_null(answers_ready(&answers));
    note_refused(&answers, 0, REFUSAL_OVERLOADED, 4, "e");

    struct answer_place *place = answers_ready(&answers);
    assert_non_null(place);
    assert_true(place->taken);
    assert_int_equal(place->members, 9);
    assert_int_equal(place->refusal->code, REFUSAL_RATE_LIMITED);
    assert_int_equal(place->refusal->retry_after_ms, 101);
    assert_string_equal(place->refusal->message, "b: more than 77 messages in one second");
    assert_int_equal(place->refusal->name_count, 3);
    assert_refused_name(place->refusal, 0, "d");
    assert_refused_name(place->refusal, 1, "b");
    assert_refused_name(place->refusal, 2, "e");
    answers_pop(&answers);
    answers_free(&answers);
}

static void a_message_that_no_group_took(void **state)
{
    struct answers answers = {0};
    char name[GROUP_NAME_MAX + 1] = {0};

    memset(name, 'n', GROUP_NAME_MAX);
    add(&answers, COMMAND_BROADCAST, 1, 1);
    note_refused(&answers, 0, REFUSAL_OVERLOADED, 0, name);
    assert_false(answers_ready(&answers)->taken);
    assert_refused_name(answers_ready(&answers)->refusal, 0, name);
    assert_memory_equal(answers_ready(&answers)->refusal->message, name, GROUP_NAME_MAX);
    answers_pop(&answers);
    answers_free(&answers);
}

static void a_command_is_refused_as_a_whole(void **state)
{
    struct answers answers = {0};
    struct answer_place *place = add(&answers, COMMAND_BROADCAST, 9, 0);

    assert_int_equal(answer_refuse(place, REFUSAL_SHUTTING_DOWN, "the engine is shutting down"), 0);
    place = answers_ready(&answers);
    assert_int_equal(place->refusal->code, REFUSAL_SHUTTING_DOWN);
    assert_string_equal(place->refusal->message, "the engine is shutting down");
    assert_int_equal(place->refusal->name_count, 0);
    answers_free(&answers);
}

/* What a shard closed may be known before the home's word of how many shards there are. */
static void a_disconnect_counts_in_any_order(void **state)
{
    struct answers answers = {0};

    /* One group: the home first. */
    add(&answers, COMMAND_DISCONNECT, 1, 1);
    note_closing(&answers, 0, 2);
    assert_null(answers_ready(&answers));
    note_closed(&answers, 0, 3);
    assert_null(answers_ready(&answers));
    note_closed(&answers, 0, 4);
    assert_next(&answers, 1, 7);

    /* The home last. */
    add(&answers, COMMAND_DISCONNECT, 2, 1);
    note_closed(&answers, 1, 3);
    assert_null(answers_ready(&answers));
    note_closed(&answers, 1, 4);
    assert_null(answers_ready(&answers));
    note_closing(&answers, 1, 2);
    assert_next(&answers, 2, 7);

    /* Nobody is there. */
    add(&answers, COMMAND_DISCONNECT, 3, 1);
    note_closing(&answers, 2, 0);
    assert_next(&answers, 3, 0);

    /* Two groups: one home's shards close before the other home's word is there. */
    add(&answers, COMMAND_DISCONNECT, 4, 2);
    note_closed(&answers, 3, 1);
    note_closing(&answers, 3, 1);
    assert_null(answers_ready(&answers)); /* nothing is owed, but a home has not answered */
    note_closed(&answers, 3, 1);
    assert_null(answers_ready(&answers));
    note_closing(&answers, 3, 1);
    assert_next(&answers, 4, 2);
    answers_free(&answers);
}

static void an_answer_to_what_is_gone_finds_nothing(void **state)
{
    struct answers answers = {0};

    add(&answers, COMMAND_PING, 1, 0);
    add(&answers, COMMAND_BROADCAST, 2, 1);
    assert_next(&answers, 1, 0);
    assert_null(answers_get(&answers, 0));
    assert_non_null(answers_get(&answers, 1));
    assert_null(answers_get(&answers, 2));
    answers_free(&answers);
}

static struct record_history_answer *new_history_answer(const char *name,
                                                        enum history_outcome outcome)
{
    struct record_history_answer *answer = calloc(1, sizeof(*answer) + strlen(name));

    assert_non_null(answer);
    answer->head.name_bytes = (uint32_t)strlen(name);
    memcpy(answer->name, name, strlen(name));
    answer->outcome = (uint8_t)outcome;
    answer->offset = 12;
    answer->epoch = 77;
    return answer;
}

static void a_history_holds_its_range_until_it_is_answered(void **state)
{
    struct answers answers = {0};
    struct record_history_answer *answer = new_history_answer("room", HISTORY_OK);
    struct history_range *range = answer->range = history_range_new(0);

    (void)state;
    assert_non_null(range);
    add(&answers, COMMAND_HISTORY, 1, 1);
    add(&answers, COMMAND_HISTORY, 2, 1);
    assert_null(answers_ready(&answers));
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(answer_note_history(answers_get(&answers, i), answer), 0);
    assert_int_equal(range->refs, 3);
    assert_ptr_equal(answers_ready(&answers)->range, range);
    assert_int_equal(answers_ready(&answers)->offset, 12);
    assert_int_equal(answers_ready(&answers)->epoch, 77);
    answers_pop(&answers);
    assert_int_equal(range->refs, 2);
    answers_free(&answers);
    assert_int_equal(range->refs, 1);
    history_range_unref(range);
    free(answer);
}

static void a_history_that_cannot_be_read_on_is_refused(void **state)
{
    static const enum refusal refusals[] = {
        [HISTORY_OTHER_EPOCH] = REFUSAL_INSUFFICIENT_STATE,
        [HISTORY_GONE] = REFUSAL_INSUFFICIENT_STATE,
        [HISTORY_OVERLOADED] = REFUSAL_OVERLOADED,
    };

    (void)state;
    for (unsigned outcome = HISTORY_OTHER_EPOCH; outcome <= HISTORY_OVERLOADED; outcome++) {
        struct answers answers = {0};
        struct record_history_answer *answer = new_history_answer("room", outcome);

        add(&answers, COMMAND_HISTORY, 1, 1);
        assert_int_equal(answer_note_history(answers_get(&answers, 0), answer), 0);
        const struct answer_place *place = answers_ready(&answers);
        assert_non_null(place->refusal);
        assert_int_equal(place->refusal->code, refusals[outcome]);
        assert_memory_equal(place->refusal->message, "room: ", 6);
        assert_int_equal(place->refusal->name_count, 0);
        answers_free(&answers);
        free(answer);
    }
}

static void it_is_full_at_its_bound(void **state)
{
    struct answers answers = {0};

    for (uint32_t i = 0; i < ANSWERS_MAX; i++) {
        assert_false(answers_full(&answers));
        add(&answers, COMMAND_PING, i, 0);
    }
    assert_true(answers_full(&answers));
    assert_next(&answers, 0, 0);
    assert_false(answers_full(&answers));
    answers_free(&answers);
}

/* What is still under way when the producer goes is given back; a sanitizer sees it. */
static void what_is_left_is_freed(void **state)
{
    struct answers answers = {0};

    for (uint32_t i = 0; i < 40; i++) {
        add(&answers, COMMAND_BROADCAST, i, 2);
        note_refused(&answers, i, REFUSAL_RATE_LIMITED, 0, "a");
    }
    answers_free(&answers);
    assert_true(answers_empty(&answers));
}

#define EVENTS_MAX 32
#define WINDOW     64 /* commands under way at the most */

/* What will happen to a command, in random order; `number` says what exactly. */
struct event {
    enum { TAKEN, REFUSED, CLOSING, CLOSED } kind;
    uint32_t number; /* members; part; shards; connections */
};

struct expected {
    struct event events[EVENTS_MAX];
    uint32_t count, played;
    uint64_t members;
    uint32_t refusals, first; /* refused groups, and the first of them */
};

static void shuffle(struct expected *expected, struct rng *rng)
{
    for (uint32_t i = expected->count; i > 1; i--) {
        uint32_t k = (uint32_t)rng_below(rng, i);
        struct event event = expected->events[i - 1];

        expected->events[i - 1] = expected->events[k];
        expected->events[k] = event;
    }
}

static struct expected make_broadcast(struct answers *answers, uint64_t id, struct rng *rng)
{
    struct expected expected = {.first = UINT32_MAX};

    expected.count = (uint32_t)rng_below(rng, 6);
    for (uint32_t part = 0; part < expected.count; part++) {
        uint32_t members = (uint32_t)rng_below(rng, 100);

        if (rng_once_in(rng, 4)) {
            expected.events[part] = (struct event){REFUSED, part};
            expected.first = expected.refusals++ ? expected.first : part;
        } else {
            expected.events[part] = (struct event){TAKEN, members};
            expected.members += members;
        }
    }
    add(answers, COMMAND_BROADCAST, id, expected.count);
    shuffle(&expected, rng);
    return expected;
}

static struct expected make_disconnect(struct answers *answers, uint64_t id, struct rng *rng)
{
    struct expected expected = {0};
    uint32_t homes = 1 + (uint32_t)rng_below(rng, 4);

    for (uint32_t home = 0; home < homes; home++) {
        uint32_t shards = (uint32_t)rng_below(rng, 6);

        expected.events[expected.count++] = (struct event){CLOSING, shards};
        for (; shards; shards--) {
            uint32_t connections = (uint32_t)rng_below(rng, 100);

            expected.events[expected.count++] = (struct event){CLOSED, connections};
            expected.members += connections;
        }
    }
    add(answers, COMMAND_DISCONNECT, id, homes);
    shuffle(&expected, rng);
    return expected;
}

static void play(struct answers *answers, uint32_t sequence, struct event event)
{
    switch (event.kind) {
    case TAKEN:
        note_taken(answers, sequence, event.number, 1);
        break;
    case REFUSED:
        note_refused(answers, sequence, REFUSAL_RATE_LIMITED, event.number, "g");
        break;
    case CLOSING:
        note_closing(answers, sequence, event.number);
        break;
    case CLOSED:
        note_closed(answers, sequence, event.number);
    }
}

/* The first command's answer, which is complete, is what was expected. */
static void check_answer(struct answers *answers, const struct expected *expected, uint64_t id)
{
    const struct answer_place *place = answers_ready(answers);

    assert_non_null(place);
    assert_int_equal(place->id, id);
    assert_int_equal(place->members, expected->members);
    assert_int_equal(place->refusal ? place->refusal->name_count : 0, expected->refusals);
    if (place->refusal)
        assert_int_equal(place->refusal->part, expected->first);
    answers_pop(answers);
}

static void random_commands_match_a_model(void **state)
{
    enum { BEGIN = UINT32_MAX - 1000 }; /* so that the sequence wraps */
    struct answers answers = {.first = BEGIN, .next = BEGIN};
    static struct expected window[WINDOW];
    struct rng rng = {3};
    uint64_t first = 0, next = 0; /* ids: those under way */

    while (first < 10000) {
        if (next - first < WINDOW && (next == first || rng_once_in(&rng, 4))) {
            window[next % WINDOW] = rng_once_in(&rng, 3) ? make_disconnect(&answers, next, &rng)
                                                         : make_broadcast(&answers, next, &rng);
            next++;
        }

        uint64_t id = first + rng_below(&rng, next - first);
        struct expected *expected = &window[id % WINDOW];

        if (expected->played < expected->count)
            play(&answers, (uint32_t)(BEGIN + id), expected->events[expected->played++]);
        while (first != next) {
            expected = &window[first % WINDOW];
            if (expected->played < expected->count) {
                assert_null(answers_ready(&answers));
                break;
            }
            check_answer(&answers, expected, first++);
        }
        assert_int_equal(answers_empty(&answers), first == next);
    }
    answers_free(&answers);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_ready_at_first),
        cmocka_unit_test(answers_leave_in_the_order_of_the_commands),
        cmocka_unit_test(what_needs_no_home_keeps_its_place),
        cmocka_unit_test(one_group_has_a_position),
        cmocka_unit_test(several_groups_are_summed),
        cmocka_unit_test(the_first_groups_error_is_told),
        cmocka_unit_test(a_message_that_no_group_took),
        cmocka_unit_test(a_command_is_refused_as_a_whole),
        cmocka_unit_test(a_disconnect_counts_in_any_order),
        cmocka_unit_test(an_answer_to_what_is_gone_finds_nothing),
        cmocka_unit_test(a_history_holds_its_range_until_it_is_answered),
        cmocka_unit_test(a_history_that_cannot_be_read_on_is_refused),
        cmocka_unit_test(it_is_full_at_its_bound),
        cmocka_unit_test(what_is_left_is_freed),
        cmocka_unit_test(random_commands_match_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
