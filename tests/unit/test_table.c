/* The hash table of named things: against a model that is a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/group_name.h"
#include "shards/table.h"
#include "tests/unit/rng.h"

#define FEWEST_SLOTS 64 /* what a table keeps at the least */

struct thing {
    struct named named; /* first */
    char text[24];
    bool there; /* in the table, says the model */
    bool seen;
};

static void name_thing(struct thing *thing, const char *text, uint64_t hash)
{
    snprintf(thing->text, sizeof(thing->text), "%s", text);
    thing->named = (struct named){hash, (uint32_t)strlen(thing->text), thing->text};
}

static struct thing *find(const struct table *table, const struct thing *thing)
{
    return (struct thing *)table_find(table, thing->named.hash, thing->named.name,
                                      thing->named.size);
}

static void add(struct table *table, struct thing *thing)
{
    assert_int_equal(table_add(table, &thing->named), 0);
    thing->there = true;
}

static void remove_thing(struct table *table, struct thing *thing)
{
    table_remove(table, &thing->named);
    thing->there = false;
}

/* The table finds what the model holds and nothing else, and goes through each thing once. */
static void check(const struct table *table, struct thing *things, size_t count)
{
    size_t at = 0, there = 0, seen = 0;
    struct named *named;

    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(find(table, &things[i]), things[i].there ? &things[i] : NULL);
        things[i].seen = false;
        there += things[i].there;
    }
    while ((named = table_each(table, &at))) {
        struct thing *thing = (struct thing *)named;

        assert_true(thing->there && !thing->seen);
        thing->seen = true;
        seen++;
    }
    assert_int_equal(seen, there);
    assert_int_equal(table->count, there);
}

static void an_empty_table_finds_nothing(void **state)
{
    struct table table = {0};
    size_t at = 0;

    assert_null(table_find(&table, 1, "a", 1));
    assert_null(table_each(&table, &at));
    table_free(&table);
    table_free(&table);
}

static void the_same_hash_is_not_the_same_name(void **state)
{
    static const char *const names[] = {"room", "roon", "roo", "rooms", ""};
    struct table table = {0};
    struct thing things[5] = {0};

    for (size_t i = 0; i < 5; i++) {
        name_thing(&things[i], names[i], 7);
        check(&table, things, i + 1);
        add(&table, &things[i]);
        check(&table, things, i + 1);
    }
    assert_null(table_find(&table, 8, "room", 4));
    table_free(&table);
}

static void names_may_hold_any_byte(void **state)
{
    char name[4] = {'a', '\0', 'b', '\xFF'};
    struct named thing = {3, sizeof(name), name};
    struct table table = {0};

    assert_int_equal(table_add(&table, &thing), 0);
    assert_ptr_equal(table_find(&table, 3, "a\0b\xFF", 4), &thing);
    assert_null(table_find(&table, 3, "a\0c\xFF", 4));
    assert_null(table_find(&table, 3, "a", 1));
    table_free(&table);
}

/* The permutation of 0-4 with this number, of 120. */
static void permute(unsigned number, unsigned order[5])
{
    unsigned left[5] = {0, 1, 2, 3, 4};

    for (unsigned count = 5; count; number /= count--) {
        unsigned k = number % count;

        *order++ = left[k];
        memmove(&left[k], &left[k + 1], (count - 1 - k) * sizeof(left[0]));
    }
}

/* Runs of probes that go round the table's end, in every order of adding and removing. */
static void runs_of_probes_survive_removals(void **state)
{
    static const uint64_t hashes[5] = {62, 62, 63, 0, 62 + 64};
    unsigned adding[5], removing[5];

    for (unsigned number = 0; number < 120 * 120; number++) {
        struct thing things[5] = {0};
        struct table table = {0};

        permute(number / 120, adding);
        permute(number % 120, removing);
        for (unsigned i = 0; i < 5; i++) {
            struct thing *thing = &things[adding[i]];

            name_thing(thing, (char[]){(char)('a' + adding[i]), '\0'}, hashes[adding[i]]);
            add(&table, thing);
        }
        for (unsigned i = 0; i < 5; i++) {
            remove_thing(&table, &things[removing[i]]);
            for (unsigned k = 0; k < 5; k++)
                assert_ptr_equal(find(&table, &things[k]), things[k].there ? &things[k] : NULL);
        }
        table_free(&table);
    }
}

/* `crowd` different hashes only: the smaller, the longer the runs. */
static void random_operations(uint64_t seed, uint64_t crowd)
{
    enum { COUNT = 500 };
    struct thing *things = calloc(COUNT, sizeof(*things));
    struct table table = {0};
    struct rng rng = {seed};

    assert_non_null(things);
    for (unsigned i = 0; i < COUNT; i++) {
        char text[16];

        snprintf(text, sizeof(text), "g:%u", i);
        name_thing(&things[i], text, rng_below(&rng, crowd) * 0x4000000000000001u);
    }
    for (unsigned step = 0; step < 20000; step++) {
        /* It fills and empties by turns. */
        struct thing *thing = &things[rng_below(&rng, COUNT)];
        bool filling = step / 2500 % 2 == 0;

        if (!thing->there && (filling || rng_once_in(&rng, 8)))
            add(&table, thing);
        else if (thing->there && (!filling || rng_once_in(&rng, 8)))
            remove_thing(&table, thing);
        assert_ptr_equal(find(&table, thing), thing->there ? thing : NULL);
        if (step % 500 == 0)
            check(&table, things, COUNT);
        assert_true(!table.slots || table.count * 4 <= (table.mask + 1) * 3);
    }
    check(&table, things, COUNT);
    table_free(&table);
    free(things);
}

static void random_operations_match_a_model(void **state)
{
    random_operations(1, UINT64_C(1) << 32);
    random_operations(2, 100);
    random_operations(3, 3);
}

static void memory_follows_what_is_there(void **state)
{
    enum { COUNT = 20000 };
    struct thing *things = calloc(COUNT, sizeof(*things));
    struct table table = {0};

    assert_non_null(things);
    for (unsigned i = 0; i < COUNT; i++) {
        char text[16];

        snprintf(text, sizeof(text), "g:%u", i);
        name_thing(&things[i], text, group_name_hash(text, strlen(text), 1));
        add(&table, &things[i]);
    }
    check(&table, things, COUNT);
    assert_true(table.mask + 1 <= 4 * COUNT);
    for (unsigned i = 0; i < COUNT - 10; i++) {
        remove_thing(&table, &things[i]);
        assert_true(table.mask + 1 <= FEWEST_SLOTS || table.count * 8 >= (table.mask + 1) / 2);
    }
    assert_int_equal(table.mask + 1, FEWEST_SLOTS);
    check(&table, things, COUNT);
    for (unsigned i = COUNT - 10; i < COUNT; i++)
        remove_thing(&table, &things[i]);
    assert_int_equal(table.mask + 1, FEWEST_SLOTS);
    check(&table, things, COUNT);
    table_free(&table);
    free(things);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(the_same_hash_is_not_the_same_name),
        cmocka_unit_test(names_may_hold_any_byte),
        cmocka_unit_test(runs_of_probes_survive_removals),
        cmocka_unit_test(random_operations_match_a_model),
        cmocka_unit_test(memory_follows_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
