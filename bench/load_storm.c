/* Scenarios `storm` and `idle`: what connecting costs, and what a connection costs that says
 * nothing. Both end with one message to each group, which shows that all have joined. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "bench/load_report.h"
#include "bench/load_scenario.h"

/* All are dropped and come again, all at once, and again. */
static int connect_again(struct run *run, struct connect_result *waves, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        run_drop(run);
        if (run_connect(run, &waves[i]) < 0 || run_join(run, JOIN_BY_GROUPS) < 0)
            return -1;
        run->again = waves;
        run->again_count = i + 1;
    }
    return 0;
}

static int send_last(struct run *run, struct measurement *m)
{
    struct schedule once = run_schedule(run);

    once.rate = 0;
    once.messages = run->groups->count;
    once.seconds = 60;
    return run_measure(run, &once, m);
}

static int run_connections(const char *name, const struct options *options, bool holds)
{
    struct groups *groups = groups_new(options->prefix, options->groups, options->members);
    struct connect_result *waves = calloc(options->waves, sizeof(*waves));
    struct measurement *m = calloc(1, sizeof(*m));
    struct connect_result connect;
    struct run run = {0};
    int status = 1;

    if (!groups || !m || !waves || run_open(&run, name, options, groups) < 0)
        goto end;
    if (!options->json)
        printf("%s: %u connections, %u handshakes at once\n", name, groups_members(groups),
               options->in_flight);
    if (run_connect(&run, &connect) < 0 ||
        (holds && run_hold(&run, options->seconds, &connect) < 0) ||
        run_join(&run, JOIN_BY_GROUPS) < 0 || connect_again(&run, waves, options->waves - 1) < 0 ||
        send_last(&run, m) < 0)
        goto end;
    status = report_end(&run, &connect, m);
end:
    run_close(&run);
    groups_free(groups);
    free(waves);
    free(m);
    return status;
}

static void storm_defaults(struct options *options)
{
    options->members = 15000;
    options->waves = 2;
}

static int storm_run(const struct options *options)
{
    return run_connections("storm", options, false);
}

const struct scenario scenario_storm = {
    .name = "storm",
    .summary = "connect as fast as possible; drop all, and all again",
    .uses = USES_GROUPS | USES_WAVES,
    .defaults = storm_defaults,
    .run = storm_run,
};

static void idle_defaults(struct options *options)
{
    options->members = 15000;
}

static int idle_run(const struct options *options)
{
    return run_connections("idle", options, true);
}

const struct scenario scenario_idle = {
    .name = "idle",
    .summary = "hold connections that get nothing: memory and CPU of each",
    .uses = USES_GROUPS,
    .defaults = idle_defaults,
    .run = idle_run,
};
