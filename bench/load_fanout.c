/* Scenarios `fanout` and `groups`: publish to members that only listen. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "bench/load_report.h"
#include "bench/load_scenario.h"

/* Not measured: caches, allocators and congestion windows find their size. */
static int warm_up(struct run *run, struct measurement *m)
{
    struct schedule schedule = run_schedule(run);

    if (run->options->warmup <= 0)
        return 0;
    schedule.phase = PHASE_WARMUP;
    schedule.seconds = run->options->warmup;
    return run_measure(run, &schedule, m);
}

static void report(const struct run *run, const struct connect_result *connect,
                   const struct measurement *m)
{
    const struct options *options = run->options;
    char rate[64] = "flat out", count[NUMBER_MAX], members[NUMBER_MAX];

    if (options->json) {
        (void)report_json(run, connect, m);
        return;
    }
    if (options->rate > 0)
        snprintf(rate, sizeof(rate), "%g messages per second in bursts of %u", options->rate,
                 options->burst);
    printf("%s: %s group%s of %s member%s, %zu bytes, %s\n", run->scenario,
           report_count(count, run->groups->count), run->groups->count == 1 ? "" : "s",
           report_count(members, options->members), options->members == 1 ? "" : "s",
           options->payload, rate);
    report_connect(run, connect);
    report_measurement(run, m);
}

static int run_traffic(const char *name, const struct options *options)
{
    struct groups *groups = groups_new(options->prefix, options->groups, options->members);
    struct measurement *m = calloc(1, sizeof(*m));
    struct connect_result connect;
    struct schedule schedule;
    struct run run = {0};
    int status = 1;

    if (!groups || !m || run_open(&run, name, options, groups) < 0)
        goto end;
    if (run_connect(&run, &connect) < 0 || run_join(&run) < 0 || warm_up(&run, m) < 0)
        goto end;
    schedule = run_schedule(&run);
    if (run_measure(&run, &schedule, m) < 0)
        goto end;
    report(&run, &connect, m);
    status = m->passed ? 0 : 1;
end:
    run_close(&run);
    groups_free(groups);
    free(m);
    return status;
}

static void fanout_defaults(struct options *options)
{
    options->members = 1000;
}

static int fanout_run(const struct options *options)
{
    return run_traffic("fanout", options);
}

const struct scenario scenario_fanout = {
    .name = "fanout",
    .summary = "publish to the members of one group",
    .defaults = fanout_defaults,
    .run = fanout_run,
};

static void groups_defaults(struct options *options)
{
    options->groups = 1000;
    options->members = 1;
    options->rate = 0;
    options->window = 20000;
}

static int groups_run(const struct options *options)
{
    return run_traffic("groups", options);
}

const struct scenario scenario_groups = {
    .name = "groups",
    .summary = "publish to many groups in turn",
    .defaults = groups_defaults,
    .run = groups_run,
};
