#define _GNU_SOURCE
#include "bench/load_judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/load_clock.h"

#define BALANCE_MAX_NS (15 * NS_PER_S)
#define BALANCE_US     50000
#define SLOW_QUIET_NS  (NS_PER_S / 2)
#define LAG_EXCUSED_NS 200000
#define HELD_UP_SHARE  0.05 /* of the time: more than this, and the server did not hold the rate */

void judge_slow(struct run *run, struct measurement *m)
{
    uint64_t since = monotonic_ns(), now;

    pool_release_slow(run->pool);
    do {
        usleep(BALANCE_US);
        run_progress(run, "waiting for the slow");
        pool_collect(run->pool, publisher_sequences(run->publisher),
                     publisher_sequence_everyone(run->publisher), &m->sum, NULL);
        now = monotonic_ns();
    } while (now - m->sum.slow.read_ns < SLOW_QUIET_NS && now - since < BALANCE_MAX_NS);
}

void judge_account(struct run *run, struct measurement *m)
{
    struct account *account = &m->account;
    uint64_t since = monotonic_ns();
    struct stats after;

    do {
        usleep(BALANCE_US);
        account->known = stats_get(&run->options->admin.in, &after) == 0;
        if (!account->known)
            return;
        account->stats = stats_between(&run->account.stats, &after);
        account->balanced =
            account->stats.routed == account->stats.deliveries + account->stats.drops;
    } while (!account->balanced && monotonic_ns() - since < BALANCE_MAX_NS);
}

void judge_measurement(struct measurement *m)
{
    struct faults *faults = &m->sum.faults;
    const struct publish_result *publish = &m->publish;
    uint64_t lost = m->expected > m->delivered ? m->expected - m->delivered : 0;
    double held_up = (double)(publish->blocked_ns + publish->windowed_ns) / 1e9;

    if (m->exact && lost > faults->lost)
        faults->lost = lost;
    m->behind = publish->due && (m->schedule.rate > 0 || m->schedule.recording) &&
                (publish->sent < publish->due || held_up > m->seconds * HELD_UP_SHARE);
    m->passed = faults_none(faults) && !publish->failed && m->refused == 0 && m->failed == 0 &&
                (!m->exact || m->delivered == m->expected) &&
                (!m->account.known || m->account.balanced);
    if (m->failed && m->sum.failure[0])
        fprintf(stderr, "shardcast-load: members could not join again: %s\n", m->sum.failure);
}

void judge_generator(struct measurement *m, const struct usage *usage)
{
    struct generator_load *generator = &m->generator;
    uint64_t lag = latency_percentile(&m->publish.lag, 99);
    uint64_t p99 = latency_percentile(&m->sum.latency, 99);
    size_t room = sizeof(generator->limited);

    generator->busiest = usage->busiest;
    generator->all = usage->all;
    generator->cores = usage->cores;
    generator->lag_p99 = lag;
    usage_explain(usage, generator->limited, room);
    if (generator->limited[0])
        return;
    if (m->publish.sent < m->publish.due && !m->behind)
        snprintf(generator->limited, room, "it did not keep the schedule");
    else if (lag > LAG_EXCUSED_NS && lag > p99 / 4)
        snprintf(generator->limited, room, "it sent late (p99 %" PRIu64 " us)", lag / 1000);
}

static void set_latency(struct figures *figures, const struct pool_sum *sum)
{
    static const enum figure by_priority[MIX_PRIORITIES] = {FIGURE_CRITICAL_P99, FIGURE_NORMAL_P99,
                                                            FIGURE_LOW_P99};
    static const struct {
        enum figure figure;
        double percentile;
    } percentiles[] = {{FIGURE_P50, 50}, {FIGURE_P90, 90}, {FIGURE_P99, 99}, {FIGURE_P999, 99.9}};
    const struct latency *latency = &sum->latency;

    if (latency->count == 0)
        return;
    for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
        figure_set(figures, percentiles[i].figure,
                   (double)latency_percentile(latency, percentiles[i].percentile));
    figure_set(figures, FIGURE_MAX, (double)latency->max);
    figure_set(figures, FIGURE_MEAN, (double)latency_mean(latency));
    for (int i = 0; i < MIX_PRIORITIES; i++)
        if (sum->priority[i].count)
            figure_set(figures, by_priority[i], (double)latency_percentile(&sum->priority[i], 99));
}

void judge_faults(const struct faults *faults, struct figures *figures)
{
    figure_set(figures, FIGURE_LOST, (double)faults->lost);
    figure_set(figures, FIGURE_REPEATED, (double)faults->repeated);
    figure_set(figures, FIGURE_REORDERED, (double)faults->reordered);
    figure_set(figures, FIGURE_MISDELIVERED, (double)faults->misdelivered);
    figure_set(figures, FIGURE_CORRUPTED, (double)faults->corrupted);
    figure_set(figures, FIGURE_UNEXPECTED, (double)faults->unexpected);
    figure_set(figures, FIGURE_CLOSED, (double)faults->closed);
    figure_set(figures, FIGURE_UNRECOVERED, (double)faults->unrecovered);
}

static void set_measured(struct figures *figures, const struct run *run,
                         const struct measurement *m)
{
    const struct faults *faults = &m->sum.faults;

    judge_faults(faults, figures);
    figure_set(figures, FIGURE_REFUSED, (double)m->refused);
    figure_set(figures, FIGURE_DELIVERED, (double)m->delivered);
    figure_set(figures, FIGURE_LIMITED, m->generator.limited[0] != 0);
    if (m->publish.due)
        figure_set(figures, FIGURE_UNSENT, (double)(m->publish.due - m->publish.sent));
    if (m->seconds > 0)
        figure_set(figures, FIGURE_RATE, (double)m->delivered / m->seconds);
    set_latency(figures, &m->sum);
    if (m->sum.churn.joins.count) {
        figure_set(figures, FIGURE_REJOINS, (double)m->sum.churn.left);
        figure_set(figures, FIGURE_REJOIN_P99, (double)latency_percentile(&m->sum.churn.joins, 99));
    }
    if (!run->options->pid)
        return;
    figure_set(figures, FIGURE_RSS, (double)m->server.rss);
    if (m->delivered)
        figure_set(figures, FIGURE_CPU, (double)m->server.cpu_ns / (double)m->delivered);
}

void judge_figures(const struct run *run, const struct connect_result *connect,
                   const struct measurement *m, struct figures *figures)
{
    *figures = (struct figures){0};
    if (connect && connect->opened) {
        if (connect->seconds > 0)
            figure_set(figures, FIGURE_UPGRADES, (double)connect->opened / connect->seconds);
        if (run->options->pid)
            figure_set(figures, FIGURE_RSS_EACH,
                       ((double)connect->rss_after - (double)connect->rss_before) /
                           (double)connect->opened);
    }
    if (run->connections && connect && connect->opened)
        figure_set(figures, FIGURE_KERNEL_EACH,
                   ((double)memory_kernel(&run->connections->after) -
                    (double)memory_kernel(&run->connections->before)) /
                       (double)connect->opened);
    if (m)
        set_measured(figures, run, m);
    timeline_growth(&run->progress.timeline, figures);
}
