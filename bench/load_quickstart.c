/* Scenario `quickstart`: the case that Shardcast exists for. An update that concerns 50 of 150
 * connections is sent to everyone, as without groups, and then to its group; then 1000 connections
 * in one group get everything. Prints one table for a person. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load_report.h"
#include "bench/load_scenario.h"
#include "bench/load_stats.h"
#include "bench/load_text.h"

#define DASHBOARD   "analytics_dashboard"
#define VIEWERS     50
#define EXPERIMENTS 10
#define SUBJECTS    10 /* connections of each experiment */
#define CROWD       1000
#define UPDATES     1000
#define P50_TO_BEAT 0.36 /* ms */

/* One way of sending the updates, and what came of it. */
struct way {
    struct measurement m;
    uint64_t engine_sent; /* by the engine's own count */
    uint64_t viewers;     /* messages that the dashboard's connections got */
    uint64_t subjects;    /* messages that the experiments' connections got */
};

static struct groups *make_groups(void)
{
    struct groups *groups = groups_empty();
    int failed = !groups || groups_add(groups, DASHBOARD, VIEWERS) < 0;
    char name[32];

    for (unsigned i = 1; !failed && i <= EXPERIMENTS; i++) {
        snprintf(name, sizeof(name), "experiment:%u", i);
        failed = groups_add(groups, name, SUBJECTS) < 0;
    }
    if (!failed)
        return groups;
    groups_free(groups);
    return NULL;
}

/* What both populations have got so far. */
static void populations(struct run *run, struct pool_sum *sum, uint64_t *viewers,
                        uint64_t *subjects)
{
    uint64_t received[1 + EXPERIMENTS];

    pool_collect(run->pool, publisher_sequences(run->publisher),
                 publisher_sequence_everyone(run->publisher), sum, received);
    *viewers = received[0];
    *subjects = 0;
    for (unsigned i = 1; i <= EXPERIMENTS; i++)
        *subjects += received[i];
}

static int send_updates(struct run *run, bool everyone, struct way *way)
{
    struct schedule schedule = run_schedule(run);
    const struct sockaddr_in *admin = &run->options->admin.in;
    uint64_t viewers, subjects;
    struct stats before, after;

    schedule.messages = UPDATES;
    schedule.seconds = UPDATES / schedule.rate + 1;
    schedule.groups = everyone ? 0 : 1;
    populations(run, &way->m.sum, &viewers, &subjects);
    if (stats_get(admin, &before) < 0 || run_measure(run, &schedule, &way->m) < 0 ||
        stats_get(admin, &after) < 0)
        return -1;
    way->engine_sent = after.deliveries - before.deliveries;
    populations(run, &way->m.sum, &way->viewers, &way->subjects);
    way->viewers -= viewers;
    way->subjects -= subjects;
    return 0;
}

static void row(const char *what, const char *everyone, const char *group)
{
    printf("  %-36s%16s%16s\n", what, everyone, group);
}

static void row_counts(const char *what, uint64_t everyone, uint64_t group)
{
    char a[TEXT_MAX], b[TEXT_MAX];

    row(what, text_count(a, everyone), text_count(b, group));
}

static void row_times(const char *what, double everyone, double group)
{
    char a[TEXT_MAX], b[TEXT_MAX];

    row(what, text_time(a, everyone), text_time(b, group));
}

static void row_seconds(const char *what, double everyone, double group)
{
    char a[TEXT_MAX], b[TEXT_MAX];

    snprintf(a, sizeof(a), "%.3f s", everyone);
    snprintf(b, sizeof(b), "%.3f s", group);
    row(what, a, b);
}

static void row_percent(const char *what, double everyone, double group)
{
    char a[TEXT_MAX], b[TEXT_MAX];

    snprintf(a, sizeof(a), "%.4g %%", everyone);
    snprintf(b, sizeof(b), "%.4g %%", group);
    row(what, a, b);
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_ways(const struct run *run, const struct way *all, const struct way *one)
{
    const struct latency *a = &all->m.sum.latency, *b = &one->m.sum.latency;
    double p50 = (double)latency_percentile(b, 50) / 1e6;

    printf("\n%d connections: %d in %s, %d over %d experiment groups.\n"
           "%d updates of %u bytes for the dashboard, %g per second, sent in two ways:\n\n",
           VIEWERS + EXPERIMENTS * SUBJECTS, VIEWERS, DASHBOARD, EXPERIMENTS * SUBJECTS,
           EXPERIMENTS, UPDATES, run->options->payload.max, run->options->rate);
    row("", "to everyone", "to its group");
    row_counts("messages sent by the engine", all->engine_sent, one->engine_sent);
    row_counts("received by the dashboard's 50", all->viewers, one->viewers);
    row_counts("received by the experiments' 100", all->subjects, one->subjects);
    row_counts("misdelivered", all->m.sum.faults.misdelivered,
               one->m.sum.faults.misdelivered + one->subjects);
    row_percent("delivery rate", share(all->m.delivered, all->m.expected),
                share(one->m.delivered, one->m.expected));
    row_seconds("time", all->m.seconds, one->m.seconds);
    if (run->options->pid)
        row_seconds("server CPU", (double)all->m.server.cpu_ns / 1e9,
                    (double)one->m.server.cpu_ns / 1e9);
    row_times("latency p50", (double)latency_percentile(a, 50), (double)latency_percentile(b, 50));
    row_times("latency p99", (double)latency_percentile(a, 99), (double)latency_percentile(b, 99));
    printf("\n  saved: %.1f %% of all messages\n", 100 - share(one->engine_sent, all->engine_sent));
    printf("  latency of the targeted way: p50 %.3f ms; the figure to beat is %.2f ms: %s\n", p50,
           P50_TO_BEAT, p50 < P50_TO_BEAT ? "beaten" : "not beaten");
}

/* What would make the table wrong: said, and failed for. */
static bool ways_hold(const struct way *all, const struct way *one)
{
    bool counted = all->engine_sent == all->m.expected && one->engine_sent == one->m.expected;

    if (!counted)
        fprintf(stderr, "shardcast-load: the engine's count of deliveries is not the members'\n");
    return all->m.passed && one->m.passed && one->subjects == 0 && counted;
}

static int two_ways(const struct options *options)
{
    struct way *all = calloc(1, sizeof(*all)), *one = calloc(1, sizeof(*one));
    struct groups *groups = make_groups();
    struct connect_result connect;
    struct run run = {0};
    int result = -1;

    if (!all || !one || !groups || run_open(&run, "quickstart", options, groups) < 0)
        goto end;
    if (run_connect(&run, &connect) < 0 || run_join(&run, JOIN_BY_GROUPS) < 0 ||
        send_updates(&run, true, all) < 0 || send_updates(&run, false, one) < 0)
        goto end;
    if (options->json) {
        (void)report_json(&run, &connect, &all->m);
        (void)report_json(&run, NULL, &one->m);
    } else {
        print_ways(&run, all, one);
    }
    result = ways_hold(all, one) ? 0 : -1;
end:
    run_close(&run);
    groups_free(groups);
    free(one);
    free(all);
    return result;
}

static int crowd(const struct options *options)
{
    struct measurement *m = calloc(1, sizeof(*m));
    struct groups *groups = groups_empty();
    char received[TEXT_MAX], expected[TEXT_MAX], p50[TEXT_MAX], p99[TEXT_MAX];
    struct connect_result connect;
    struct schedule schedule;
    struct run run = {0};
    int result = -1;

    if (!m || !groups || groups_add(groups, "everyone_together", CROWD) < 0 ||
        run_open(&run, "quickstart", options, groups) < 0)
        goto end;
    if (run_connect(&run, &connect) < 0 || run_join(&run, JOIN_BY_GROUPS) < 0)
        goto end;
    schedule = run_schedule(&run);
    schedule.messages = UPDATES;
    schedule.rate /= 2;
    schedule.seconds = UPDATES / schedule.rate + 5;
    if (run_measure(&run, &schedule, m) < 0)
        goto end;
    if (options->json)
        (void)report_json(&run, &connect, m);
    else
        printf("\n%d connections in one group, %d updates, %g per second:\n\n"
               "  received: %s of %s, %.4g %%, in %.2f s, latency p50 %s, p99 %s\n",
               CROWD, UPDATES, schedule.rate, text_count(received, m->delivered),
               text_count(expected, m->expected), share(m->delivered, m->expected), m->seconds,
               text_time(p50, (double)latency_percentile(&m->sum.latency, 50)),
               text_time(p99, (double)latency_percentile(&m->sum.latency, 99)));
    result = m->passed ? 0 : -1;
end:
    run_close(&run);
    groups_free(groups);
    free(m);
    return result;
}

static void defaults(struct options *options)
{
    options->rate = 1000;
    options->burst = 1;
    options->window = 0;
}

static int run_quickstart(const struct options *options)
{
    int ways, together;

    if (options->rate <= 0) {
        fprintf(stderr, "shardcast-load: --rate: the quick start needs one\n");
        return 2;
    }
    ways = two_ways(options);
    together = crowd(options);
    if (!options->json)
        printf("\n%s\n", ways == 0 && together == 0
                             ? "Every message arrived once, in order, and nowhere else."
                             : "FAILED: not every message arrived as it should.");
    return ways == 0 && together == 0 ? 0 : 1;
}

const struct scenario scenario_quickstart = {
    .name = "quickstart",
    .summary = "an update to everyone against the same to its group",
    .defaults = defaults,
    .run = run_quickstart,
};
