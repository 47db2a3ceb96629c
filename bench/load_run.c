#define _GNU_SOURCE
#include "bench/load_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_judge.h"
#include "bench/load_usage.h"

#define CONNECT_STALL_S 30             /* nobody has connected for so long: nobody will */
#define STALL_MAX_NS    (5 * NS_PER_S) /* nothing has come for so long: nothing will */
#define REJOIN_MAX_NS   (10 * NS_PER_S)
#define TELLING_S       0.2 /* seconds of connecting: a shorter time tells nothing of its limit */
#define QUIET_US        100000 /* the server has done what it puts off */
#define EXTRA_US        20000  /* what comes too often comes soon */

/* Members ask for hello where what they must get depends on when they joined. */
static bool wants_hello(const struct options *options)
{
    return options->churn > 0 || options->slow > 0 || mix_on(&options->priorities);
}

int run_open_expecting(struct run *run, const char *scenario, const struct options *options,
                       struct expected *expected, const struct groups *groups)
{
    struct pool_config config = {.server = options->clients.in,
                                 .protocols = options->protocols,
                                 .recovers = options->recovers,
                                 .urgent = options->urgent,
                                 .host = options->clients.text,
                                 .groups = groups,
                                 .members = groups_members(groups),
                                 .slow = options->slow,
                                 .slow_rate = options->slow_rate,
                                 .hello = expected || wants_hello(options),
                                 .mix = mix_on(&options->priorities) ? &options->priorities : NULL,
                                 .expected = expected,
                                 .threads = options->threads,
                                 .sources = options->sources,
                                 .payload = options->payload.max,
                                 .run = (uint16_t)getpid()};

    memset(run, 0, sizeof(*run));
    run->options = options;
    run->scenario = scenario;
    run->expected = expected;
    run->groups = groups;
    run->pool = pool_start(&config);
    if (!run->pool)
        return -1;
    progress_begin(&run->progress, run->pool, scenario, options->pid, options->quiet);
    return 0;
}

int run_open(struct run *run, const char *scenario, const struct options *options,
             const struct groups *groups)
{
    return run_open_expecting(run, scenario, options, NULL, groups);
}

void run_close(struct run *run)
{
    publisher_free(run->publisher);
    (void)recorder_close(run->recorder);
    producer_close(run->producer);
    pool_stop(run->pool);
    progress_free(&run->progress);
}

static void explain_failure(struct run *run, const char *what)
{
    struct pool_sum *sum = calloc(1, sizeof(*sum));
    uint64_t *last = calloc(run->groups->count, sizeof(*last));

    progress_end(&run->progress);
    if (sum && last) {
        pool_collect(run->pool, last, 0, sum, NULL);
        fprintf(stderr, "shardcast-load: %s%s%s", what, sum->failure[0] ? ": " : "", sum->failure);
        if (sum->faults.closed)
            fprintf(stderr, "; %" PRIu64 " that were in have been closed again, code %u",
                    sum->faults.closed, sum->close_code);
        fputc('\n', stderr);
    }
    free(last);
    free(sum);
}

/* Until all connections were made, or have failed, or nothing changes any more. Returns when the
 * last was made. */
static uint64_t wait_connected(struct run *run, const struct pool_count *before)
{
    uint64_t members = groups_members(run->groups), made = 0, changed = monotonic_ns();

    while (monotonic_ns() - changed < CONNECT_STALL_S * NS_PER_S) {
        struct pool_count count = pool_count(run->pool);
        uint64_t opened = count.opened - before->opened;

        if (opened != made) {
            made = opened;
            changed = monotonic_ns();
        }
        if (opened + count.failed - before->failed >= members)
            break;
        run_progress(run, "connecting");
        usleep(500);
    }
    return changed;
}

int run_connect(struct run *run, struct connect_result *result)
{
    uint64_t began, ended, members = groups_members(run->groups);
    struct pool_count count = pool_count(run->pool);
    struct server_sample before, after;
    struct usage usage;

    memset(result, 0, sizeof(*result));
    if (server_sample(run->options->pid, &before) < 0) {
        fprintf(stderr, "shardcast-load: --pid %d: no such process\n", (int)run->options->pid);
        return -1;
    }
    usage_begin(&usage);
    began = monotonic_ns();
    pool_connect(run->pool, run->options->in_flight);
    ended = wait_connected(run, &count);
    usage_end(&usage, 0);
    result->opened = pool_count(run->pool).open;
    result->failed = members - result->opened;
    result->seconds = (double)(ended - began) / 1e9;
    result->generator_busy = usage.all;
    if (result->seconds >= TELLING_S)
        usage_explain(&usage, result->limited, sizeof(result->limited));
    usleep(QUIET_US);
    (void)server_sample(run->options->pid, &after);
    result->server_cpu_ns = after.cpu_ns - before.cpu_ns;
    result->rss_before = before.rss;
    result->rss_after = after.rss;
    if (result->failed == 0)
        return 0;
    explain_failure(run, "not all members could connect");
    return -1;
}

int run_hold(struct run *run, double seconds, struct connect_result *result)
{
    struct server_sample before, after;
    uint64_t end = monotonic_ns() + (uint64_t)(seconds * 1e9);

    if (server_sample(run->options->pid, &before) < 0)
        return -1;
    while (monotonic_ns() < end) {
        run_progress(run, "holding");
        usleep(10000);
    }
    if (server_sample(run->options->pid, &after) < 0)
        return -1;
    result->rss_after = after.rss;
    result->held_seconds = seconds;
    result->held_cpu_ns = after.cpu_ns - before.cpu_ns;
    return 0;
}

void run_drop(struct run *run)
{
    pool_drop(run->pool);
}

int run_wait_even(struct run *run, uint64_t *last_ns)
{
    struct pool_sum *sum = malloc(sizeof(*sum));
    uint64_t delivered = pool_count(run->pool).delivered, behind = 1, now;

    *last_ns = now = monotonic_ns();
    while (sum && behind && now - *last_ns < STALL_MAX_NS) {
        uint64_t count = pool_count(run->pool).delivered;

        pool_collect(run->pool, publisher_sequences(run->publisher),
                     publisher_sequence_everyone(run->publisher), sum, NULL);
        behind = sum->behind;
        now = monotonic_ns();
        *last_ns = count != delivered ? now : *last_ns;
        delivered = count;
        run_progress(run, "waiting for the last");
        if (behind)
            usleep(10000);
    }
    free(sum);
    return behind ? -1 : 0;
}

/* How many deliveries a schedule's messages make to members that keep up. */
static uint64_t due_deliveries(const struct run *run, const struct schedule *schedule,
                               uint64_t sent)
{
    const struct groups *groups = run->groups;
    uint64_t expected = 0, slow = run->options->slow;

    if (schedule->recording)
        return expected_deliveries(run->expected);
    if (schedule->groups == 0)
        return sent * (groups_members(groups) - slow * groups->count);
    for (uint32_t i = 0; i < schedule->groups; i++)
        expected += (sent / schedule->groups + (i < sent % schedule->groups)) *
                    (groups_size(groups, schedule->first + i) - slow);
    return expected;
}

/* Waits for the deliveries that are still on their way; returns when the last one came. Where
 * nobody knows how many there are, until every member has its group's last. */
static uint64_t wait_delivered(struct run *run, const struct measurement *m, uint64_t target)
{
    uint64_t delivered = 0, changed = monotonic_ns(), now = changed;

    if (!m->exact) {
        (void)run_wait_even(run, &changed);
        return changed;
    }
    while (delivered < target && now - changed < STALL_MAX_NS) {
        uint64_t count = pool_count(run->pool).delivered;

        now = monotonic_ns();
        if (count != delivered) {
            delivered = count;
            changed = now;
        }
        run_progress(run, "waiting for the last");
        usleep(200);
    }
    return changed;
}

/* Until those that left are back. */
static void end_churn(struct run *run)
{
    uint64_t since = monotonic_ns();

    pool_churn(run->pool, 0);
    while (pool_count(run->pool).open < groups_members(run->groups) &&
           monotonic_ns() - since < REJOIN_MAX_NS) {
        run_progress(run, "waiting for the last");
        usleep(1000);
    }
}

/* Publishes it all; what is measured is written down where that is wanted. */
static int publish(struct run *run, struct measurement *m)
{
    bool warmup = m->schedule.phase == PHASE_WARMUP;

    if (run->options->record && !warmup) {
        run->recorder = recorder_open(run->options->record);
        if (!run->recorder)
            return -1;
    }
    publisher_record(run->publisher, run->recorder);
    if (publisher_begin(run->publisher, &m->schedule) < 0)
        return -1;
    if (run->options->churn > 0)
        pool_churn(run->pool, run->options->churn);
    while (!publisher_done(run->publisher)) {
        run_progress(run, warmup ? "warming up" : "measuring");
        usleep(1000);
    }
    m->publish = *publisher_end(run->publisher);
    if (run->options->churn > 0)
        end_churn(run);
    publisher_record(run->publisher, NULL);
    if (recorder_close(run->recorder) < 0)
        m->publish.failed = true;
    run->recorder = NULL;
    return 0;
}

static void measure_server(struct run *run, const struct server_sample *before,
                           struct measurement *m)
{
    struct server_sample after;

    if (server_sample(run->options->pid, &after) < 0)
        fprintf(stderr, "shardcast-load: the server has ended\n");
    m->server = after;
    m->server.cpu_ns = after.cpu_ns - before->cpu_ns;
    m->server.wait_ns = after.wait_ns - before->wait_ns;
}

int run_measure(struct run *run, const struct schedule *schedule, struct measurement *m)
{
    struct server_sample before;
    struct usage usage;
    uint64_t delivered, failed, ended;

    memset(m, 0, sizeof(*m));
    m->schedule = *schedule;
    m->exact = run->options->churn <= 0;
    pool_reset_latency(run->pool);
    delivered = pool_count(run->pool).delivered;
    failed = pool_count(run->pool).failed;
    if (server_sample(run->options->pid, &before) < 0)
        return -1;
    usage_begin(&usage);
    if (publish(run, m) < 0)
        return -1;
    if (m->exact)
        m->expected = due_deliveries(run, schedule, m->publish.sent);
    ended = wait_delivered(run, m, delivered + m->expected);
    usage_end(&usage, m->publish.cpu_ns);
    measure_server(run, &before, m);
    m->seconds = ended > m->publish.began_ns ? (double)(ended - m->publish.began_ns) / 1e9 : 0;
    usleep(EXTRA_US);
    progress_look(&run->progress, "done");
    progress_end(&run->progress);
    if (run->options->slow && schedule->phase == PHASE_MEASURE)
        judge_slow(run, m);
    if (run->account.known && schedule->phase == PHASE_MEASURE)
        judge_account(run, m);
    pool_collect(run->pool, publisher_sequences(run->publisher),
                 publisher_sequence_everyone(run->publisher), &m->sum, NULL);
    m->delivered = pool_count(run->pool).delivered - delivered;
    m->failed = pool_count(run->pool).failed - failed;
    m->refused = producer_refused(run->producer);
    judge_measurement(m);
    judge_generator(m, &usage);
    if (producer_error(run->producer)[0])
        fprintf(stderr, "shardcast-load: publishing: %s\n", producer_error(run->producer));
    return 0;
}

struct schedule run_schedule(const struct run *run)
{
    const struct options *options = run->options;

    return (struct schedule){.phase = PHASE_MEASURE,
                             .rate = options->rate,
                             .burst = options->burst,
                             .window = options->window,
                             .seconds = options->seconds,
                             .groups = run->groups->count};
}
