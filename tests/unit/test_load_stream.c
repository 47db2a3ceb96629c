/* bench/load_stream: each fault is reported as what it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/load_stream.h"

/* Takes the numbers of `text`, one digit each, and returns what went wrong. */
static struct faults take(struct stream *stream, const char *text)
{
    struct faults faults = {0};

    for (; *text; text++)
        stream_take(stream, &faults, (uint64_t)(*text - '0'));
    return faults;
}

static void test_in_order(void **state)
{
    struct stream stream = {0};
    struct faults faults = take(&stream, "123456789");

    assert_true(faults_none(&faults));
    assert_int_equal(stream_missing(&stream, 9), 0);
}

static void test_begins_with_the_first_message_that_it_gets(void **state)
{
    struct stream stream = {0};
    struct faults faults = take(&stream, "567");

    assert_true(faults_none(&faults));
    assert_int_equal(stream_missing(&stream, 7), 0);
}

static void test_a_gap_is_lost(void **state)
{
    struct stream stream = {0};
    struct faults faults = take(&stream, "1256");

    assert_int_equal(faults.lost, 2);
    assert_int_equal(faults.repeated + faults.reordered, 0);
}

static void test_what_comes_late_is_reordered_and_not_lost(void **state)
{
    struct stream stream = {0};
    struct faults faults = take(&stream, "124356");

    assert_int_equal(faults.reordered, 1);
    assert_int_equal(faults.lost, 0);
    assert_int_equal(faults.repeated, 0);
}

static void test_a_repeat(void **state)
{
    struct stream stream = {0};
    struct faults faults = take(&stream, "1233455");

    assert_int_equal(faults.repeated, 2);
    assert_int_equal(faults.lost + faults.reordered, 0);
}

static void test_a_late_one_that_comes_twice(void **state)
{
    struct stream stream = {0};
    struct faults faults = take(&stream, "13422");

    assert_int_equal(faults.reordered, 1);
    assert_int_equal(faults.repeated, 1);
    assert_int_equal(faults.lost, 0);
}

static void test_gaps_wider_than_the_window(void **state)
{
    struct stream stream = {0};
    struct faults faults = {0};

    stream_take(&stream, &faults, 1);
    stream_take(&stream, &faults, 64); /* the widest gap that leaves a mark of 1 */
    assert_int_equal(faults.lost, 62);
    stream_take(&stream, &faults, 1);
    assert_int_equal(faults.repeated, 1);
    stream_take(&stream, &faults, 2);
    assert_int_equal(faults.reordered, 1);
    stream_take(&stream, &faults, 1000);
    assert_int_equal(faults.lost, 61 + 935);
    stream_take(&stream, &faults, 64); /* too old to tell: a repeat */
    assert_int_equal(faults.repeated, 2);
}

static void test_the_end_that_never_came_is_missing(void **state)
{
    struct stream stream = {0};

    assert_int_equal(stream_missing(&stream, 5), 5);
    (void)take(&stream, "123");
    assert_int_equal(stream_missing(&stream, 5), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_begins_with_the_first_message_that_it_gets),
        cmocka_unit_test(test_a_gap_is_lost),
        cmocka_unit_test(test_what_comes_late_is_reordered_and_not_lost),
        cmocka_unit_test(test_a_repeat),
        cmocka_unit_test(test_a_late_one_that_comes_twice),
        cmocka_unit_test(test_gaps_wider_than_the_window),
        cmocka_unit_test(test_the_end_that_never_came_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
