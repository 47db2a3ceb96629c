/* Slots and generations: a name finds its thing while that is there, and never another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "shards/slot_table.h"
#include "tests/unit/rng.h"

static void an_empty_table_has_nothing(void **state)
{
    struct slot_table table;

    slot_table_init(&table);
    assert_int_equal(table.count, 0);
    assert_null(slot_table_get(&table, (struct slot_ref){0, 0}));
    assert_null(slot_table_get(&table, (struct slot_ref){0, 1}));
    assert_null(slot_table_get(&table, (struct slot_ref){NO_SLOT, 0}));
    slot_table_free(&table);
    slot_table_free(&table);
}

static void a_name_of_what_is_gone_finds_nothing(void **state)
{
    struct slot_ref first, second;
    struct slot_table table;
    int a, b;

    slot_table_init(&table);
    assert_int_equal(slot_table_add(&table, &a, &first), 0);
    assert_ptr_equal(slot_table_get(&table, first), &a);
    slot_table_remove(&table, first);
    assert_null(slot_table_get(&table, first));

    /* Its slot is used again, and the old name still finds nothing. */
    assert_int_equal(slot_table_add(&table, &b, &second), 0);
    assert_int_equal(second.slot, first.slot);
    assert_int_not_equal(second.generation, first.generation);
    assert_null(slot_table_get(&table, first));
    assert_ptr_equal(slot_table_get(&table, second), &b);
    assert_null(slot_table_get(&table, (struct slot_ref){NO_SLOT, second.generation}));
    assert_null(slot_table_get(&table, (struct slot_ref){table.room, 1}));
    slot_table_free(&table);
}

static void slots_are_used_again(void **state)
{
    struct slot_ref refs[64];
    struct slot_table table;
    int thing;

    slot_table_init(&table);
    for (unsigned round = 0; round < 1000; round++) {
        for (unsigned i = 0; i < 64; i++)
            assert_int_equal(slot_table_add(&table, &thing, &refs[i]), 0);
        assert_int_equal(table.count, 64);
        for (unsigned i = 0; i < 64; i++)
            slot_table_remove(&table, refs[(i * 29 + round) % 64]);
        assert_int_equal(table.count, 0);
    }
    assert_int_equal(table.room, 64);
    slot_table_free(&table);
}

static void random_operations_match_a_model(void **state)
{
    enum { COUNT = 1000 };
    static struct slot_ref refs[COUNT], gone[COUNT];
    static bool there[COUNT], was[COUNT];
    struct slot_table table;
    struct rng rng = {1};
    unsigned count = 0;

    slot_table_init(&table);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned i = (unsigned)rng_below(&rng, COUNT);

        if (there[i]) {
            slot_table_remove(&table, refs[i]);
            gone[i] = refs[i];
            was[i] = true;
            count--;
        } else {
            assert_int_equal(slot_table_add(&table, &refs[i], &refs[i]), 0);
            count++;
        }
        there[i] = !there[i];
        i = (unsigned)rng_below(&rng, COUNT);
        if (there[i])
            assert_ptr_equal(slot_table_get(&table, refs[i]), &refs[i]);
        if (was[i])
            assert_null(slot_table_get(&table, gone[i]));
        assert_int_equal(table.count, count);
    }
    assert_true(table.room <= 1024);
    slot_table_free(&table);
}

static void a_list_keeps_its_order(void **state)
{
    struct slot_list list = {0};

    for (uint32_t i = 0; i < 1000; i++)
        slot_list_add(&list, (struct slot_ref){i, i * 3});
    assert_int_equal(list.count, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(list.refs[i].slot, i);
        assert_int_equal(list.refs[i].generation, i * 3);
    }
    slot_list_free(&list);
    assert_int_equal(list.count, 0);
    slot_list_free(&list);
}

/* As whoever works through a list and puts some back does. */
static void a_list_that_is_taken_can_be_added_to(void **state)
{
    struct slot_list list = {0};

    for (uint32_t i = 0; i < 100; i++)
        slot_list_add(&list, (struct slot_ref){i, 1});
    struct slot_list taken = slot_list_take(&list);

    assert_int_equal(taken.count, 100);
    assert_int_equal(list.count, 0);
    for (uint32_t i = 0; i < taken.count; i++)
        if (i % 2)
            slot_list_add(&list, taken.refs[i]);
    slot_list_free(&taken);
    assert_int_equal(list.count, 50);
    assert_int_equal(list.refs[0].slot, 1);
    assert_int_equal(list.refs[49].slot, 99);
    slot_list_free(&list);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_has_nothing),
        cmocka_unit_test(a_name_of_what_is_gone_finds_nothing),
        cmocka_unit_test(slots_are_used_again),
        cmocka_unit_test(random_operations_match_a_model),
        cmocka_unit_test(a_list_keeps_its_order),
        cmocka_unit_test(a_list_that_is_taken_can_be_added_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
