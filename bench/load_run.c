#define _GNU_SOURCE
#include "bench/load_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_usage.h"

#define CONNECT_MAX_S  120
#define JOIN_MAX_NS    (20 * NS_PER_S) /* nobody new has heard for so long */
#define STALL_MAX_NS   (5 * NS_PER_S)  /* nothing has come for so long: nothing will */
#define PROBE_WAIT_NS  (NS_PER_S / 5)
#define QUIET_US       100000 /* the server has done what it puts off */
#define EXTRA_US       20000  /* what comes too often comes soon */
#define FULL_SHARE     0.9    /* of a core: a thread that has no more to give */
#define LAG_EXCUSED_NS 200000

int run_open(struct run *run, const char *scenario, const struct options *options,
             const struct groups *groups)
{
    struct pool_config config = {.server = options->clients.in,
                                 .protocols = options->protocols,
                                 .host = options->clients.text,
                                 .groups = groups,
                                 .members = groups_members(groups),
                                 .threads = options->threads,
                                 .sources = options->sources,
                                 .payload = options->payload,
                                 .run = (uint16_t)getpid()};

    memset(run, 0, sizeof(*run));
    run->options = options;
    run->scenario = scenario;
    run->groups = groups;
    run->pool = pool_start(&config);
    return run->pool ? 0 : -1;
}

void run_close(struct run *run)
{
    publisher_free(run->publisher);
    producer_close(run->producer);
    pool_stop(run->pool);
}

void run_progress(struct run *run, const char *what)
{
    uint64_t now = monotonic_ns();
    double seconds = (double)(now - run->progress_ns) / 1e9;
    struct pool_count count;

    if (run->options->quiet || (run->progress_ns && seconds < 1))
        return;
    count = pool_count(run->pool);
    if (run->progress_ns) {
        bool terminal = isatty(STDERR_FILENO);

        fprintf(stderr, "%s%s: %s, %" PRIu64 " connected, %" PRIu64 " delivered, %.0f per second%s",
                terminal ? "\r\033[K" : "", run->scenario, what, count.open, count.delivered,
                (double)(count.delivered - run->progress_delivered) / seconds,
                terminal ? "\r" : "\n");
    }
    run->progress_ns = now;
    run->progress_delivered = count.delivered;
}

/* Ends the line that progress wrote over. */
static void progress_end(const struct run *run)
{
    if (!run->options->quiet && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static void explain_failure(struct run *run, const char *what)
{
    struct pool_sum *sum = calloc(1, sizeof(*sum));
    uint64_t *last = calloc(run->groups->count, sizeof(*last));

    progress_end(run);
    if (sum && last) {
        pool_collect(run->pool, last, 0, sum, NULL);
        fprintf(stderr, "shardcast-load: %s%s%s\n", what, sum->failure[0] ? ": " : "",
                sum->failure);
    }
    free(last);
    free(sum);
}

int run_connect(struct run *run, struct connect_result *result)
{
    uint64_t began, ended, members = groups_members(run->groups);
    struct server_sample before, after;
    struct usage usage;
    struct pool_count count;

    memset(result, 0, sizeof(*result));
    if (server_sample(run->options->pid, &before) < 0) {
        fprintf(stderr, "shardcast-load: --pid %d: no such process\n", (int)run->options->pid);
        return -1;
    }
    usage_begin(&usage, run->pool);
    began = monotonic_ns();
    pool_connect(run->pool, run->options->in_flight);
    do {
        count = pool_count(run->pool);
        ended = monotonic_ns();
        if (count.open + count.failed >= members || ended - began > CONNECT_MAX_S * NS_PER_S)
            break;
        run_progress(run, "connecting");
        usleep(500);
    } while (true);
    result->opened = count.open;
    result->failed = members - count.open;
    result->seconds = (double)(ended - began) / 1e9;
    usage_end(&usage, run->pool, 0);
    result->generator_busy = usage.all;
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

/* What no phase counts: messages that tell whether a member has joined. */
static int probe(struct run *run)
{
    struct schedule schedule = {.phase = PHASE_PROBE,
                                .messages = run->groups->count,
                                .seconds = (double)JOIN_MAX_NS / 1e9,
                                .groups = run->groups->count};

    if (publisher_begin(run->publisher, &schedule) < 0)
        return -1;
    return publisher_end(run->publisher)->failed ? -1 : 0;
}

/* Waits until every member has heard something, or nothing more comes: a slow server is not asked
 * again before it is through. Returns how many have. */
static uint64_t wait_heard(struct run *run)
{
    uint64_t members = groups_members(run->groups), delivered = 0;
    uint64_t changed = monotonic_ns(), now;
    struct pool_count count;

    do {
        usleep(1000);
        run_progress(run, "joining");
        count = pool_count(run->pool);
        now = monotonic_ns();
        if (count.delivered != delivered)
            changed = now;
        delivered = count.delivered;
    } while (count.heard < members && now - changed < PROBE_WAIT_NS);
    return count.heard;
}

/* Until every member has the last message of its group; -1: nothing more comes. */
static int wait_even(struct run *run)
{
    struct pool_sum *sum = malloc(sizeof(*sum));
    uint64_t delivered = 0, changed = monotonic_ns(), now = changed;

    while (sum && now - changed < STALL_MAX_NS) {
        pool_collect(run->pool, publisher_sequences(run->publisher),
                     publisher_sequence_everyone(run->publisher), sum, NULL);
        if (sum->behind == 0) {
            free(sum);
            return 0;
        }
        usleep(10000);
        now = monotonic_ns();
        if (sum->tally.delivered != delivered)
            changed = now;
        delivered = sum->tally.delivered;
    }
    free(sum);
    return -1;
}

/* What was sent to all before they joined is not theirs; from here on it is, from the first one. */
static void begin_streams(struct worker *worker, void *arg)
{
    const uint64_t *everyone = arg;

    for (uint32_t i = 0; i < worker->member_count; i++)
        worker->members[i].everyone = (struct stream){.next = *everyone + 1, .seen = UINT64_MAX};
}

int run_join(struct run *run)
{
    uint64_t members = groups_members(run->groups), everyone, heard = 0;
    uint64_t progressed = monotonic_ns();

    run->producer = producer_open(&run->options->producers.in, run->options->protocols.dialects[0],
                                  run->groups, run->options->payload);
    if (!run->producer)
        return -1;
    run->publisher = publisher_new(run->pool, run->producer);
    if (!run->publisher)
        return -1;
    while (heard < members && monotonic_ns() - progressed < JOIN_MAX_NS && probe(run) == 0) {
        uint64_t now_heard = wait_heard(run);

        if (now_heard > heard)
            progressed = monotonic_ns();
        heard = now_heard;
    }
    progress_end(run);
    if (producer_error(run->producer)[0]) {
        fprintf(stderr, "shardcast-load: publishing: %s\n", producer_error(run->producer));
        return -1;
    }
    if (heard < members) {
        fprintf(stderr,
                "shardcast-load: %" PRIu64 " of %" PRIu64
                " members have not joined: what was published did not reach them\n",
                members - heard, members);
        return -1;
    }
    if (wait_even(run) < 0) {
        fprintf(stderr, "shardcast-load: not all that was published reached the members\n");
        return -1;
    }
    everyone = publisher_sequence_everyone(run->publisher);
    pool_each(run->pool, begin_streams, &everyone);
    return 0;
}

/* How many deliveries a schedule's messages make. */
static uint64_t expected_deliveries(const struct groups *groups, const struct schedule *schedule,
                                    uint64_t sent)
{
    uint64_t expected = 0;

    if (schedule->groups == 0)
        return sent * groups_members(groups);
    for (uint32_t i = 0; i < schedule->groups; i++)
        expected += (sent / schedule->groups + (i < sent % schedule->groups)) *
                    groups_size(groups, schedule->first + i);
    return expected;
}

/* Waits for the deliveries that are still on their way; returns when the last one came. */
static uint64_t wait_delivered(struct run *run, uint64_t target)
{
    uint64_t delivered = 0, changed = monotonic_ns(), now = changed;

    while (now - changed < STALL_MAX_NS) {
        uint64_t count = pool_count(run->pool).delivered;

        now = monotonic_ns();
        if (count != delivered) {
            delivered = count;
            changed = now;
        }
        if (delivered >= target)
            break;
        run_progress(run, "waiting for the last");
        usleep(200);
    }
    return changed;
}

static void judge(struct run *run, struct measurement *m)
{
    struct faults *faults = &m->sum.tally.faults;
    uint64_t lost = m->expected > m->delivered ? m->expected - m->delivered : 0;

    if (lost > faults->lost)
        faults->lost = lost;
    m->behind = m->publish.due && m->schedule.rate > 0 &&
                (m->publish.sent < m->publish.due ||
                 m->publish.blocked_ns + m->publish.windowed_ns > (uint64_t)(m->seconds * 5e7));
    m->passed = faults_none(faults) && !m->publish.failed && m->delivered == m->expected &&
                producer_refused(run->producer) == 0;
}

/* Says why a figure is the generator's and not the server's, where it is. */
static void judge_generator(struct measurement *m, const struct usage *usage)
{
    struct generator_load *generator = &m->generator;
    uint64_t lag = latency_percentile(&m->publish.lag, 99);
    uint64_t p99 = latency_percentile(&m->sum.tally.latency, 99);
    size_t size = sizeof(generator->limited);

    generator->busiest = usage->busiest;
    generator->all = usage->all;
    generator->cores = usage->cores;
    generator->lag_p99 = lag;
    if (generator->busiest > FULL_SHARE)
        snprintf(generator->limited, size, "one of its threads used %.0f %% of a core",
                 100 * generator->busiest);
    else if (generator->all > FULL_SHARE)
        snprintf(generator->limited, size, "it used %.0f %% of the cores that it has",
                 100 * generator->all);
    else if (m->publish.sent < m->publish.due && !m->behind)
        snprintf(generator->limited, size, "it did not keep the schedule");
    else if (lag > LAG_EXCUSED_NS && lag > p99 / 4)
        snprintf(generator->limited, size, "it sent late (p99 %" PRIu64 " us)", lag / 1000);
}

int run_measure(struct run *run, const struct schedule *schedule, struct measurement *m)
{
    struct server_sample before, after;
    const struct publish_result *publish;
    struct usage usage;
    uint64_t delivered, ended;

    memset(m, 0, sizeof(*m));
    m->schedule = *schedule;
    pool_reset_latency(run->pool);
    delivered = pool_count(run->pool).delivered;
    if (server_sample(run->options->pid, &before) < 0)
        return -1;
    usage_begin(&usage, run->pool);
    if (publisher_begin(run->publisher, schedule) < 0)
        return -1;
    while (!publisher_done(run->publisher)) {
        run_progress(run, schedule->phase == PHASE_WARMUP ? "warming up" : "measuring");
        usleep(1000);
    }
    publish = publisher_end(run->publisher);
    m->publish = *publish;
    m->expected = expected_deliveries(run->groups, schedule, publish->sent);
    ended = wait_delivered(run, delivered + m->expected);
    usage_end(&usage, run->pool, publish->cpu_ns);
    if (server_sample(run->options->pid, &after) < 0)
        fprintf(stderr, "shardcast-load: the server has ended\n");
    m->server = after;
    m->server.cpu_ns = after.cpu_ns - before.cpu_ns;
    m->server.wait_ns = after.wait_ns - before.wait_ns;
    m->seconds = ended > publish->began_ns ? (double)(ended - publish->began_ns) / 1e9 : 0;
    usleep(EXTRA_US);
    pool_collect(run->pool, publisher_sequences(run->publisher),
                 publisher_sequence_everyone(run->publisher), &m->sum, NULL);
    m->delivered = pool_count(run->pool).delivered - delivered;
    progress_end(run);
    judge(run, m);
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
