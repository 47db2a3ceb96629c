/* The home of groups that keep history: what a join recovers and what is answered to who asks is
 * exact, and a position is forgotten when the contract says so and not before. */
#include "shards/epoch.h"
#include "tests/unit/home_helper.h"

#define ALL UINT64_MAX

static int setup_history(void **state)
{
    struct fixture *fixture;

    setup(state);
    fixture = *state;
    fixture->shard.settings->namespaces[0].max_rate = 0;
    fixture->shard.settings->namespaces[0].history.messages = 10;
    return 0;
}

static struct history_settings *settings_of(struct fixture *fixture)
{
    return &fixture->shard.settings->namespaces[0].history;
}

static void publish_many(struct fixture *fixture, const char *group, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        publish(fixture, 0, group);
}

static struct join_recovery since(uint64_t epoch, uint64_t offset)
{
    return (struct join_recovery){.want = RECOVER_SINCE, .epoch = epoch, .offset = offset};
}

static struct join_recovery must(struct join_recovery recovery)
{
    recovery.must = true;
    return recovery;
}

/* Joins and gives the last answer, the one that may have a range. */
static const struct record_joined *joined(struct fixture *fixture, uint32_t source,
                                          const char *group, struct join_recovery recovery)
{
    join_with(fixture, source, group, recovery);
    assert_true(fixture->count > 0);

    const struct record_joined *answer =
        (struct record_joined *)fixture->heard[fixture->count - 1].record;
    assert_int_equal(answer->head.type, RECORD_JOINED);
    return answer;
}

static void assert_range(const struct history_range *range, uint64_t first, uint32_t count)
{
    if (!count) {
        assert_null(range);
        return;
    }
    assert_non_null(range);
    assert_int_equal(range->first, first);
    assert_int_equal(range->count, count);
}

/* Asks and gives the answer. */
static const struct record_history_answer *ask(struct fixture *fixture, const char *group,
                                               struct history_query query)
{
    struct record_history *record = calloc(1, sizeof(*record) + GROUP_NAME_MAX);

    assert_non_null(record);
    name_record(&record->head, record->name, group);
    record->head.size = 160;
    record->asker.command = (struct command_ref){1, 2, 3, 4};
    record->asker.connection = (struct slot_ref){5, 6};
    record->asker.number = 7;
    record->query = query;
    home_history(&fixture->shard.home, 2, record);
    free(record);
    hear(fixture);
    assert_int_equal(fixture->count, 1);

    const struct record_history_answer *answer = told(fixture, 2, RECORD_HISTORY_ANSWER);
    assert_non_null(answer);
    assert_int_equal(answer->credit, 160);
    assert_int_equal(answer->asker.command.sequence, 3);
    assert_int_equal(answer->asker.connection.generation, 6);
    assert_int_equal(answer->asker.number, 7);
    assert_int_equal(answer->query.limit, query.limit);
    assert_int_equal(answer->query.since, query.since);
    assert_memory_equal(answer->name, group, strlen(group));
    return answer;
}

static struct history_query all_since(uint64_t epoch, uint64_t offset)
{
    return (struct history_query){.limit = ALL, .since = true, .epoch = epoch, .offset = offset};
}

static void a_join_recovers_what_came_after_its_position(void **state)
{
    struct fixture *fixture = *state;

    publish_many(fixture, "room", 15);
    uint64_t epoch = answered(fixture, 0)->epoch;

    for (uint64_t offset = 0; offset <= 20; offset++) {
        bool kept = offset >= 5 && offset <= 15;
        const struct record_joined *answer = joined(fixture, 2, "room", since(epoch, offset));

        assert_int_equal(answer->outcome, JOIN_OK);
        assert_true(answer->has_history);
        assert_int_equal(answer->recovered, kept);
        assert_int_equal(answer->offset, 15);
        assert_true(answer->epoch == epoch);
        assert_range(answer->range, offset + 1, kept ? 15 - (uint32_t)offset : 0);
    }
    assert_false(joined(fixture, 2, "room", since(epoch + 1, 10))->recovered);
    assert_false(joined(fixture, 2, "room", since(EPOCH_NONE, 10))->recovered);
    assert_false(joined(fixture, 2, "room", since(EPOCH_OTHER, 10))->recovered);

    struct join_recovery any = since(EPOCH_OTHER, 12);
    any.any_epoch = true;
    assert_range(joined(fixture, 2, "room", any)->range, 13, 3);
}

static void only_the_last_answer_to_a_join_has_the_range(void **state)
{
    struct fixture *fixture = *state;
    uint64_t epoch = epoch_of(fixture, "room");

    join_with(fixture, 2, "room", since(epoch, 0));
    assert_int_equal(fixture->count, 2);
    const struct record_joined *first = (struct record_joined *)fixture->heard[0].record;
    const struct record_joined *second = (struct record_joined *)fixture->heard[1].record;
    assert_int_equal(first->by, JOINED_CRITICAL);
    assert_null(first->range);
    assert_int_equal(second->by, JOINED_NORMAL);
    assert_range(second->range, 1, 1);
}

static void a_join_from_now_on_wants_a_history_and_nothing_of_it(void **state)
{
    struct fixture *fixture = *state;
    struct join_recovery now = {.want = RECOVER_NOW};
    const struct record_joined *answer;

    publish_many(fixture, "room", 3);
    answer = joined(fixture, 2, "room", now);
    assert_true(answer->recovered);
    assert_int_equal(answer->offset, 3);
    assert_null(answer->range);

    settings_of(fixture)->messages = 0;
    answer = joined(fixture, 2, "room", now);
    assert_int_equal(answer->outcome, JOIN_OK);
    assert_false(answer->has_history);
    assert_false(answer->recovered);
    assert_int_equal(joined(fixture, 2, "room", must(now))->outcome, JOIN_INSUFFICIENT_STATE);
}

static void who_must_recover_and_cannot_is_no_member(void **state)
{
    struct fixture *fixture = *state;

    publish_many(fixture, "room", 15);
    uint64_t epoch = answered(fixture, 0)->epoch;

    assert_int_equal(joined(fixture, 2, "room", must(since(epoch, 4)))->outcome,
                     JOIN_INSUFFICIENT_STATE);
    assert_int_equal(fixture->count, 1);
    assert_int_equal(joined(fixture, 2, "room", must(since(epoch, 16)))->outcome,
                     JOIN_INSUFFICIENT_STATE);
    assert_int_equal(joined(fixture, 2, "room", must(since(epoch + 1, 9)))->outcome,
                     JOIN_INSUFFICIENT_STATE);
    publish(fixture, 0, "room");
    assert_taken(fixture, 0, 16, 0);
    assert_int_equal(joined(fixture, 2, "room", must(since(epoch, 16)))->outcome, JOIN_OK);
    publish(fixture, 0, "room");
    assert_taken(fixture, 0, 17, 1);
}

static void who_can_only_be_refused_makes_no_group(void **state)
{
    struct fixture *fixture = *state;

    fixture->shard.settings->limits.groups = 1;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(joined(fixture, 2, "room", must(since(77, 0)))->outcome,
                         JOIN_INSUFFICIENT_STATE);
    ask(fixture, "room", (struct history_query){.limit = ALL});
    settings_of(fixture)->messages = 0;
    assert_int_equal(
        joined(fixture, 2, "room", must((struct join_recovery){.want = RECOVER_NOW}))->outcome,
        JOIN_INSUFFICIENT_STATE);
    assert_int_equal(fixture->world.groups, 0);
    publish(fixture, 0, "other");
    assert_taken(fixture, 0, 1, 0);
}

static void a_recovery_is_bounded(void **state)
{
    struct fixture *fixture = *state;

    fixture->shard.settings->limits.recovery_bytes = 15; /* a frame has 12 bytes */
    publish_many(fixture, "room", 10);
    uint64_t epoch = answered(fixture, 0)->epoch;

    assert_range(joined(fixture, 2, "room", since(epoch, 5))->range, 6, 5);
    assert_false(joined(fixture, 2, "room", since(epoch, 4))->recovered);
    assert_range(ask(fixture, "room", all_since(epoch, 1))->range, 2, 5);
}

static void those_who_come_back_together_share_a_range(void **state)
{
    struct fixture *fixture = *state;
    struct history_range *range;

    publish_many(fixture, "room", 8);
    uint64_t epoch = answered(fixture, 0)->epoch;

    range = history_range_ref(joined(fixture, 2, "room", since(epoch, 3))->range);
    assert_ptr_equal(joined(fixture, 0, "room", since(epoch, 3))->range, range);
    assert_ptr_equal(ask(fixture, "room", all_since(epoch, 3))->range, range);
    publish(fixture, 0, "room");
    assert_ptr_not_equal(joined(fixture, 0, "room", since(epoch, 3))->range, range);
    history_range_unref(range);

    /* The home lets go of it. */
    range = history_range_ref(joined(fixture, 0, "room", since(epoch, 3))->range);
    forget_heard(fixture);
    assert_int_equal(range->refs, 2);
    sweep_after(fixture, 2 * SECOND);
    assert_int_equal(range->refs, 1);
    history_range_unref(range);
}

static void a_question_is_answered(void **state)
{
    struct fixture *fixture = *state;
    const struct record_history_answer *answer;

    answer = ask(fixture, "room", (struct history_query){.limit = ALL});
    assert_int_equal(answer->outcome, HISTORY_OK);
    assert_true(answer->epoch == EPOCH_NONE);
    assert_int_equal(answer->offset, 0);
    assert_null(answer->range);
    assert_int_equal(ask(fixture, "room", all_since(EPOCH_NONE, 0))->outcome, HISTORY_OK);
    assert_int_equal(ask(fixture, "room", all_since(EPOCH_NONE, 1))->outcome, HISTORY_GONE);
    assert_int_equal(ask(fixture, "room", all_since(5, 0))->outcome, HISTORY_OTHER_EPOCH);

    publish_many(fixture, "room", 15);
    uint64_t epoch = answered(fixture, 0)->epoch;
    answer = ask(fixture, "room", (struct history_query){.limit = ALL});
    assert_true(answer->has_history);
    assert_true(answer->epoch == epoch);
    assert_int_equal(answer->offset, 15);
    assert_range(answer->range, 6, 10);
    assert_range(ask(fixture, "room", (struct history_query){.limit = 0})->range, 0, 0);
    assert_range(ask(fixture, "room", (struct history_query){.limit = 2})->range, 6, 2);
    assert_range(ask(fixture, "room", (struct history_query){.limit = 2, .newest = true})->range,
                 14, 2);
    answer = ask(fixture, "room", all_since(epoch, 15));
    assert_int_equal(answer->outcome, HISTORY_OK);
    assert_null(answer->range);
    assert_range(ask(fixture, "room", all_since(epoch, 12))->range, 13, 3);
    assert_int_equal(ask(fixture, "room", all_since(epoch, 4))->outcome, HISTORY_GONE);
    assert_int_equal(ask(fixture, "room", all_since(epoch, 16))->outcome, HISTORY_GONE);
    answer = ask(fixture, "room", all_since(epoch + 1, 12));
    assert_int_equal(answer->outcome, HISTORY_OTHER_EPOCH);
    assert_null(answer->range);
    assert_true(answer->epoch == epoch);
    assert_int_equal(answer->offset, 15);
}

static void without_history_there_is_a_position_and_no_messages(void **state)
{
    struct fixture *fixture = *state;
    const struct record_history_answer *answer;

    settings_of(fixture)->messages = 0;
    publish_many(fixture, "room", 4);
    uint64_t epoch = answered(fixture, 0)->epoch;

    answer = ask(fixture, "room", (struct history_query){.limit = ALL});
    assert_false(answer->has_history);
    assert_int_equal(answer->outcome, HISTORY_OK);
    assert_int_equal(answer->offset, 4);
    assert_null(answer->range);
    assert_int_equal(ask(fixture, "room", all_since(epoch, 4))->outcome, HISTORY_OK);
    assert_int_equal(ask(fixture, "room", all_since(epoch, 3))->outcome, HISTORY_GONE);
}

static void what_is_too_old_is_gone_before_any_sweep(void **state)
{
    struct fixture *fixture = *state;
    struct payload *payload;

    settings_of(fixture)->seconds = 10;
    publish(fixture, 0, "room");
    uint64_t epoch = answered(fixture, 0)->epoch;
    payload = ask(fixture, "room", (struct history_query){.limit = ALL})->range->messages[0];
    payload_ref(payload, 1);
    fixture->shard.now_ns += 9 * SECOND;
    publish(fixture, 0, "room");
    assert_range(ask(fixture, "room", (struct history_query){.limit = ALL})->range, 1, 2);
    fixture->shard.now_ns += SECOND;
    assert_range(ask(fixture, "room", (struct history_query){.limit = ALL})->range, 2, 1);
    assert_false(joined(fixture, 2, "room", since(epoch, 0))->recovered);
    forget_heard(fixture);
    assert_int_equal(payload->refs, 1);
    payload_unref(payload);

    /* The sweep frees what nobody asks for. */
    payload = ask(fixture, "room", (struct history_query){.limit = ALL})->range->messages[0];
    payload_ref(payload, 1);
    forget_heard(fixture);
    sweep_after(fixture, 9 * SECOND - 1);
    assert_int_equal(payload->refs, 2);
    sweep_after(fixture, SECOND);
    assert_int_equal(payload->refs, 1);
    payload_unref(payload);
}

static void a_position_is_kept_for_a_while_after_the_last_message(void **state)
{
    struct fixture *fixture = *state;
    uint64_t epoch = epoch_of(fixture, "room");

    settings_of(fixture)->position_seconds = 100;
    sweep_after(fixture, 60 * SECOND);
    assert_true(epoch_of(fixture, "room") == epoch);
    sweep_after(fixture, 100 * SECOND - 1);
    assert_true(epoch_of(fixture, "room") == epoch);
    sweep_after(fixture, 100 * SECOND);
    assert_true(ask(fixture, "room", (struct history_query){.limit = 0})->epoch == EPOCH_NONE);
    assert_true(epoch_of(fixture, "room") != epoch);
    assert_taken(fixture, 0, 1, 0);

    /* A member keeps it; when it leaves, the last message counts and not that. */
    epoch = epoch_of(fixture, "room");
    join(fixture, 2, "room");
    for (unsigned i = 0; i < 300; i++)
        sweep_after(fixture, SECOND);
    assert_int_equal(fixture->world.groups, 1);
    leave(fixture, 2, "room");
    assert_range(joined(fixture, 2, "room", since(epoch, 1))->range, 2, 1);
    leave(fixture, 2, "room");
    sweep_after(fixture, 2 * SECOND);
    assert_int_equal(fixture->world.groups, 0);

    /* So does a group that has had members and no message yet. */
    join(fixture, 2, "room");
    leave(fixture, 2, "room");
    sweep_after(fixture, 99 * SECOND);
    assert_int_equal(fixture->world.groups, 1);
    sweep_after(fixture, 2 * SECOND);
    assert_int_equal(fixture->world.groups, 0);
}

static void position_seconds_of_0_is_for_ever(void **state)
{
    struct fixture *fixture = *state;
    uint64_t epoch;

    settings_of(fixture)->position_seconds = 0;
    settings_of(fixture)->seconds = 10;
    epoch = epoch_of(fixture, "room");
    sweep_after(fixture, 100 * SECOND);
    fixture->shard.now_ns += 10000000 * SECOND;
    fixture->shard.home.wheel_ns += 10000000 * SECOND;
    sweep_after(fixture, 100 * SECOND);
    assert_true(epoch_of(fixture, "room") == epoch);
    assert_taken(fixture, 0, 2, 0);
}

static void a_reload_takes_effect_at_once(void **state)
{
    struct fixture *fixture = *state;
    uint64_t epoch;

    publish_many(fixture, "room", 10);
    epoch = answered(fixture, 0)->epoch;
    settings_of(fixture)->messages = 4;
    home_settings(&fixture->shard.home);
    assert_range(ask(fixture, "room", (struct history_query){.limit = ALL})->range, 7, 4);

    /* Off and on again: nothing of before, since what came between is missing. */
    settings_of(fixture)->messages = 0;
    home_settings(&fixture->shard.home);
    assert_range(ask(fixture, "room", (struct history_query){.limit = ALL})->range, 0, 0);
    publish_many(fixture, "room", 2);
    settings_of(fixture)->messages = 10;
    home_settings(&fixture->shard.home);
    assert_true(joined(fixture, 2, "room", since(epoch, 12))->recovered);
    assert_false(joined(fixture, 2, "room", since(epoch, 11))->recovered);
    publish_many(fixture, "room", 2);
    assert_range(joined(fixture, 2, "room", since(epoch, 12))->range, 13, 2);
    assert_false(joined(fixture, 2, "room", since(epoch, 11))->recovered);

    /* A group that has a history no more is forgotten like others. */
    leave(fixture, 2, "room");
    for (unsigned i = 0; i < 3; i++)
        leave(fixture, 2, "room");
    settings_of(fixture)->messages = 0;
    home_settings(&fixture->shard.home);
    sweep_after(fixture, 5 * SECOND);
    assert_int_equal(fixture->world.groups, 0);
}

static void everyone_has_no_history(void **state)
{
    struct fixture *fixture = *state;

    publish_many(fixture, GROUP_EVERYONE, 3);
    assert_false(ask(fixture, GROUP_EVERYONE, (struct history_query){.limit = ALL})->has_history);
    assert_false(joined(fixture, 2, GROUP_EVERYONE, (struct join_recovery){0})->has_history);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup_history, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_join_recovers_what_came_after_its_position),
        TEST(only_the_last_answer_to_a_join_has_the_range),
        TEST(a_join_from_now_on_wants_a_history_and_nothing_of_it),
        TEST(who_must_recover_and_cannot_is_no_member),
        TEST(who_can_only_be_refused_makes_no_group),
        TEST(a_recovery_is_bounded),
        TEST(those_who_come_back_together_share_a_range),
        TEST(a_question_is_answered),
        TEST(without_history_there_is_a_position_and_no_messages),
        TEST(what_is_too_old_is_gone_before_any_sweep),
        TEST(a_position_is_kept_for_a_while_after_the_last_message),
        TEST(position_seconds_of_0_is_for_ever),
        TEST(a_reload_takes_effect_at_once),
        TEST(everyone_has_no_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
