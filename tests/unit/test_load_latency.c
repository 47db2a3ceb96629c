/* bench/load_latency: percentiles are exact to 0.8 % over the whole range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bench/load_latency.h"

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct latency));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void test_empty(void **state)
{
    const struct latency *latency = *state;

    assert_int_equal(latency_percentile(latency, 50), 0);
    assert_int_equal(latency_mean(latency), 0);
}

static void test_one_value_is_every_percentile(void **state)
{
    struct latency *latency = *state;

    for (uint64_t ns = 1; ns < 1ull << LATENCY_BITS_MAX; ns = ns * 3 / 2 + 1) {
        latency_reset(latency);
        latency_add(latency, ns);
        assert_int_equal(latency_percentile(latency, 0), ns);
        assert_int_equal(latency_percentile(latency, 50), ns);
        assert_int_equal(latency_percentile(latency, 99.9), ns);
    }
}

static void test_percentiles_of_many(void **state)
{
    struct latency *latency = *state;
    static const double percentiles[] = {1, 10, 50, 90, 99, 99.9, 100};

    latency_reset(latency);
    for (uint64_t i = 1; i <= 100000; i++)
        latency_add(latency, i * 1000);
    for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
        double exact = percentiles[i] * 1e6;
        double got = (double)latency_percentile(latency, percentiles[i]);

        assert_true(got >= exact && got <= exact * 1.008);
    }
    assert_int_equal(latency_mean(latency), 50000500);
}

static void test_no_value_is_too_large(void **state)
{
    struct latency *latency = *state;

    latency_reset(latency);
    latency_add(latency, UINT64_MAX);
    latency_add(latency, 0);
    assert_int_equal(latency->max, UINT64_MAX);
    assert_int_equal(latency_percentile(latency, 50), 0);
    assert_true(latency_percentile(latency, 100) >= (1ull << LATENCY_BITS_MAX) - 1);
}

static void test_merged_is_as_if_counted_together(void **state)
{
    struct latency *latency = *state, *other = calloc(1, sizeof(*other));

    assert_non_null(other);
    latency_reset(latency);
    for (uint64_t i = 1; i <= 1000; i++)
        latency_add(i % 2 ? latency : other, i);
    latency_merge(latency, other);
    assert_int_equal(latency->count, 1000);
    assert_in_range(latency_percentile(latency, 50), 500, 504);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_one_value_is_every_percentile),
        cmocka_unit_test(test_percentiles_of_many),
        cmocka_unit_test(test_no_value_is_too_large),
        cmocka_unit_test(test_merged_is_as_if_counted_together),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
