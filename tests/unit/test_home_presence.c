/* Presence at the home of groups: who is listed, who is told, and what a reload changes. */
#include "tests/unit/home_helper.h"

#include "shards/presence.h"

static void turn(struct fixture *fixture, bool presence)
{
    fixture->shard.settings->namespaces[0].presence = presence;
}

/* A connection of a shard, by its slot, joins as a user; `joins`: it wants to be told of others. */
static void join_as(struct fixture *fixture, uint32_t source, uint32_t slot, const char *user,
                    bool joins)
{
    size_t user_bytes = strlen(user);
    struct record_join *record = calloc(1, sizeof(*record) + GROUP_NAME_MAX + user_bytes);

    assert_non_null(record);
    name_record(&record->head, record->name, "room");
    memcpy(record->name + strlen("room"), user, user_bytes);
    record->connection = (struct slot_ref){slot, 1};
    record->user_bytes = (uint16_t)user_bytes;
    record->joins = joins;
    home_join(&fixture->shard.home, source, record);
    free(record);
    hear(fixture);
}

static void leave_as(struct fixture *fixture, uint32_t source, uint32_t slot, bool joins)
{
    struct record_leave *record = calloc(1, sizeof(*record) + GROUP_NAME_MAX);

    assert_non_null(record);
    name_record(&record->head, record->name, "room");
    record->connection = (struct slot_ref){slot, 1};
    record->joins = joins;
    home_leave(&fixture->shard.home, source, record);
    free(record);
    hear(fixture);
}

/* A member of a shard says that it is here. */
static void present(struct fixture *fixture, uint32_t source, uint32_t slot, const char *user)
{
    size_t user_bytes = strlen(user);
    struct record_present *record = calloc(1, sizeof(*record) + GROUP_NAME_MAX + user_bytes);

    assert_non_null(record);
    name_record(&record->head, record->name, "room");
    memcpy(record->name + strlen("room"), user, user_bytes);
    record->connection = (struct slot_ref){slot, 1};
    record->user_bytes = (uint16_t)user_bytes;
    home_present(&fixture->shard.home, source, record);
    free(record);
    hear(fixture);
}

/* Shard 0 asks who is there. */
static const struct record_presence_answer *ask(struct fixture *fixture, const char *group,
                                                bool counts)
{
    struct record_presence *record = calloc(1, sizeof(*record) + GROUP_NAME_MAX);

    assert_non_null(record);
    name_record(&record->head, record->name, group);
    record->connection = (struct slot_ref){70, 71};
    record->number = 72;
    record->counts = counts;
    home_presence(&fixture->shard.home, 0, record);
    free(record);
    hear(fixture);
    const struct record_presence_answer *answer = told(fixture, 0, RECORD_PRESENCE_ANSWER);
    assert_non_null(answer);
    assert_int_equal(answer->connection.slot, 70);
    assert_int_equal(answer->connection.generation, 71);
    assert_int_equal(answer->number, 72);
    assert_false(answer->failed);
    return answer;
}

static void assert_counts(struct fixture *fixture, uint32_t clients, uint32_t users)
{
    const struct record_presence_answer *answer = ask(fixture, "room", true);

    assert_int_equal(answer->clients, clients);
    assert_int_equal(answer->users, users);
    assert_null(answer->list);
    answer = ask(fixture, "room", false);
    assert_int_equal(answer->list ? answer->list->count : 0, clients);
}

/* A shard was told of this member by the last call, and once. */
static void assert_notice(const struct fixture *fixture, uint32_t shard, uint32_t of_shard,
                          uint32_t slot, const char *user, bool left)
{
    const struct record_notice *notice = told(fixture, shard, RECORD_NOTICE);

    assert_non_null(notice);
    assert_int_equal(notice->shard, of_shard);
    assert_int_equal(notice->connection.slot, slot);
    assert_int_equal(notice->connection.generation, 1);
    assert_int_equal(notice->left, left);
    assert_int_equal(notice->user_bytes, strlen(user));
    assert_memory_equal(notice->name, "room", 4);
    assert_memory_equal(notice->name + 4, user, strlen(user));
}

static void members_of_all_shards_are_listed(void **state)
{
    struct fixture *fixture = *state;

    turn(fixture, true);
    assert_counts(fixture, 0, 0);
    join_as(fixture, 0, 1, "ann", false);
    join_as(fixture, SELF, 1, "ann", false);
    join_as(fixture, 2, 1, "", false);
    assert_counts(fixture, 3, 2);
    leave_as(fixture, SELF, 1, false);
    assert_counts(fixture, 2, 2);
    leave_as(fixture, 0, 1, false);
    leave_as(fixture, 2, 1, false);
    assert_counts(fixture, 0, 0);
}

static void where_it_is_off_nobody_is_listed_or_told(void **state)
{
    struct fixture *fixture = *state;

    join_as(fixture, 0, 1, "ann", true);
    join_as(fixture, 0, 2, "bob", true);
    assert_null(told(fixture, 0, RECORD_NOTICE));
    assert_counts(fixture, 0, 0);
    leave_as(fixture, 0, 2, true);
    assert_null(told(fixture, 0, RECORD_NOTICE));

    turn(fixture, true);
    join(fixture, 0, GROUP_EVERYONE); /* in which everyone is */
    const struct record_presence_answer *answer = ask(fixture, GROUP_EVERYONE, false);
    assert_int_equal(answer->clients, 0);
    assert_null(answer->list);
}

static void joins_and_leaves_go_to_the_shards_that_listen(void **state)
{
    struct fixture *fixture = *state;

    turn(fixture, true);
    join_as(fixture, 0, 1, "ann", false);
    assert_null(told(fixture, 0, RECORD_NOTICE));
    join_as(fixture, 2, 5, "bob", true); /* is told of itself, too */
    assert_notice(fixture, 2, 2, 5, "bob", false);
    assert_null(told(fixture, 0, RECORD_NOTICE));
    join_as(fixture, SELF, 6, "", true);
    assert_notice(fixture, 2, SELF, 6, "", false);
    assert_notice(fixture, SELF, SELF, 6, "", false);

    leave_as(fixture, 0, 1, false);
    assert_notice(fixture, 2, 0, 1, "ann", true);
    assert_notice(fixture, SELF, 0, 1, "ann", true);
    assert_null(told(fixture, 0, RECORD_NOTICE));
    leave_as(fixture, 2, 5, true); /* nobody listens there any more */
    assert_null(told(fixture, 2, RECORD_NOTICE));
    assert_notice(fixture, SELF, 2, 5, "bob", true);
    leave_as(fixture, SELF, 6, true);
    assert_null(told(fixture, SELF, RECORD_NOTICE));
}

/* Nothing of a group may come before the answer to the join. */
static void a_notice_comes_behind_the_answer_to_its_join(void **state)
{
    struct fixture *fixture = *state;
    unsigned answer = HEARD_MAX, notice = 0;

    turn(fixture, true);
    join_as(fixture, 2, 5, "bob", true);
    for (unsigned i = 0; i < fixture->count; i++) {
        if (fixture->heard[i].record->type == RECORD_NOTICE)
            notice = i;
        else if (!fixture->heard[i].critical)
            answer = i;
    }
    assert_true(answer < notice);
    assert_false(fixture->heard[notice].critical);
}

static void a_join_that_is_refused_is_none(void **state)
{
    struct fixture *fixture = *state;

    turn(fixture, true);
    fixture->shard.settings->namespaces[0].max_members = 1;
    join_as(fixture, 2, 5, "bob", true);
    join_as(fixture, 0, 6, "ann", true);
    assert_int_equal(outcome(fixture), JOIN_GROUP_FULL);
    assert_null(told(fixture, 2, RECORD_NOTICE));
    assert_counts(fixture, 1, 1);
}

/* The shards and the home hear of a reload at different times. */
static void who_was_there_before_is_listed_once_it_is_on(void **state)
{
    struct fixture *fixture = *state;

    join_as(fixture, 0, 1, "ann", true);
    join_as(fixture, 2, 2, "bob", false);
    present(fixture, 0, 1, "ann"); /* that shard was the first to hear of it */
    assert_null(told(fixture, 0, RECORD_NOTICE));
    turn(fixture, true);
    home_settings(&fixture->shard.home);
    assert_counts(fixture, 1, 1);
    present(fixture, 2, 2, "bob");
    present(fixture, 2, 2, "bob"); /* says it twice */
    assert_counts(fixture, 2, 2);
    join_as(fixture, 2, 3, "bob", false);
    assert_notice(fixture, 0, 2, 3, "bob", false);
    assert_counts(fixture, 3, 2);

    turn(fixture, false);
    home_settings(&fixture->shard.home);
    assert_counts(fixture, 0, 0);
    leave_as(fixture, 2, 3, false);
    assert_null(told(fixture, 0, RECORD_NOTICE));
}

static void who_says_so_when_the_group_is_empty_is_not_listed(void **state)
{
    struct fixture *fixture = *state;

    turn(fixture, true);
    present(fixture, 0, 1, "ann");
    assert_counts(fixture, 0, 0);
    join_as(fixture, 0, 1, "ann", false);
    leave_as(fixture, 0, 1, false);
    present(fixture, 0, 1, "ann");
    assert_counts(fixture, 0, 0);
}

static void the_answer_to_a_join_says_whether_the_home_lists_it(void **state)
{
    struct fixture *fixture = *state;

    join_as(fixture, SELF, 1, "ann", false);
    assert_false(((struct record_joined *)told(fixture, SELF, RECORD_JOINED))->present);
    turn(fixture, true);
    join_as(fixture, SELF, 2, "ann", false);
    assert_true(((struct record_joined *)told(fixture, SELF, RECORD_JOINED))->present);
}

static void asking_makes_no_group(void **state)
{
    struct fixture *fixture = *state;

    turn(fixture, true);
    fixture->shard.settings->limits.groups = 1;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ask(fixture, "nobody", i % 2)->clients, 0);
    publish(fixture, 0, "room");
    assert_taken(fixture, 0, 1, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(members_of_all_shards_are_listed),
        TEST(where_it_is_off_nobody_is_listed_or_told),
        TEST(joins_and_leaves_go_to_the_shards_that_listen),
        TEST(a_notice_comes_behind_the_answer_to_its_join),
        TEST(a_join_that_is_refused_is_none),
        TEST(who_was_there_before_is_listed_once_it_is_on),
        TEST(who_says_so_when_the_group_is_empty_is_not_listed),
        TEST(the_answer_to_a_join_says_whether_the_home_lists_it),
        TEST(asking_makes_no_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
