/* Who is in a group: the list and the counts, by hand and against a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shards/client_id.h"
#include "shards/presence.h"
#include "tests/unit/rng.h"

#define HASH_KEY   7
#define CLIENT_KEY 9

static struct name_view user(const char *name)
{
    return (struct name_view){name, (uint32_t)strlen(name)};
}

static struct presence_client client(uint32_t shard, uint32_t slot)
{
    return (struct presence_client){shard, {slot, 1}};
}

static void add(struct presence *presence, uint32_t shard, uint32_t slot, const char *name)
{
    struct presence_client added = client(shard, slot);

    assert_int_equal(presence_add(presence, &added, user(name)), 0);
}

/* Who it was that left, as presence_remove() says. */
static void on_leaving(void *context, struct name_view name)
{
    char *said = context;

    memcpy(said, name.bytes, name.size);
    said[name.size] = '\0';
}

static void assert_leaves(struct presence *presence, uint32_t shard, uint32_t slot,
                          const char *name)
{
    struct presence_client leaving = client(shard, slot);
    char said[128] = "nobody";

    assert_true(presence_remove(presence, &leaving, on_leaving, said));
    assert_string_equal(said, name);
}

static void assert_counts(const struct presence *presence, uint32_t clients, uint32_t users)
{
    assert_int_equal(presence_clients(presence), clients);
    assert_int_equal(presence_users(presence), users);
}

/* Whether the list has this client, under this name. */
static bool lists(const struct presence_list *list, uint32_t shard, uint32_t slot, const char *name)
{
    char id[CLIENT_ID_BYTES];
    struct presence_client wanted = client(shard, slot);

    client_id_write(id, CLIENT_KEY, wanted.shard, wanted.connection);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct publisher *one = &list->clients[i];

        assert_int_equal(one->client.size, CLIENT_ID_BYTES);
        if (!memcmp(one->client.bytes, id, CLIENT_ID_BYTES))
            return one->user.size == strlen(name) && !memcmp(one->user.bytes, name, one->user.size);
    }
    return false;
}

static void users_are_counted_once(void **state)
{
    struct presence *presence = presence_new(HASH_KEY, CLIENT_KEY);

    assert_non_null(presence);
    assert_counts(presence, 0, 0);
    add(presence, 0, 1, "ann");
    add(presence, 1, 1, "ann");
    add(presence, 0, 2, "bob");
    add(presence, 0, 3, ""); /* those without a user are together one */
    add(presence, 2, 4, "");
    assert_counts(presence, 5, 3);
    add(presence, 0, 1, "ann"); /* is there already */
    add(presence, 0, 1, "cid"); /* and stays who it was */
    assert_counts(presence, 5, 3);

    assert_leaves(presence, 0, 1, "ann");
    assert_counts(presence, 4, 3);
    assert_leaves(presence, 1, 1, "ann");
    assert_leaves(presence, 0, 3, "");
    assert_counts(presence, 2, 2);
    assert_leaves(presence, 2, 4, "");
    assert_leaves(presence, 0, 2, "bob");
    assert_counts(presence, 0, 0);
    presence_free(presence);
}

static void who_is_not_there_cannot_leave(void **state)
{
    struct presence *presence = presence_new(HASH_KEY, CLIENT_KEY);
    struct presence_client other = client(0, 1);
    char said[128] = "nobody";

    assert_non_null(presence);
    assert_false(presence_remove(presence, &other, on_leaving, said));
    add(presence, 1, 1, "ann");
    assert_false(presence_remove(presence, &other, on_leaving, said));
    other = client(1, 1);
    other.connection.generation = 2; /* the next in that slot */
    assert_false(presence_remove(presence, &other, on_leaving, said));
    assert_string_equal(said, "nobody");
    other.connection.generation = 1;
    assert_true(presence_remove(presence, &other, NULL, NULL));
    assert_counts(presence, 0, 0);
    presence_free(presence);
    presence_free(NULL);
}

static void a_list_is_shared_until_something_changes(void **state)
{
    struct presence *presence = presence_new(HASH_KEY, CLIENT_KEY);

    assert_non_null(presence);
    add(presence, 0, 1, "ann");
    struct presence_list *first = presence_list(presence), *same = presence_list(presence);
    assert_non_null(first);
    assert_ptr_equal(first, same);
    assert_int_equal(first->count, 1);
    assert_true(lists(first, 0, 1, "ann"));
    add(presence, 0, 1, "ann"); /* changes nothing */
    struct presence_list *again = presence_list(presence);
    assert_ptr_equal(first, again);

    add(presence, 1, 2, "");
    struct presence_list *second = presence_list(presence);
    assert_non_null(second);
    assert_int_equal(second->count, 2);
    assert_true(lists(second, 0, 1, "ann") && lists(second, 1, 2, ""));
    assert_leaves(presence, 0, 1, "ann");
    struct presence_list *third = presence_list(presence);
    assert_non_null(third);
    assert_int_equal(third->count, 1);
    assert_true(lists(third, 1, 2, ""));

    /* Lists outlive what they were taken of. */
    presence_free(presence);
    assert_int_equal(first->count, 1);
    assert_true(lists(first, 0, 1, "ann"));
    presence_list_unref(first);
    presence_list_unref(same);
    presence_list_unref(again);
    presence_list_unref(second);
    presence_list_unref(third);
    presence_list_unref(NULL);
}

static void random_members_match_a_model(void **state)
{
    enum { SHARDS = 3, SLOTS = 40, USERS = 6 };
    static const char *const names[USERS] = {"", "ann", "bob", "annabel", "a", "b"};
    int who[SHARDS][SLOTS]; /* the user's number; -1: not there */
    struct presence *presence = presence_new(HASH_KEY, CLIENT_KEY);
    struct rng rng = {3};

    assert_non_null(presence);
    memset(who, -1, sizeof(who));
    for (unsigned step = 0; step < 5000; step++) {
        uint32_t shard = (uint32_t)rng_below(&rng, SHARDS), slot = (uint32_t)rng_below(&rng, SLOTS);
        uint32_t clients = 0, users = 0, of_user[USERS] = {0};

        if (who[shard][slot] < 0) {
            who[shard][slot] = (int)rng_below(&rng, USERS);
            add(presence, shard, slot, names[who[shard][slot]]);
        } else {
            assert_leaves(presence, shard, slot, names[who[shard][slot]]);
            who[shard][slot] = -1;
        }
        for (unsigned i = 0; i < SHARDS * SLOTS; i++)
            if (who[i / SLOTS][i % SLOTS] >= 0)
                of_user[who[i / SLOTS][i % SLOTS]]++;
        for (unsigned i = 0; i < USERS; i++) {
            clients += of_user[i];
            users += of_user[i] != 0;
        }
        assert_counts(presence, clients, users);
        if (!rng_once_in(&rng, 50))
            continue;
        struct presence_list *list = presence_list(presence);
        assert_non_null(list);
        assert_int_equal(list->count, clients);
        for (uint32_t i = 0; i < SHARDS * SLOTS; i++)
            if (who[i / SLOTS][i % SLOTS] >= 0)
                assert_true(lists(list, i / SLOTS, i % SLOTS, names[who[i / SLOTS][i % SLOTS]]));
        presence_list_unref(list);
    }
    presence_free(presence);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_counted_once),
        cmocka_unit_test(who_is_not_there_cannot_leave),
        cmocka_unit_test(a_list_is_shared_until_something_changes),
        cmocka_unit_test(random_members_match_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
