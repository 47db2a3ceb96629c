/* The wheel of deadlines: everything is due at its tick, whatever happens meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shards/wheel.h"
#include "tests/unit/rng.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* Something with a deadline. */
struct item {
    struct wheel_entry entry; /* first */
    uint32_t due;             /* says the model; meaningless while it is not waiting */
    bool waiting;
    unsigned calls;
};

static void item_add(struct wheel *wheel, struct item *item, uint32_t ticks)
{
    wheel_add(wheel, &item->entry, ticks);
    item->due = wheel->now + (ticks ? ticks : 1);
    item->waiting = true;
}

static void item_remove(struct item *item)
{
    wheel_remove(&item->entry);
    item->waiting = false;
}

/* Called for what is due, which must be the model's opinion. */
static void on_due(void *context, struct wheel_entry *entry)
{
    const struct wheel *wheel = context;
    struct item *item = (struct item *)entry;

    assert_true(item->waiting);
    assert_int_equal(item->due, wheel->now);
    assert_null(entry->next);
    item->waiting = false;
    item->calls++;
}

static void tick(struct wheel *wheel, uint32_t ticks)
{
    while (ticks--)
        wheel_tick(wheel, on_due, wheel);
}

/* Entries of every distance, also of several rounds, are due at their tick and not before. */
static void check_distances(uint32_t start)
{
    enum { COUNT = 3 * WHEEL_SLOTS };
    struct item *items = calloc(COUNT, sizeof(*items));
    struct wheel wheel;

    assert_non_null(items);
    wheel_init(&wheel);
    wheel.now = start;
    for (uint32_t i = 0; i < COUNT; i++)
        item_add(&wheel, &items[i], i);
    assert_int_equal(items[0].due, items[1].due); /* at least one tick */
    for (uint32_t ticks = 1; ticks <= COUNT; ticks++) {
        tick(&wheel, 1);
        for (uint32_t i = 0; i < COUNT; i++)
            assert_int_equal(items[i].calls, i <= ticks);
    }
    free(items);
}

static void an_entry_is_due_at_its_tick(void **state)
{
    check_distances(0);
}

static void the_count_of_ticks_may_wrap(void **state)
{
    check_distances(UINT32_MAX - WHEEL_SLOTS - 100);
    check_distances(UINT32_MAX);
}

static void what_is_removed_is_not_due(void **state)
{
    struct item items[3] = {0};
    struct wheel wheel;

    wheel_init(&wheel);
    item_remove(&items[0]); /* was in no bucket */
    for (unsigned i = 0; i < 3; i++)
        item_add(&wheel, &items[i], 5);
    item_remove(&items[1]);
    item_remove(&items[1]);
    tick(&wheel, 2 * WHEEL_SLOTS);
    assert_int_equal(items[0].calls, 1);
    assert_int_equal(items[1].calls, 0);
    assert_int_equal(items[2].calls, 1);
}

static void what_is_moved_is_due_once(void **state)
{
    struct item sooner = {0}, later = {0}, same = {0};
    struct wheel wheel;

    wheel_init(&wheel);
    item_add(&wheel, &sooner, 2000);
    item_add(&wheel, &later, 3);
    item_add(&wheel, &same, 7);
    tick(&wheel, 2);
    item_add(&wheel, &sooner, 1);
    item_add(&wheel, &later, 1999);
    item_add(&wheel, &same, 5);
    tick(&wheel, 3000);
    assert_int_equal(sooner.calls, 1);
    assert_int_equal(later.calls, 1);
    assert_int_equal(same.calls, 1);
}

/* What the callback of the tests below does to others. */
struct script {
    struct wheel *wheel;
    struct item *items;
    void (*act)(struct script *script, struct item *item);
};

static void on_due_act(void *context, struct wheel_entry *entry)
{
    struct script *script = context;

    on_due(script->wheel, entry);
    script->act(script, (struct item *)entry);
}

static void add_again(struct script *script, struct item *item)
{
    item_add(script->wheel, item, WHEEL_SLOTS); /* lands in the bucket that is worked through */
}

static void a_callback_may_add_its_entry_again(void **state)
{
    struct item items[4] = {0};
    struct wheel wheel;
    struct script script = {&wheel, items, add_again};

    wheel_init(&wheel);
    for (unsigned i = 0; i < 4; i++)
        item_add(&wheel, &items[i], 1);
    for (unsigned round = 0; round < 3 * WHEEL_SLOTS; round++)
        wheel_tick(&wheel, on_due_act, &script);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(items[i].calls, 3);
}

static void remove_the_others(struct script *script, struct item *item)
{
    for (unsigned i = 0; i < 4; i++)
        if (&script->items[i] != item)
            item_remove(&script->items[i]);
}

static void a_callback_may_remove_what_is_due_as_well(void **state)
{
    struct item items[4] = {0};
    struct wheel wheel;
    struct script script = {&wheel, items, remove_the_others};
    unsigned calls = 0;

    wheel_init(&wheel);
    for (unsigned i = 0; i < 4; i++)
        item_add(&wheel, &items[i], 9);
    for (unsigned ticks = 0; ticks < WHEEL_SLOTS + 10; ticks++)
        wheel_tick(&wheel, on_due_act, &script);
    for (unsigned i = 0; i < 4; i++)
        calls += items[i].calls;
    assert_int_equal(calls, 1);
}

static void move_the_others(struct script *script, struct item *item)
{
    for (unsigned i = 0; i < 4; i++)
        if (&script->items[i] != item && script->items[i].waiting)
            item_add(script->wheel, &script->items[i], i == 3 ? WHEEL_SLOTS : 1);
}

static void a_callback_may_move_what_is_due_as_well(void **state)
{
    struct item items[4] = {0};
    struct wheel wheel;
    struct script script = {&wheel, items, move_the_others};

    wheel_init(&wheel);
    for (unsigned i = 0; i < 4; i++)
        item_add(&wheel, &items[i], 9);
    for (unsigned ticks = 0; ticks < 3 * WHEEL_SLOTS; ticks++)
        wheel_tick(&wheel, on_due_act, &script);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(items[i].calls, 1);
}

static void free_item(void *context, struct wheel_entry *entry)
{
    unsigned *freed = context;

    free(entry); /* a sanitizer sees it if the wheel looks at it again */
    ++*freed;
}

static void a_callback_may_free_its_entry(void **state)
{
    struct wheel wheel;
    unsigned freed = 0;

    wheel_init(&wheel);
    for (unsigned i = 0; i < 100; i++) {
        struct item *item = calloc(1, sizeof(*item));

        assert_non_null(item);
        wheel_add(&wheel, &item->entry, 1 + i / 50);
    }
    wheel_tick(&wheel, free_item, &freed);
    assert_int_equal(freed, 50);
    wheel_tick(&wheel, free_item, &freed);
    assert_int_equal(freed, 100);
}

#define ITEMS 300

struct random_script {
    struct wheel *wheel;
    struct item items[ITEMS];
    struct rng rng;
};

/* Adds, moves or removes some item. */
static void meddle(struct random_script *script)
{
    static const uint32_t edges[] = {
        0, 1, 2, WHEEL_SLOTS - 1, WHEEL_SLOTS, WHEEL_SLOTS + 1, 2 * WHEEL_SLOTS};
    struct item *item = &script->items[rng_below(&script->rng, ITEMS)];
    uint64_t choice = rng_below(&script->rng, 4);

    if (choice == 0)
        item_remove(item);
    else if (choice == 1)
        item_add(script->wheel, item, edges[rng_below(&script->rng, LENGTH(edges))]);
    else
        item_add(script->wheel, item, (uint32_t)rng_below(&script->rng, 50));
}

static void on_due_meddle(void *context, struct wheel_entry *entry)
{
    struct random_script *script = context;

    on_due(script->wheel, entry);
    for (uint64_t i = rng_below(&script->rng, 4); i; i--)
        meddle(script);
}

static void random_operations_match_a_model(void **state)
{
    struct random_script *script = calloc(1, sizeof(*script));
    struct wheel wheel;
    unsigned calls = 0;

    assert_non_null(script);
    wheel_init(&wheel);
    wheel.now = UINT32_MAX - 5000;
    script->wheel = &wheel;
    script->rng.state = 7;
    for (unsigned ticks = 0; ticks < 10000; ticks++) {
        for (uint64_t i = rng_below(&script->rng, 6); i; i--)
            meddle(script);
        wheel_tick(&wheel, on_due_meddle, script);
        for (unsigned i = 0; i < ITEMS; i++)
            assert_false(script->items[i].waiting && script->items[i].due == wheel.now);
    }
    for (unsigned i = 0; i < ITEMS; i++)
        calls += script->items[i].calls;
    assert_true(calls > 10000);
    free(script);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_due_at_its_tick),
        cmocka_unit_test(the_count_of_ticks_may_wrap),
        cmocka_unit_test(what_is_removed_is_not_due),
        cmocka_unit_test(what_is_moved_is_due_once),
        cmocka_unit_test(a_callback_may_add_its_entry_again),
        cmocka_unit_test(a_callback_may_remove_what_is_due_as_well),
        cmocka_unit_test(a_callback_may_move_what_is_due_as_well),
        cmocka_unit_test(a_callback_may_free_its_entry),
        cmocka_unit_test(random_operations_match_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
