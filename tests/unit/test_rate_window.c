/* The rate window: against the plain rule over a list of every message that was taken.
 *
 * The rule: a message is taken if fewer than max_rate were taken in the second before it. With the
 * times of all that were taken at hand that is one look: whether the max_rate-th newest is a second
 * old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shards/rate_window.h"
#include "tests/unit/rng.h"

#define MS     1000000ull
#define SECOND (1000 * MS)
#define START  (1000 * SECOND + 1234567)

/* Of random time; fewer where every look at memory is checked. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEPS 80000u
#else
#define STEPS 400000u
#endif

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* A window beside the times of all that it took. */
struct trial {
    struct rate_window *window;
    uint64_t now;
    uint64_t *taken;
    size_t count, room;
    uint64_t refused;
};

static void trial_init(struct trial *trial)
{
    memset(trial, 0, sizeof(*trial));
    trial->now = START;
}

static void trial_free(struct trial *trial)
{
    rate_window_free(trial->window);
    free(trial->taken);
}

/* Offers a message, and notes it if it is taken. Returns the time until the next would be; 0: it
 * was taken. */
static uint64_t offer(struct trial *trial, uint32_t max_rate)
{
    uint64_t retry_ns = 0;
    int outcome = rate_window_take(&trial->window, max_rate, trial->now, &retry_ns);

    if (outcome == ERR_FULL) {
        assert_true(retry_ns > 0);
        trial->refused++;
        return retry_ns;
    }
    assert_int_equal(outcome, 0);
    if (trial->count == trial->room) {
        trial->room = trial->room ? trial->room * 2 : 1024;
        trial->taken = realloc(trial->taken, trial->room * sizeof(*trial->taken));
        assert_non_null(trial->taken);
    }
    trial->taken[trial->count++] = trial->now;
    return 0;
}

/* How long the plain rule refuses a message from now on; 0: it takes it. */
static uint64_t rule(const struct trial *trial, uint32_t max_rate)
{
    uint64_t limiting;

    if (trial->count < max_rate)
        return 0;
    limiting = trial->taken[trial->count - max_rate];
    return trial->now - limiting >= SECOND ? 0 : limiting + SECOND - trial->now;
}

/* Offers a message; the window says exactly what the rule says. */
static void check_exact(struct trial *trial, uint32_t max_rate)
{
    uint64_t expected = rule(trial, max_rate), retry_ns = offer(trial, max_rate);

    if (retry_ns != expected)
        fail_msg("limit %u at %llu ns: %llu, not %llu", max_rate,
                 (unsigned long long)(trial->now - START), (unsigned long long)retry_ns,
                 (unsigned long long)expected);
}

/* Offers a message; it is never taken against the rule, and refused at the most 10 ms, 1 % of a
 * second, longer than the rule says. */
static void check_close(struct trial *trial, uint32_t max_rate)
{
    uint64_t expected = rule(trial, max_rate), retry_ns = offer(trial, max_rate);

    if (retry_ns < expected || retry_ns > expected + SECOND / 100)
        fail_msg("limit %u at %llu ns: %llu, not %llu", max_rate,
                 (unsigned long long)(trial->now - START), (unsigned long long)retry_ns,
                 (unsigned long long)expected);
}

/* After a refusal: refused one ns before the time that was told, and taken at it. */
static void check_retry(struct trial *trial, uint32_t max_rate, uint64_t retry_ns)
{
    trial->now += retry_ns - 1;
    assert_int_equal(offer(trial, max_rate), 1);
    trial->now++;
    assert_int_equal(offer(trial, max_rate), 0);
}

/* A step of time: mostly a burst's, at times a pause, so that the limit is met by and by whatever
 * it is; and about a second now and then. */
static uint64_t step(struct rng *rng, uint32_t max_rate)
{
    if (rng_once_in(rng, max_rate + 16))
        return rng_below(rng, 1200 * MS);
    if (rng_once_in(rng, 8 * max_rate))
        return SECOND - 2 + rng_below(rng, 5);
    return rng_once_in(rng, 2) ? 0 : rng_below(rng, SECOND / max_rate);
}

static void a_burst_up_to_the_limit_is_taken(void **state)
{
    static const uint32_t limits[] = {1, 2, 3, 4, 5, 100, 9999, 10000};

    for (size_t i = 0; i < LENGTH(limits); i++) {
        struct trial trial;

        trial_init(&trial);
        for (uint32_t k = 0; k < limits[i]; k++)
            assert_int_equal(offer(&trial, limits[i]), 0);
        assert_true(offer(&trial, limits[i]) == SECOND);
        trial.now += SECOND - 1;
        assert_int_equal(offer(&trial, limits[i]), 1);
        trial.now++;
        for (uint32_t k = 0; k < limits[i]; k++)
            assert_int_equal(offer(&trial, limits[i]), 0);
        assert_true(offer(&trial, limits[i]) == SECOND);
        trial_free(&trial);
    }
}

static void exact_over_millions_of_random_steps(void **state)
{
    static const uint32_t limits[] = {1, 2, 7, 100, 1000, 10000};

    for (size_t i = 0; i < LENGTH(limits); i++) {
        struct rng rng = {i};
        struct trial trial;

        trial_init(&trial);
        for (unsigned k = 0; k < STEPS; k++) {
            check_exact(&trial, limits[i]);
            trial.now += step(&rng, limits[i]);
        }
        assert_in_range(trial.refused, 100, STEPS - 100);
        for (size_t k = limits[i]; k < trial.count; k++)
            assert_true(trial.taken[k] - trial.taken[k - limits[i]] >= SECOND);
        trial_free(&trial);
    }
}

static void the_time_until_the_next_is_true(void **state)
{
    static const uint32_t limits[] = {1, 3, 100, 10000, 10001, 100000};

    for (size_t i = 0; i < LENGTH(limits); i++) {
        struct rng rng = {i};
        struct trial trial;
        unsigned checked = 0;

        trial_init(&trial);
        for (unsigned k = 0; k < STEPS / 8 || (!checked && k < 1000000); k++) {
            uint64_t retry_ns = offer(&trial, limits[i]);

            if (retry_ns) {
                check_retry(&trial, limits[i], retry_ns);
                checked++;
            }
            trial.now += rng_below(&rng, SECOND / limits[i]);
        }
        assert_true(checked > 0);
        trial_free(&trial);
    }
}

static void above_the_exact_it_is_within_one_percent(void **state)
{
    static const uint32_t limits[] = {10001, 15000, 30000};

    for (size_t i = 0; i < LENGTH(limits); i++) {
        struct rng rng = {i};
        struct trial trial;

        trial_init(&trial);
        for (unsigned k = 0; k < STEPS; k++) {
            check_close(&trial, limits[i]);
            trial.now += step(&rng, limits[i]);
        }
        assert_in_range(trial.refused, 100, STEPS - 100);
        trial_free(&trial);
    }
}

/* More is offered than the limit, all the time: what passes is the limit. */
static void who_sends_without_a_pause_gets_the_limit(void **state)
{
    static const uint32_t limits[] = {1, 100, 10000, 10001, 50000};

    for (size_t i = 0; i < LENGTH(limits); i++) {
        struct trial trial;
        uint64_t pause = SECOND / limits[i] / 3 + 1, expected;

        trial_init(&trial);
        for (; trial.now < START + 5 * SECOND; trial.now += pause)
            offer(&trial, limits[i]);
        expected = 5ull * limits[i];
        assert_in_range(trial.count, expected - expected / 100, expected);
        trial_free(&trial);
    }
}

static void a_lowered_limit_counts_what_was_taken_before(void **state)
{
    struct trial trial;

    trial_init(&trial);
    for (unsigned i = 0; i < 100; i++, trial.now += MS)
        check_exact(&trial, 100);
    /* 90 of the 100 have to leave before one more is taken. */
    assert_int_equal(offer(&trial, 10), SECOND + 90 * MS - 100 * MS);
    check_retry(&trial, 10, SECOND + 90 * MS - 100 * MS);
    check_exact(&trial, 10);
    trial_free(&trial);
}

static void a_raised_limit_holds_at_once(void **state)
{
    struct trial trial;

    trial_init(&trial);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(offer(&trial, 10), 0);
    assert_true(offer(&trial, 10) == SECOND);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(offer(&trial, 20), 0);
    assert_true(offer(&trial, 20) == SECOND);
    trial_free(&trial);
}

static void limits_that_change_all_the_time(void **state)
{
    struct rng rng = {5};
    struct trial trial;
    uint32_t limit = 10;

    trial_init(&trial);
    for (unsigned i = 0; i < STEPS; i++) {
        if (rng_once_in(&rng, 2000))
            limit = 1 + (uint32_t)rng_below(&rng, rng_once_in(&rng, 2) ? 10000 : 50);
        check_exact(&trial, limit);
        trial.now += step(&rng, limit);
    }
    assert_in_range(trial.refused, 100, STEPS - 100);
    trial_free(&trial);
}

/* Across the limit up to which times are kept, too. */
static void a_change_of_the_limit_does_not_forget_the_last_second(void **state)
{
    struct trial trial;

    trial_init(&trial);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(offer(&trial, 10000), 0);
    for (unsigned i = 0; i < 2000; i++)
        check_close(&trial, 11000);
    assert_int_equal(trial.count, 11000);
    check_close(&trial, 10000); /* the newest are not a bucket's age old */
    check_close(&trial, 11000);
    assert_int_equal(trial.count, 11000);
    trial.now += 500 * MS;
    check_close(&trial, 10000);
    check_close(&trial, 5);
    check_close(&trial, 20000);
    assert_int_equal(trial.count, 11001);
    trial_free(&trial);
}

static void limits_that_change_between_exact_and_counted(void **state)
{
    struct rng rng = {6};
    struct trial trial;
    uint32_t limit = 9000;

    trial_init(&trial);
    for (unsigned i = 0; i < STEPS; i++) {
        if (rng_once_in(&rng, 5000))
            limit = 8000 + (uint32_t)rng_below(&rng, 4000);
        check_close(&trial, limit);
        trial.now += step(&rng, limit);
    }
    assert_in_range(trial.refused, 100, STEPS - 100);
    trial_free(&trial);
}

static void in_the_first_second_of_the_clock(void **state)
{
    static const uint32_t limits[] = {3, 20000};

    for (size_t i = 0; i < LENGTH(limits); i++) {
        struct trial trial;

        trial_init(&trial);
        trial.now = 10 * MS;
        for (uint32_t k = 0; k < limits[i]; k++)
            assert_int_equal(offer(&trial, limits[i]), 0);
        check_close(&trial, limits[i]);
        check_retry(&trial, limits[i], offer(&trial, limits[i]));
        trial_free(&trial);
    }
}

static void an_idle_window_can_be_freed(void **state)
{
    static const uint32_t limits[] = {5, 20000};

    for (size_t i = 0; i < LENGTH(limits); i++) {
        struct trial trial;

        trial_init(&trial);
        assert_int_equal(offer(&trial, limits[i]), 0);
        trial.now += 300 * MS;
        assert_int_equal(offer(&trial, limits[i]), 0);
        assert_false(rate_window_idle(trial.window, trial.now));
        assert_false(rate_window_idle(trial.window, trial.now + SECOND - 1));
        assert_true(rate_window_idle(trial.window, trial.now + SECOND + 1));
        assert_false(rate_window_idle(trial.window, trial.now - 1)); /* by an older clock */
        trial_free(&trial);
    }
    rate_window_free(NULL);
}

static void a_long_pause_forgets_everything(void **state)
{
    static const uint32_t limits[] = {100, 20000};
    static const uint64_t pauses[] = {SECOND + 5 * MS, 2 * SECOND, 100000 * SECOND};

    for (size_t i = 0; i < LENGTH(limits) * LENGTH(pauses); i++) {
        uint32_t limit = limits[i % LENGTH(limits)];
        struct trial trial;

        trial_init(&trial);
        for (uint32_t k = 0; k < limit; k++)
            assert_int_equal(offer(&trial, limit), 0);
        assert_true(offer(&trial, limit) > 0);
        trial.now += pauses[i / LENGTH(limits)];
        for (uint32_t k = 0; k < limit; k++)
            assert_int_equal(offer(&trial, limit), 0);
        assert_true(offer(&trial, limit) > 0);
        trial_free(&trial);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_up_to_the_limit_is_taken),
        cmocka_unit_test(exact_over_millions_of_random_steps),
        cmocka_unit_test(the_time_until_the_next_is_true),
        cmocka_unit_test(above_the_exact_it_is_within_one_percent),
        cmocka_unit_test(who_sends_without_a_pause_gets_the_limit),
        cmocka_unit_test(a_lowered_limit_counts_what_was_taken_before),
        cmocka_unit_test(a_raised_limit_holds_at_once),
        cmocka_unit_test(limits_that_change_all_the_time),
        cmocka_unit_test(a_change_of_the_limit_does_not_forget_the_last_second),
        cmocka_unit_test(limits_that_change_between_exact_and_counted),
        cmocka_unit_test(in_the_first_second_of_the_clock),
        cmocka_unit_test(an_idle_window_can_be_freed),
        cmocka_unit_test(a_long_pause_forgets_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
