/* Scenarios `storm` and `idle`: what connecting costs, and what a connection costs that says
 * nothing. Both end with one message to everyone, which shows that all have joined. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_report.h"
#include "bench/load_scenario.h"

/* Holds the connections for a while; nothing is sent. */
static int hold(struct run *run, struct connect_result *connect)
{
    const struct options *options = run->options;
    struct server_sample before, after;
    uint64_t end = monotonic_ns() + (uint64_t)(options->seconds * 1e9);

    if (server_sample(options->pid, &before) < 0)
        return -1;
    while (monotonic_ns() < end) {
        run_progress(run, "holding");
        usleep(10000);
    }
    if (server_sample(options->pid, &after) < 0)
        return -1;
    connect->rss_after = after.rss;
    connect->held_seconds = options->seconds;
    connect->held_cpu_ns = after.cpu_ns - before.cpu_ns;
    return 0;
}

static int run_connections(const char *name, const struct options *options, bool holds)
{
    struct groups *groups = groups_new(options->prefix, options->groups, options->members);
    struct measurement *m = calloc(1, sizeof(*m));
    struct connect_result connect;
    struct schedule once;
    struct run run = {0};
    int status = 1;

    if (!groups || !m || run_open(&run, name, options, groups) < 0)
        goto end;
    if (!options->json)
        printf("%s: %u connections, %u handshakes at once\n", name, groups_members(groups),
               options->in_flight);
    if (run_connect(&run, &connect) < 0 || (holds && hold(&run, &connect) < 0) ||
        run_join(&run) < 0)
        goto end;
    once = run_schedule(&run);
    once.rate = 0;
    once.messages = groups->count;
    once.seconds = 60;
    if (run_measure(&run, &once, m) < 0)
        goto end;
    if (options->json) {
        (void)report_json(&run, &connect, m);
    } else {
        report_connect(&run, &connect);
        report_measurement(&run, m);
    }
    status = m->passed ? 0 : 1;
end:
    run_close(&run);
    groups_free(groups);
    free(m);
    return status;
}

static void storm_defaults(struct options *options)
{
    options->members = 15000;
    options->in_flight = 200;
}

static int storm_run(const struct options *options)
{
    return run_connections("storm", options, false);
}

const struct scenario scenario_storm = {
    .name = "storm",
    .summary = "connect as fast as possible",
    .defaults = storm_defaults,
    .run = storm_run,
};

static int idle_run(const struct options *options)
{
    return run_connections("idle", options, true);
}

const struct scenario scenario_idle = {
    .name = "idle",
    .summary = "hold connections that get nothing: memory and CPU of each",
    .defaults = storm_defaults,
    .run = idle_run,
};
