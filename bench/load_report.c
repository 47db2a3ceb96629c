#define _GNU_SOURCE
#include "bench/load_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/load_judge.h"
#include "bench/load_plot.h"
#include "bench/load_text.h"

static double per(double value, uint64_t count)
{
    return count ? value / (double)count : 0;
}

void report_title(const struct run *run)
{
    const struct options *options = run->options;
    char rate[64] = "flat out", groups[TEXT_MAX], members[TEXT_MAX];

    if (options->rate > 0)
        snprintf(rate, sizeof(rate), "%g messages per second in bursts of %u", options->rate,
                 options->burst);
    printf("%s: %s group%s of %s member%s, %s bytes, %s\n", run->scenario,
           text_count(groups, run->groups->count), run->groups->count == 1 ? "" : "s",
           text_count(members, options->members), options->members == 1 ? "" : "s",
           options->payload.text, rate);
}

static void print_percentiles(const char *what, const struct latency *latency)
{
    char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX], d[TEXT_MAX];

    printf("  %-12sp50 %s, p99 %s, p99.9 %s, max %s\n", what,
           text_time(a, (double)latency_percentile(latency, 50)),
           text_time(b, (double)latency_percentile(latency, 99)),
           text_time(c, (double)latency_percentile(latency, 99.9)),
           text_time(d, (double)latency->max));
}

static void print_latency(const struct run *run, const struct pool_sum *sum)
{
    print_percentiles("latency", &sum->latency);
    if (!mix_on(&run->options->priorities))
        return;
    for (int i = 0; i < MIX_PRIORITIES; i++)
        if (sum->priority[i].count)
            print_percentiles(mix_name((enum mix_priority)i), &sum->priority[i]);
}

static void print_delivered(const struct measurement *m)
{
    char a[TEXT_MAX], b[TEXT_MAX] = "", c[TEXT_MAX];

    printf("  delivered   %s%s%s in %.2f s: %s per second%s\n", text_count(a, m->delivered),
           m->exact ? " of " : "", m->exact ? text_count(b, m->expected) : "", m->seconds,
           text_count(c, m->seconds > 0 ? (uint64_t)((double)m->delivered / m->seconds) : 0),
           m->behind ? "; the server did not hold the rate" : "");
}

/* Members that left, those that read slowly, and what the engine says of its drops. */
static void print_others(const struct run *run, const struct measurement *m)
{
    const struct pool_sum *sum = &m->sum;
    char a[TEXT_MAX], b[TEXT_MAX];

    if (run->options->churn > 0) {
        printf("  churn       %s members left and joined again\n", text_count(a, sum->churn.left));
        print_percentiles("joining", &sum->churn.joins);
    }
    if (run->options->slow) {
        printf("  slow        %s delivered, %s left out, %" PRIu64 " times cut off",
               text_count(a, sum->slow.delivered), text_count(b, sum->slow.left_out),
               sum->slow.cut);
        if (sum->slow.close_code)
            printf(" (code %u)", sum->slow.close_code);
        printf("\n");
    }
    if (m->account.known) {
        const struct stats *stats = &m->account.stats;

        printf("  engine      routed %s = delivered %s", text_count(a, stats->routed),
               text_count(b, stats->deliveries));
        for (int i = 0; i < STATS_DROPS; i++)
            if (stats->dropped[i])
                printf(" + %s %s", text_count(a, stats->dropped[i]),
                       stats_drop_name((enum stats_drop)i));
        printf("%s\n", m->account.balanced ? "" : ": DOES NOT BALANCE");
    }
}

static void print_faults(const struct run *run, const struct measurement *m)
{
    const struct faults *faults = &m->sum.faults;

    printf("  verified    lost %" PRIu64 ", repeated %" PRIu64 ", reordered %" PRIu64
           ", misdelivered %" PRIu64 ", corrupted %" PRIu64 ", unexpected %" PRIu64 "\n",
           faults->lost, faults->repeated, faults->reordered, faults->misdelivered,
           faults->corrupted, faults->unexpected);
    if (faults->closed)
        printf("  closed      %" PRIu64 " connections by the server, code %u\n", faults->closed,
               m->sum.close_code);
    if (faults->unrecovered)
        printf("  unrecovered %" PRIu64 " connections were not given what they had missed\n",
               faults->unrecovered);
    if (m->refused)
        printf("  refused     %" PRIu64 " messages: %s\n", m->refused,
               producer_error(run->producer));
    if (m->failed)
        printf("  failed      %" PRIu64 " members could not join again: %s\n", m->failed,
               m->sum.failure);
}

void report_measurement(const struct run *run, const struct measurement *m)
{
    char a[TEXT_MAX], b[TEXT_MAX];
    double wall = m->seconds * 1e9;

    print_delivered(m);
    print_latency(run, &m->sum);
    print_others(run, m);
    if (run->options->pid)
        printf("  server      CPU %s per delivery, %.0f %% of a core (%.0f %% waiting for it), "
               "%s resident, %u threads\n",
               text_time(a, per((double)m->server.cpu_ns, m->delivered)),
               100 * (double)m->server.cpu_ns / wall, 100 * (double)m->server.wait_ns / wall,
               text_bytes(b, (double)m->server.rss), m->server.threads);
    printf("  generator   busiest thread %.0f %% of a core, all %.0f %% of %u, sent late by %s "
           "(p99)\n",
           100 * m->generator.busiest, 100 * m->generator.all, m->generator.cores,
           text_time(a, (double)m->generator.lag_p99));
    print_faults(run, m);
    if (m->generator.limited[0])
        printf("  generator-limited: %s\n", m->generator.limited);
}

void report_requirements(const struct requirements *require, const struct figures *figures)
{
    char text[TEXT_MAX];

    for (unsigned i = 0; i < require->count; i++) {
        const struct requirement *one = &require->list[i];
        enum figure figure = one->figure;

        printf("  required    %s: %s, it is %s\n", one->text,
               requirement_holds(one, figures) ? "holds" : "DOES NOT HOLD",
               figures->known[figure] ? figure_format(text, figure, figures->value[figure])
                                      : "not measured in this run");
    }
}

/* Whether memory, files and latency stayed what they were, where the run was long enough to tell.
 */
static void report_growth(const struct figures *figures)
{
    static const struct {
        enum figure figure;
        const char *what;
    } growths[] = {{FIGURE_RSS_GROWTH, "resident memory"},
                   {FIGURE_FDS_GROWTH, "open files"},
                   {FIGURE_P99_GROWTH, "p99"}};
    const char *between = "  growth      ";
    char text[TEXT_MAX];

    for (size_t i = 0; i < sizeof(growths) / sizeof(growths[0]); i++) {
        enum figure figure = growths[i].figure;

        if (!figures->known[figure])
            continue;
        printf("%s%s %s%s", between, growths[i].what, figures->value[figure] > 0 ? "+" : "",
               figure_format(text, figure, figures->value[figure]));
        between = ", ";
    }
    if (between[0] == ',')
        printf(" (last quarter over the second)\n");
}

static int plot(const struct run *run)
{
    const struct options *options = run->options;
    unsigned parts =
        (mix_on(&options->priorities) ? PLOT_PRIORITIES : 0) | (options->pid ? PLOT_SERVER : 0);
    char title[160], members[TEXT_MAX];

    if (!options->plot)
        return 0;
    snprintf(title, sizeof(title), "shardcast-load %s: %s members in %u groups", run->scenario,
             text_count(members, groups_members(run->groups)), run->groups->count);
    return plot_draw(options->plot, title, parts, &run->progress.timeline);
}

int report_end(const struct run *run, const struct connect_result *connect,
               const struct measurement *m)
{
    struct figures figures;
    bool passed;

    judge_figures(run, connect, m, &figures);
    passed = m->passed && requirements_hold(&run->options->require, &figures);
    if (run->options->json) {
        if (report_json(run, connect, m) < 0)
            return 1;
    } else {
        report_connect(run, connect);
        report_measurement(run, m);
        report_growth(&figures);
        report_requirements(&run->options->require, &figures);
        printf("  %s\n", passed ? "passed" : "FAILED");
    }
    return plot(run) == 0 && passed ? 0 : 1;
}
