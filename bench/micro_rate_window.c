/* What the rate limit costs a message: taken, at the limit's own pace, and refused; and as
 * something to compare it with, what reading the clock costs.
 *
 *     micro_rate_window [ROUNDS] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/micro.h"
#include "shards/rate_window.h"

#define SECOND 1000000000ull

struct state {
    struct rate_window *window;
    uint32_t max_rate;
    uint64_t now, step; /* ns */
};

static void offer(struct state *state, int expected)
{
    uint64_t retry_ns;

    if (rate_window_take(&state->window, state->max_rate, state->now, &retry_ns) != expected)
        micro_die("the window says something else than expected");
}

static void take(void *context, uint64_t times)
{
    struct state *state = context;

    for (; times; times--) {
        offer(state, 0);
        state->now += state->step;
    }
}

static void refuse(void *context, uint64_t times)
{
    for (; times; times--)
        offer(context, ERR_FULL);
}

static void read_clock(void *context, uint64_t times)
{
    for (; times; times--) {
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        micro_use(&time);
    }
}

int main(int argc, char **argv)
{
    static const uint32_t limits[] = {1, 100, 10000, 10001, 1000000};
    unsigned rounds = micro_rounds(argc, argv);
    struct micro_figure clock = micro_measure(read_clock, NULL, rounds);

    micro_print_machine(rounds, "ns per message");
    micro_print(clock, "reading the clock");
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct state state = {.max_rate = limits[i], .now = 1000 * SECOND};

        /* Just under the limit for the first figure; then the window is filled for the second. */
        state.step = SECOND / limits[i] + SECOND / limits[i] / 50 + 1;
        struct micro_figure taken = micro_measure(take, &state, rounds);
        for (uint64_t retry_ns; !rate_window_take(&state.window, limits[i], state.now, &retry_ns);)
            continue;
        micro_print(taken, "taken: %u a second", limits[i]);
        micro_print(micro_measure(refuse, &state, rounds), "refused: %u a second", limits[i]);
        rate_window_free(state.window);
    }
    return 0;
}
