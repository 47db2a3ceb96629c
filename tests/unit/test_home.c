/* The home of groups: what is true of a group as a whole is exact. */
#include "tests/unit/home_helper.h"

#include "tests/unit/rng.h"

static void a_join_on_another_shard_is_answered_by_both_queues(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture, 0, "room");
    uint64_t epoch = answered(fixture, 0)->epoch;
    join(fixture, 2, "room");
    assert_int_equal(fixture->count, 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct record_joined *joined = (struct record_joined *)fixture->heard[i].record;

        assert_int_equal(fixture->heard[i].shard, 2);
        assert_int_equal(fixture->heard[i].critical, i == 0);
        assert_int_equal(joined->by, i == 0 ? JOINED_CRITICAL : JOINED_NORMAL);
        assert_int_equal(joined->outcome, JOIN_OK);
        assert_int_equal(joined->connection.slot, 7);
        assert_int_equal(joined->connection.generation, 8);
        assert_int_equal(joined->member, 9);
        assert_int_equal(joined->offset, 1);
        assert_true(joined->epoch == epoch);
        assert_memory_equal(joined->name, "room", 4);
    }
    /* Its own shard has one queue only. */
    join(fixture, SELF, "room");
    assert_int_equal(fixture->count, 1);
    assert_int_equal(((struct record_joined *)told(fixture, SELF, RECORD_JOINED))->by, JOINED_BOTH);
}

static void a_message_goes_to_the_shards_that_have_members(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture, 0, "room");
    assert_taken(fixture, 0, 1, 0);
    assert_int_equal(fixture->count, 1);
    join(fixture, 2, "room");
    join(fixture, 2, "room");
    join(fixture, SELF, "room");
    publish(fixture, 0, "room");
    assert_taken(fixture, 0, 2, 3);
    assert_int_equal(fixture->count, 3);
    assert_null(told(fixture, 0, RECORD_DELIVER));

    const struct record_deliver *deliver = told(fixture, 2, RECORD_DELIVER);
    assert_int_equal(deliver->members, 2);
    assert_int_equal(deliver->offset, 2);
    assert_int_equal(deliver->sender.slot, NO_SLOT);
    assert_int_equal(deliver->read_ns, 5);
    assert_int_equal(deliver->payload->refs, 2);
    deliver = told(fixture, SELF, RECORD_DELIVER);
    assert_int_equal(deliver->members, 1);

    leave(fixture, 2, "room");
    leave(fixture, 2, "room");
    publish(fixture, 0, "room");
    assert_taken(fixture, 0, 3, 1);
    assert_null(told(fixture, 2, RECORD_DELIVER));
    assert_int_equal(counter_read(&fixture->counters.messages_routed), 4);
}

/* What the command counted as under way is given back, whatever comes of it. */
static void the_credit_is_given_back(void **state)
{
    struct fixture *fixture = *state;

    fixture->shard.settings->namespaces[0].max_rate = 1;
    publish(fixture, 2, "room");
    assert_int_equal(answered(fixture, 2)->credit, 12 + 96);
    publish(fixture, 2, "room");
    assert_int_equal(answered(fixture, 2)->refusal, REFUSAL_RATE_LIMITED);
    assert_int_equal(answered(fixture, 2)->credit, 12 + 96);
}

static void the_rate_is_the_groups(void **state)
{
    struct fixture *fixture = *state;

    fixture->shard.settings->namespaces[0].max_rate = 3;
    join(fixture, 2, "room");
    for (uint64_t i = 1; i <= 3; i++) {
        publish(fixture, (uint32_t)i % SHARDS, "room");
        assert_taken(fixture, (uint32_t)i % SHARDS, i, 1);
    }
    publish(fixture, 0, "room");
    assert_int_equal(answered(fixture, 0)->refusal, REFUSAL_RATE_LIMITED);
    assert_in_range(answered(fixture, 0)->retry_after_ms, 1, 1000);
    assert_memory_equal(answered(fixture, 0)->name, "room", 4);
    assert_null(told(fixture, 2, RECORD_DELIVER));
    publish(fixture, 0, "other");
    assert_taken(fixture, 0, 1, 0);
    publish(fixture, 0, GROUP_EVERYONE);
    for (uint64_t i = 2; i <= 10; i++) {
        publish(fixture, 0, GROUP_EVERYONE); /* has no limit */
        assert_taken(fixture, 0, i, 0);
    }
    /* A refused message has taken no position. */
    fixture->shard.settings->namespaces[0].max_rate = 0;
    publish(fixture, 0, "room");
    assert_taken(fixture, 0, 4, 1);
}

static void the_limit_of_members_is_exact(void **state)
{
    struct fixture *fixture = *state;

    fixture->shard.settings->namespaces[0].max_members = 5;
    for (uint32_t i = 0; i < 5; i++) {
        join(fixture, i % SHARDS, "room");
        assert_int_equal(outcome(fixture), JOIN_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        join(fixture, i, "room");
        assert_int_equal(outcome(fixture), JOIN_GROUP_FULL);
        assert_int_equal(fixture->count, 1);
    }
    leave(fixture, 0, "room");
    join(fixture, 2, "room");
    assert_int_equal(outcome(fixture), JOIN_OK);

    /* A lowered limit closes nobody, and nobody joins until there is room. */
    fixture->shard.settings->namespaces[0].max_members = 4;
    leave(fixture, 2, "room");
    join(fixture, 0, "room");
    assert_int_equal(outcome(fixture), JOIN_GROUP_FULL);
    leave(fixture, 2, "room");
    join(fixture, 0, "room");
    assert_int_equal(outcome(fixture), JOIN_OK);
    publish(fixture, 0, "room");
    assert_taken(fixture, 0, 1, 4);

    for (uint32_t i = 0; i < 10; i++) {
        join(fixture, 0, GROUP_EVERYONE); /* has no limit */
        assert_int_equal(outcome(fixture), JOIN_OK);
    }
}

static void who_does_not_want_its_own_message_is_no_member_of_it(void **state)
{
    struct fixture *fixture = *state;

    join(fixture, 0, "room");
    join(fixture, 2, "room");
    join(fixture, 2, "room");
    publish_as(fixture, 2, "room", PRIORITY_NORMAL, (struct slot_ref){7, 8});
    assert_taken(fixture, 2, 1, 2);

    const struct record_deliver *deliver = told(fixture, 2, RECORD_DELIVER);
    assert_int_equal(deliver->members, 1);
    assert_int_equal(deliver->sender.slot, 7);
    assert_int_equal(deliver->sender.generation, 8);
    deliver = told(fixture, 0, RECORD_DELIVER);
    assert_int_equal(deliver->members, 1);
    assert_int_equal(deliver->sender.slot, NO_SLOT); /* names nobody of that shard */
    assert_int_equal(counter_read(&fixture->counters.messages_routed), 2);
}

static void critical_overtakes_only_where_no_history_is_kept(void **state)
{
    struct fixture *fixture = *state;

    join(fixture, 2, "room");
    publish_as(fixture, 0, "room", PRIORITY_CRITICAL, (struct slot_ref){NO_SLOT, 0});
    assert_true(((struct record_deliver *)told(fixture, 2, RECORD_DELIVER))->critical);
    assert_int_equal(fixture->heard[fixture->count - 1].shard, 2);
    assert_true(fixture->heard[fixture->count - 1].critical);

    fixture->shard.settings->namespaces[0].history.messages = 10;
    publish_as(fixture, 0, "room", PRIORITY_CRITICAL, (struct slot_ref){NO_SLOT, 0});
    assert_false(((struct record_deliver *)told(fixture, 2, RECORD_DELIVER))->critical);
    assert_false(fixture->heard[fixture->count - 1].critical);

    join(fixture, 2, GROUP_EVERYONE); /* everyone keeps none */
    publish_as(fixture, 0, GROUP_EVERYONE, PRIORITY_CRITICAL, (struct slot_ref){NO_SLOT, 0});
    assert_true(((struct record_deliver *)told(fixture, 2, RECORD_DELIVER))->critical);
}

static void a_group_without_members_and_messages_is_forgotten(void **state)
{
    struct fixture *fixture = *state;
    uint64_t epoch = epoch_of(fixture, "room");

    sweep_after(fixture, 5 * SECOND - 1);
    assert_true(epoch_of(fixture, "room") == epoch);
    assert_taken(fixture, 0, 2, 0);
    sweep_after(fixture, 5 * SECOND - 1); /* that was a message */
    assert_true(epoch_of(fixture, "room") == epoch);
    sweep_after(fixture, 5 * SECOND);
    assert_true(epoch_of(fixture, "room") != epoch);
    assert_taken(fixture, 0, 1, 0);

    /* Not while it has a member. */
    epoch = epoch_of(fixture, "room");
    join(fixture, 2, "room");
    for (unsigned i = 0; i < 100; i++)
        sweep_after(fixture, SECOND);
    leave(fixture, 2, "room");
    sweep_after(fixture, 5 * SECOND - 1);
    assert_true(epoch_of(fixture, "room") == epoch);
    assert_taken(fixture, 0, 3, 0);
}

static void the_limit_of_groups_is_exact(void **state)
{
    struct fixture *fixture = *state;

    fixture->shard.settings->limits.groups = 2;
    publish(fixture, 0, "a");
    join(fixture, 0, "b");
    assert_int_equal(outcome(fixture), JOIN_OK);
    join(fixture, 0, "c");
    assert_int_equal(outcome(fixture), JOIN_OVERLOADED);
    publish(fixture, 0, "c");
    assert_int_equal(answered(fixture, 0)->refusal, REFUSAL_OVERLOADED);
    assert_memory_equal(answered(fixture, 0)->name, "c", 1);
    publish(fixture, 0, "a");
    assert_taken(fixture, 0, 2, 0);
    join(fixture, 0, GROUP_EVERYONE); /* is none of them */
    assert_int_equal(outcome(fixture), JOIN_OK);

    sweep_after(fixture, 5 * SECOND); /* a goes, b has a member */
    join(fixture, 0, "c");
    assert_int_equal(outcome(fixture), JOIN_OK);
    join(fixture, 0, "d");
    assert_int_equal(outcome(fixture), JOIN_OVERLOADED);
}

static void disconnect(struct fixture *fixture, uint32_t source, const char *group, uint32_t parts)
{
    struct record_disconnect *record = calloc(1, sizeof(*record) + GROUP_NAME_MAX + 3);

    assert_non_null(record);
    name_record(&record->head, record->name, group);
    record->head.size = 96;
    record->command = (struct command_ref){1, 2, 3, 4};
    record->parts = parts;
    record->code = 3503;
    record->reason_bytes = 3;
    memcpy(record->name + strlen(group), "bye", 3);
    home_disconnect(&fixture->shard.home, source, record);
    free(record);
    hear(fixture);
}

static void a_disconnect_goes_to_the_shards_that_have_members(void **state)
{
    struct fixture *fixture = *state;

    disconnect(fixture, 0, "room", 1);
    assert_int_equal(fixture->count, 1);
    assert_int_equal(answered(fixture, 0)->closing, 0);

    join(fixture, 2, "room");
    join(fixture, 2, "room");
    join(fixture, SELF, "room");
    disconnect(fixture, 0, "room", 1);
    assert_int_equal(fixture->count, 3);
    assert_int_equal(answered(fixture, 0)->closing, 2);
    assert_int_equal(answered(fixture, 0)->credit, 96);
    for (uint32_t shard = SELF; shard <= 2; shard++) {
        const struct record_close *close = told(fixture, shard, RECORD_CLOSE);

        assert_non_null(close);
        assert_int_equal(close->reader, 0);
        assert_int_equal(close->code, 3503);
        assert_int_equal(close->reason_bytes, 3);
        assert_memory_equal(close->name, "roombye", 7);
        assert_int_equal(close->parts, 1);
    }
}

static void a_disconnect_of_several_groups_goes_to_every_shard(void **state)
{
    struct fixture *fixture = *state;

    disconnect(fixture, 0, "nobody", 2);
    assert_int_equal(fixture->count, SHARDS + 1);
    assert_int_equal(answered(fixture, 0)->closing, SHARDS);
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        const struct record_close *close = told(fixture, shard, RECORD_CLOSE);

        assert_non_null(close);
        assert_int_equal(close->parts, 2);
    }
}

static void active_groups_are_counted_by_their_kind(void **state)
{
    struct fixture *fixture = *state;
    const struct counters *counters = &fixture->counters;
    static const char *const groups[] = {"room", "experiment:1", "session:s", "user:ann",
                                         GROUP_EVERYONE};

    for (unsigned i = 0; i < 5; i++) {
        publish(fixture, 0, groups[i]);
        join(fixture, 0, groups[i]);
        join(fixture, 2, groups[i]);
    }
    assert_int_equal(counter_read(&counters->active_groups), 2); /* sessions are among them */
    assert_int_equal(counter_read(&counters->active_experiments), 1);
    assert_int_equal(counter_read(&counters->active_sessions), 1);
    assert_int_equal(counter_read(&counters->active_users), 1);
    for (unsigned i = 0; i < 5; i++) {
        leave(fixture, 0, groups[i]);
        leave(fixture, 2, groups[i]);
    }
    assert_int_equal(counter_read(&counters->active_groups), 0);
    assert_int_equal(counter_read(&counters->active_experiments), 0);
    assert_int_equal(counter_read(&counters->active_sessions), 0);
    assert_int_equal(counter_read(&counters->active_users), 0);
}

static void random_members_match_a_model(void **state)
{
    enum { GROUPS = 20, LIMIT = 12 };
    struct fixture *fixture = *state;
    uint32_t members[GROUPS][SHARDS] = {{0}}, offsets[GROUPS] = {0};
    struct rng rng = {4};

    fixture->shard.settings->namespaces[0].max_members = LIMIT;
    fixture->shard.settings->namespaces[0].max_rate = 0;
    for (unsigned step = 0; step < 20000; step++) {
        uint32_t group = (uint32_t)rng_below(&rng, GROUPS), all = 0;
        uint32_t shard = (uint32_t)rng_below(&rng, SHARDS);
        char name[3] = {'g', (char)('a' + group), '\0'};

        for (uint32_t i = 0; i < SHARDS; i++)
            all += members[group][i];
        if (rng_once_in(&rng, 3)) {
            publish(fixture, shard, name);
            assert_taken(fixture, shard, ++offsets[group], all);
            for (uint32_t i = 0; i < SHARDS; i++) {
                const struct record_deliver *deliver = told(fixture, i, RECORD_DELIVER);

                assert_int_equal(deliver ? deliver->members : 0, members[group][i]);
            }
        } else if (rng_once_in(&rng, 2)) {
            join(fixture, shard, name);
            assert_int_equal(outcome(fixture), all < LIMIT ? JOIN_OK : JOIN_GROUP_FULL);
            members[group][shard] += all < LIMIT;
        } else if (members[group][shard]) {
            leave(fixture, shard, name);
            members[group][shard]--;
        }
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_join_on_another_shard_is_answered_by_both_queues),
        TEST(a_message_goes_to_the_shards_that_have_members),
        TEST(the_credit_is_given_back),
        TEST(the_rate_is_the_groups),
        TEST(the_limit_of_members_is_exact),
        TEST(who_does_not_want_its_own_message_is_no_member_of_it),
        TEST(critical_overtakes_only_where_no_history_is_kept),
        TEST(a_group_without_members_and_messages_is_forgotten),
        TEST(the_limit_of_groups_is_exact),
        TEST(a_disconnect_goes_to_the_shards_that_have_members),
        TEST(a_disconnect_of_several_groups_goes_to_every_shard),
        TEST(active_groups_are_counted_by_their_kind),
        TEST(random_members_match_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
