/* A connection's memberships come and go, and everything that points to them follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/group_name.h"
#include "shards/client_id.h"
#include "shards/connection.h"
#include "shards/shard.h"

#define GROUPS 40

struct fixture {
    struct world world;
    struct shard shard;
    struct connection connection;
    struct group *groups[GROUPS];
};

static struct group *group_of(const char *name)
{
    struct group *group = calloc(1, sizeof(*group) + strlen(name));

    assert_non_null(group);
    memcpy(group->name, name, strlen(name));
    group->named = (struct named){0, (uint32_t)strlen(name), group->name};
    group->category = (uint8_t)group_name_category(name, strlen(name));
    return group;
}

static int setup(void **state)
{
    struct fixture *fixture = aligned_alloc(64, sizeof(*fixture));

    assert_non_null(fixture);
    memset(fixture, 0, sizeof(*fixture));
    fixture->world.client_key = 9;
    fixture->shard.world = &fixture->world;
    fixture->shard.index = 2;
    fixture->connection.shard = &fixture->shard;
    fixture->connection.ref = (struct slot_ref){3, 4};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < GROUPS; i++) {
        if (fixture->groups[i])
            free(fixture->groups[i]->entries);
        free(fixture->groups[i]);
    }
    free(fixture->connection.members);
    free(fixture);
    return 0;
}

/* The connection joins a group of this name, as its only member. */
static struct member *joins(struct fixture *fixture, unsigned number, const char *name)
{
    struct member *member = connection_add_member(&fixture->connection);
    struct group *group = fixture->groups[number] = group_of(name);

    assert_non_null(member);
    assert_int_equal(member->state, MEMBER_NONE);
    assert_ptr_equal(member->connection, &fixture->connection);
    group->entries = calloc(1, sizeof(*group->entries));
    assert_non_null(group->entries);
    group->entries[0].member = member;
    group->count = 1;
    member->group = group;
    member->state = MEMBER_JOINED;
    return member;
}

static struct member *find(const struct fixture *fixture, const char *name)
{
    return connection_find_member(&fixture->connection, name, strlen(name));
}

static void a_member_that_moves_is_found_by_all_who_point_to_it(void **state)
{
    struct fixture *fixture = *state;
    char name[16];

    assert_null(find(fixture, "g0"));
    for (unsigned i = 0; i < GROUPS; i++) {
        snprintf(name, sizeof(name), "g%u", i);
        struct member *member = joins(fixture, i, name);

        if (i == 1)
            fixture->connection.mid = member;
        for (unsigned n = 0; n <= i; n++) {
            snprintf(name, sizeof(name), "g%u", n);
            assert_non_null(find(fixture, name));
            assert_ptr_equal(find(fixture, name), &fixture->connection.members[n]);
            assert_ptr_equal(find(fixture, name)->group, fixture->groups[n]);
            assert_ptr_equal(fixture->groups[n]->entries[0].member, find(fixture, name));
        }
    }
    assert_ptr_equal(fixture->connection.mid, find(fixture, "g1"));
    assert_null(find(fixture, "g"));
    assert_null(find(fixture, "g400"));
}

static void places_are_used_again(void **state)
{
    struct fixture *fixture = *state;

    joins(fixture, 0, "a");
    struct member *second = joins(fixture, 1, "b");
    joins(fixture, 2, "c");
    second = find(fixture, "b");
    uint32_t before = fixture->connection.member_count;
    second->state = MEMBER_NONE;
    second->group = NULL;
    assert_null(find(fixture, "b"));
    for (unsigned i = 3; i < 30; i++) {
        struct member *again = joins(fixture, i, "d");

        assert_ptr_equal(again, second);
        again->state = MEMBER_NONE;
        again->group = NULL;
    }
    assert_int_equal(fixture->connection.member_count, before);
}

static void a_member_that_is_not_in_yet_has_no_entry_to_move(void **state)
{
    struct fixture *fixture = *state;
    struct member *asked = connection_add_member(&fixture->connection);
    struct group *group = fixture->groups[0] = group_of("a");

    assert_non_null(asked);
    asked->state = MEMBER_JOINING;
    asked->group = group; /* whose entries are NULL */
    for (unsigned i = 1; i < 10; i++)
        joins(fixture, i, "other");
    assert_int_equal(find(fixture, "a")->state, MEMBER_JOINING);
}

static void the_user_is_who_the_group_is_of(void **state)
{
    struct fixture *fixture = *state;

    joins(fixture, 0, "room");
    assert_int_equal(connection_user(&fixture->connection).size, 0);
    joins(fixture, 1, "user:ann");
    struct name_view user = connection_user(&fixture->connection);
    assert_int_equal(user.size, 3);
    assert_memory_equal(user.bytes, "ann", 3);
}

static void a_payload_says_who_publishes_it(void **state)
{
    struct fixture *fixture = *state;
    struct publisher publisher;
    char id[CLIENT_ID_BYTES];

    joins(fixture, 0, "user:ann");
    struct payload *payload = connection_payload(&fixture->connection, PAYLOAD_TEXT, 10);
    assert_non_null(payload);
    assert_int_equal(payload->body_bytes, 10);
    assert_true(payload_publisher(payload, &publisher));
    client_id_write(id, 9, 2, (struct slot_ref){3, 4});
    assert_int_equal(publisher.client.size, CLIENT_ID_BYTES);
    assert_memory_equal(publisher.client.bytes, id, CLIENT_ID_BYTES);
    assert_int_equal(publisher.user.size, 3);
    assert_memory_equal(publisher.user.bytes, "ann", 3);
    payload_unref(payload);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_member_that_moves_is_found_by_all_who_point_to_it),
        TEST(places_are_used_again),
        TEST(a_member_that_is_not_in_yet_has_no_entry_to_move),
        TEST(the_user_is_who_the_group_is_of),
        TEST(a_payload_says_who_publishes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
