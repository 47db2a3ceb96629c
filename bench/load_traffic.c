/* Scenarios `fanout`, `groups`, `sessions`, `churn` and `mixed`: traffic to members of groups. They
 * are one, with defaults of their own. */
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
    if (run_connect(&run, &connect) < 0 || run_join(&run, JOIN_BY_GROUPS) < 0 ||
        warm_up(&run, m) < 0)
        goto end;
    schedule = run_schedule(&run);
    if (run_measure(&run, &schedule, m) < 0)
        goto end;
    if (!options->json)
        report_title(&run);
    status = report_end(&run, &connect, m);
end:
    run_close(&run);
    groups_free(groups);
    free(m);
    return status;
}

#define USES (USES_GROUPS | USES_RATE | USES_TRAFFIC)

static int fanout_run(const struct options *options)
{
    return run_traffic("fanout", options);
}

const struct scenario scenario_fanout = {
    .name = "fanout",
    .summary = "publish to the members of one group",
    .uses = USES,
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
    .uses = USES,
    .defaults = groups_defaults,
    .run = groups_run,
};

static void sessions_defaults(struct options *options)
{
    options->groups = 10000;
    options->members = 1;
    options->prefix = "session:load";
    options->rate = 10000;
    options->burst = 10;
}

static int sessions_run(const struct options *options)
{
    return run_traffic("sessions", options);
}

const struct scenario scenario_sessions = {
    .name = "sessions",
    .summary = "one member in each group, as sessions have it",
    .uses = USES,
    .defaults = sessions_defaults,
    .run = sessions_run,
};

static void churn_defaults(struct options *options)
{
    options->groups = 20;
    options->members = 50;
    options->rate = 1000;
    options->churn = 500;
    options->seconds = 10;
}

static int churn_run(const struct options *options)
{
    return run_traffic("churn", options);
}

const struct scenario scenario_churn = {
    .name = "churn",
    .summary = "members leave and join again while others are published to",
    .uses = USES,
    .defaults = churn_defaults,
    .run = churn_run,
};

static void mixed_defaults(struct options *options)
{
    options->groups = 6;
    options->members = 40;
    options->rate = 600;
    options->burst = 6;
    options->slow = 2;
    options->seconds = 20;
    (void)sizes_parse(&options->payload, "128:60,1024-4096:30,16384:10", STAMP_BYTES_MIN,
                      UINT32_MAX);
    (void)mix_parse(&options->priorities, "critical=5,normal=80,low=15");
}

static int mixed_run(const struct options *options)
{
    return run_traffic("mixed", options);
}

const struct scenario scenario_mixed = {
    .name = "mixed",
    .summary = "messages of all sizes and priorities, some members slow",
    .uses = USES,
    .defaults = mixed_defaults,
    .run = mixed_run,
};
