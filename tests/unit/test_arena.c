/* Memory for the length of a call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/arena.h"

static void pieces_are_aligned_and_apart(void **state)
{
    struct arena arena;
    uint8_t *pieces[300];

    arena_begin(&arena);
    for (unsigned i = 0; i < 300; i++) {
        pieces[i] = arena_get(&arena, i, 3);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int)i, (size_t)3 * i);
    }
    for (unsigned i = 0; i < 300; i++) {
        for (unsigned k = 0; k < 3 * i; k++)
            assert_int_equal(pieces[i][k], i & 0xff);
    }
    assert_false(arena.failed);
    arena_end(&arena);
}

static void little_takes_nothing_from_the_heap(void **state)
{
    struct arena arena;

    arena_begin(&arena);
    for (unsigned i = 0; i < ARENA_STACK / 64; i++)
        assert_non_null(arena_get(&arena, 1, 64));
    assert_null(arena.blocks);
    assert_non_null(arena_get(&arena, 1, 1));
    assert_non_null(arena.blocks);
    arena_end(&arena);
}

static void running_out_sticks(void **state)
{
    struct arena arena;

    arena_begin(&arena);
    assert_non_null(arena_get(&arena, 1, 100));
    assert_null(arena_get(&arena, SIZE_MAX / 2, 3));
    assert_true(arena.failed);
    assert_null(arena_get(&arena, 1, 1));
    arena_end(&arena);

    arena_begin(&arena);
    assert_null(arena_get(&arena, 1, SIZE_MAX));
    arena_end(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(little_takes_nothing_from_the_heap),
        cmocka_unit_test(running_out_sticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
