/* bench/load_usage: when the generator is the limit, and how it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bench/load_clock.h"
#include "bench/load_usage.h"

static void assert_explained(struct usage usage, const char *part)
{
    char text[160];

    usage_explain(&usage, text, sizeof(text));
    if (!part)
        assert_string_equal(text, "");
    else
        assert_non_null(strstr(text, part));
}

static void test_who_is_not_busy_is_no_limit(void **state)
{
    assert_explained((struct usage){.busiest = 0.5, .wanted = 0.6, .all = 0.5, .idle = 0.3}, NULL);
    /* The machine is full, but by others. */
    assert_explained((struct usage){.busiest = 0.2, .wanted = 0.5, .all = 0.1, .idle = 0}, NULL);
}

static void test_each_limit_is_told(void **state)
{
    assert_explained((struct usage){.busiest = 0.95, .idle = 0.5}, "used 95 % of a core");
    assert_explained((struct usage){.busiest = 0.5, .all = 0.93, .idle = 0.5},
                     "93 % of the cores that it has");
    assert_explained((struct usage){.busiest = 0.5, .wanted = 0.99, .idle = 0.5},
                     "never idle: it ran, or waited for a core, 99 %");
    assert_explained((struct usage){.busiest = 0.5, .wanted = 0.7, .all = 0.4, .idle = 0.01},
                     "no core of the machine was idle, and it used 40 %");
}

static void test_a_thread_that_spins_is_seen(void **state)
{
    struct usage usage;
    uint64_t end;

    usage_begin(&usage);
    end = monotonic_ns() + 50 * NS_PER_MS;
    while (monotonic_ns() < end)
        ;
    usage_end(&usage, 0);
    assert_true(usage.wanted > 0.5);
    assert_true(usage.wanted >= usage.busiest);
    assert_true(usage.cores >= 1);
    assert_true(usage.idle >= 0 && usage.idle <= 1);
}

static void test_the_publishers_time_counts(void **state)
{
    struct usage usage;

    usage_begin(&usage);
    sleep_until_ns(monotonic_ns() + 10 * NS_PER_MS);
    usage_end(&usage, 60 * NS_PER_S);
    assert_true(usage.busiest > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_not_busy_is_no_limit),
        cmocka_unit_test(test_each_limit_is_told),
        cmocka_unit_test(test_a_thread_that_spins_is_seen),
        cmocka_unit_test(test_the_publishers_time_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
