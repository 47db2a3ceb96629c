/* bench/load_require: what is required holds or does not, and what is none is refused with what is
 * allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bench/load_require.h"

/* Whether `text` holds for p99 = 4 ms, lost = 0, rate = 100,000, rss = 2 MiB, rss.growth = 1.5 %;
 * nothing else was measured. */
static bool holds(const char *text)
{
    struct requirements requirements = {0};
    struct figures figures = {0};
    char error[1024];

    figure_set(&figures, FIGURE_P99, 4e6);
    figure_set(&figures, FIGURE_LOST, 0);
    figure_set(&figures, FIGURE_RATE, 1e5);
    figure_set(&figures, FIGURE_RSS, 2097152);
    figure_set(&figures, FIGURE_RSS_GROWTH, 0.015);
    assert_int_equal(requirements_parse(&requirements, text, error, sizeof(error)), 0);
    return requirements_hold(&requirements, &figures);
}

static void assert_refused(const char *text, const char *why)
{
    struct requirements requirements = {0};
    char error[1024] = "";

    assert_int_equal(requirements_parse(&requirements, text, error, sizeof(error)), -1);
    if (!strstr(error, why))
        fail_msg("'%s' is refused with: %s", text, error);
}

static void test_every_operator(void **state)
{
    assert_true(holds("p99<5ms"));
    assert_false(holds("p99<4ms"));
    assert_true(holds("p99<=4ms"));
    assert_false(holds("p99>4ms"));
    assert_true(holds("p99>=4ms"));
    assert_true(holds("lost=0"));
    assert_true(holds("lost==0"));
    assert_false(holds("lost!=0"));
}

static void test_every_unit(void **state)
{
    assert_true(holds("p99=4000000ns,p99=4000us,p99=4000µs,p99=4ms,p99=0.004s"));
    assert_true(holds("rate=100000,rate=100k,rate=0.1M"));
    assert_true(holds("rss=2097152,rss=2097152B,rss=2048KiB,rss=2MiB,rss<1GiB"));
    assert_true(holds("rss.growth<2%,rss.growth>-1%"));
}

static void test_all_must_hold(void **state)
{
    assert_true(holds(" p99 < 5ms , lost = 0 "));
    assert_false(holds("p99<5ms,lost=1"));
    assert_false(holds("p99<1ms,lost=0"));
}

static void test_what_was_not_measured_holds_nothing(void **state)
{
    assert_false(holds("cpu<1s"));
    assert_false(holds("cpu>=0ns"));
    assert_false(holds("cpu!=7ns"));
}

static void test_what_is_none_is_refused(void **state)
{
    assert_refused("", "no such figure; allowed: lost, repeated");
    assert_refused("p98<5ms", "'p98<5ms': no such figure");
    assert_refused("p99<5ms,", "no such figure");
    assert_refused("p99", "no such operator; allowed: <, <=, >, >=, =, !=");
    assert_refused("p99!5ms", "no such operator");
    assert_refused("p99<", "no such value; allowed: a number with ns, us, ms or s");
    assert_refused("p99<5", "a number with ns, us, ms or s");
    assert_refused("p99<5m", "a number with ns");
    assert_refused("p99<<5ms", "no such value");
    assert_refused("lost=0ms", "no such value; allowed: a number, also with k or M");
    assert_refused("lost=none", "no such value");
    assert_refused("lost=nan", "no such value");
    assert_refused("lost=1e999", "no such value");
    assert_refused("rss<1GB", "KiB, MiB or GiB");
    assert_refused("rss.growth<0.1", "a number with %");
    assert_refused("lost=0000000000000000000000000000000000000000000000000000000000000000000000",
                   "too long");
}

static void test_more_than_there_is_room_for(void **state)
{
    struct requirements requirements = {0};
    char error[1024];

    for (unsigned i = 0; i < REQUIREMENTS_MAX; i++)
        assert_int_equal(requirements_parse(&requirements, "lost=0", error, sizeof(error)), 0);
    assert_int_equal(requirements_parse(&requirements, "lost=0", error, sizeof(error)), -1);
    assert_int_equal(requirements.count, REQUIREMENTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operator),
        cmocka_unit_test(test_every_unit),
        cmocka_unit_test(test_all_must_hold),
        cmocka_unit_test(test_what_was_not_measured_holds_nothing),
        cmocka_unit_test(test_what_is_none_is_refused),
        cmocka_unit_test(test_more_than_there_is_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
