/* bench/load_sizes and bench/load_mix: sizes and priorities as they were asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/load_mix.h"
#include "bench/load_sizes.h"

static void test_one_size(void **state)
{
    struct sizes sizes;
    uint64_t random = 1;

    assert_int_equal(sizes_parse(&sizes, "128", 32, 1000), 0);
    assert_true(sizes_fixed(&sizes));
    assert_int_equal(sizes_draw(&sizes, &random), 128);
}

static void test_weights_and_ranges(void **state)
{
    struct sizes sizes;
    uint64_t random = 1, small = 0, middle = 0, large = 0;

    assert_int_equal(sizes_parse(&sizes, "40:90,64-4096:9,60000", 32, 65536), 0);
    assert_false(sizes_fixed(&sizes));
    assert_int_equal(sizes.max, 60000);
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t size = sizes_draw(&sizes, &random);

        small += size == 40;
        middle += size >= 64 && size <= 4096;
        large += size == 60000;
    }
    assert_int_equal(small + middle + large, 100000);
    assert_in_range(small, 89000, 91000);
    assert_in_range(middle, 8500, 9500);
    assert_in_range(large, 800, 1200);
}

static void test_sizes_that_are_none(void **state)
{
    static const char *const wrong[] = {"",      "x",      "31",   "1001",   "100-50",  "100-",
                                        "100:0", "100:",   "100,", "100,,1", "-100",    " 100",
                                        "100 ",  "100:1x", "1e2",  "+100",   "100-2000"};
    struct sizes sizes;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(sizes_parse(&sizes, wrong[i], 32, 1000), -1);
}

/* The pattern has as many of each as was said, and mix_critical() counts what mix_priority_of()
 * says, for any group and number. */
static void test_priorities_follow_their_pattern(void **state)
{
    struct mix mix;

    assert_int_equal(mix_parse(&mix, "critical=5,normal=80,low=15"), 0);
    for (uint32_t group = 0; group < 250; group += 7) {
        uint64_t count[MIX_PRIORITIES] = {0};

        assert_int_equal(mix_critical(&mix, group, 0), 0);
        for (uint64_t number = 1; number <= 1000; number++) {
            count[mix_priority_of(&mix, group, number)]++;
            assert_int_equal(mix_critical(&mix, group, number), count[MIX_CRITICAL]);
        }
        assert_int_equal(count[MIX_CRITICAL], 50);
        assert_int_equal(count[MIX_NORMAL], 800);
        assert_int_equal(count[MIX_LOW], 150);
    }
}

static void test_priorities_that_are_none(void **state)
{
    static const char *const wrong[] = {
        "",       "high=1",      "critical",  "critical=", "low=0",
        "low=1,", "low=1,low=2", "normal=-1", "normal=1x", "low=600,normal=600"};
    struct mix mix;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(mix_parse(&mix, wrong[i]), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_size),
        cmocka_unit_test(test_weights_and_ranges),
        cmocka_unit_test(test_sizes_that_are_none),
        cmocka_unit_test(test_priorities_follow_their_pattern),
        cmocka_unit_test(test_priorities_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
