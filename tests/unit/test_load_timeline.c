/* bench/load_timeline and bench/load_text: growth over a run, and numbers as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/load_text.h"
#include "bench/load_timeline.h"

static void add(struct timeline *timeline, uint64_t rss, uint64_t p99, uint64_t measured)
{
    struct timeline_row row = {.rss = rss, .p99 = p99, .measured = measured, .phase = ""};

    assert_int_equal(timeline_add(timeline, &row), 0);
}

static void test_growth_is_of_the_last_quarter_over_the_second(void **state)
{
    struct timeline timeline = {0};
    struct figures figures = {0};

    add(&timeline, 1, 0, 0); /* connecting: does not count */
    for (uint64_t i = 0; i < 400; i++)
        add(&timeline, i < 100 ? 500 : i < 300 ? 1000 : i == 350 ? 9999 : 1100, 2000, 1);
    timeline_growth(&timeline, &figures);
    assert_true(figures.known[FIGURE_RSS_GROWTH]);
    assert_true(figures.value[FIGURE_RSS_GROWTH] > 0.0999 &&
                figures.value[FIGURE_RSS_GROWTH] < 0.1001);
    assert_true(figures.known[FIGURE_P99_GROWTH]);
    assert_true(figures.value[FIGURE_P99_GROWTH] == 0);
    assert_false(figures.known[FIGURE_FDS_GROWTH]);
    timeline_free(&timeline);
}

static void test_a_short_run_tells_nothing_of_growth(void **state)
{
    struct timeline timeline = {0};
    struct figures figures = {0};

    for (uint64_t i = 0; i < 7; i++)
        add(&timeline, 1000, 2000, 1);
    timeline_growth(&timeline, &figures);
    assert_false(figures.known[FIGURE_RSS_GROWTH]);
    timeline_free(&timeline);
}

static void test_numbers(void **state)
{
    char text[TEXT_MAX];

    assert_string_equal(text_count(text, 0), "0");
    assert_string_equal(text_count(text, 999), "999");
    assert_string_equal(text_count(text, 1000), "1,000");
    assert_string_equal(text_count(text, 1234567), "1,234,567");
    assert_string_equal(text_count(text, UINT64_MAX), "18,446,744,073,709,551,615");
    assert_string_equal(text_number(text, 0.25), "0.25");
    assert_string_equal(text_number(text, 14.25), "14.2");
    assert_string_equal(text_number(text, 1234.5), "1,235");
    assert_string_equal(text_number(text, 7), "7");
    assert_string_equal(text_time(text, 812), "812 ns");
    assert_string_equal(text_time(text, 14200), "14.2 us");
    assert_string_equal(text_time(text, 3610000), "3.61 ms");
    assert_string_equal(text_time(text, 1.2e9), "1.20 s");
    assert_string_equal(text_bytes(text, 812), "812 B");
    assert_string_equal(text_bytes(text, 1495), "1.46 KiB");
    assert_string_equal(text_bytes(text, -2048), "-2.00 KiB");
    assert_string_equal(text_percent(text, 0.021), "2.10 %");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_is_of_the_last_quarter_over_the_second),
        cmocka_unit_test(test_a_short_run_tells_nothing_of_growth),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
