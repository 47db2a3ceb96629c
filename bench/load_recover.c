/* Scenario `recover`: the network of very many Centrifuge clients restarts. While messages flow all
 * of them are cut, stay away for a while, connect again all at once, and ask for what they have
 * missed. Measured is how long it takes until all are current, and what 100 members of another
 * group, to whom nothing happened, see of it. */
#define _GNU_SOURCE
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_judge.h"
#include "bench/load_report.h"
#include "bench/load_scenario.h"
#include "bench/load_stats.h"

#define OTHERS         100
#define OTHERS_RATE    100  /* messages per second */
#define FLOW_SECONDS   3600 /* messages flow until they are stopped */
#define LOOK_US        1000
#define STATS_US       20000
#define CURRENT_MAX_NS (120 * NS_PER_S)
#define ARRIVE_MAX_NS  (10 * NS_PER_S)
#define AFTER_US       500000 /* messages flow on once all are current */

/* What the others saw during a part of the run. */
enum part { CALM, CUT, BACK, PARTS };
static const char *const part_names[PARTS] = {"calm", "cut", "back"};

struct recover {
    struct options client_options, other_options;
    struct groups *client_groups, *other_groups;
    struct run clients, others;
    uint64_t others_base; /* sequence of the others' last message before theirs flow */
    struct latency seen[PARTS];
    struct pool_tick tick;
    double cut_seconds;          /* until the server had noticed */
    double current_seconds;      /* from the first connect() until the last is current */
    struct server_sample server; /* CPU and waiting, meanwhile */
    uint64_t lag_p99;            /* ns: how late messages went out to the others */
    uint64_t flowed;             /* messages to the clients' groups */
    struct pool_sum sum, other_sum;
    bool passed;
};

static int open_runs(struct recover *recover, const struct options *options)
{
    recover->client_options = recover->other_options = *options;
    recover->client_options.recovers = true;
    recover->other_options.urgent = true;
    recover->other_options.protocols = (struct dialect_set){1, {&dialect_msgpack}};
    recover->other_options.threads = 1;
    recover->client_groups = groups_new(options->prefix, options->groups, options->members);
    recover->other_groups = groups_new("others", 1, OTHERS);
    if (!recover->client_groups || !recover->other_groups ||
        run_open(&recover->clients, "recover", &recover->client_options, recover->client_groups) <
            0 ||
        run_open(&recover->others, "recover", &recover->other_options, recover->other_groups) < 0)
        return -1;
    return 0;
}

static void close_runs(struct recover *recover)
{
    run_close(&recover->clients);
    run_close(&recover->others);
    groups_free(recover->client_groups);
    groups_free(recover->other_groups);
}

static void count_unpositioned(struct worker *worker, void *arg)
{
    uint32_t *count = arg;

    for (uint32_t i = 0; i < worker->member_count; i++)
        if (!worker->rules.seen[i].epoch[0])
            __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

static int join(struct recover *recover)
{
    struct connect_result connect;
    uint32_t unpositioned = 0;

    if (run_connect(&recover->others, &connect) < 0 ||
        run_join(&recover->others, JOIN_BY_GROUPS) < 0 ||
        run_connect(&recover->clients, &connect) < 0 ||
        run_join(&recover->clients, JOIN_BY_GROUPS) < 0)
        return -1;
    pool_each(recover->clients.pool, count_unpositioned, &unpositioned);
    if (!unpositioned)
        return 0;
    fprintf(stderr,
            "shardcast-load: the groups %s... keep no history: nothing can be recovered; configure "
            "one for their namespace\n",
            recover->client_options.prefix);
    return -1;
}

/* Messages flow to all groups until they are stopped. */
static int begin_flow(struct recover *recover)
{
    struct schedule flow = run_schedule(&recover->clients), others = run_schedule(&recover->others);

    flow.phase = PHASE_WARMUP; /* what was missed is late, and that is no latency */
    flow.window = others.window = 0;
    flow.seconds = others.seconds = FLOW_SECONDS;
    others.rate = OTHERS_RATE;
    others.burst = 1;
    recover->others_base = publisher_sequences(recover->others.publisher)[0];
    return publisher_begin(recover->clients.publisher, &flow) < 0 ||
                   publisher_begin(recover->others.publisher, &others) < 0
               ? -1
               : 0;
}

/* What the others have seen since the last reset, with all that has been sent to them by now. */
static void end_part(struct recover *recover, enum part part)
{
    struct pool *pool = recover->others.pool;
    uint64_t sent = recover->others_base + publisher_sent(recover->others.publisher);
    uint64_t deadline = monotonic_ns() + ARRIVE_MAX_NS;

    while (pool_progress(pool) < sent && monotonic_ns() < deadline)
        usleep(LOOK_US);
    pool_look(pool, &recover->tick);
    recover->seen[part] = pool->latency[MIX_NORMAL];
}

static void pass(struct recover *recover, const char *what, double seconds)
{
    uint64_t end = monotonic_ns() + (uint64_t)(seconds * 1e9);

    while (monotonic_ns() < end) {
        run_progress(&recover->clients, what);
        usleep(LOOK_US);
    }
}

/* All at once. That the server has noticed shows in its count of connections. */
static int cut(struct recover *recover)
{
    const struct options *options = &recover->client_options;
    uint64_t began, clients = groups_members(recover->client_groups);
    struct stats stats;
    uint64_t rest;

    if (stats_get(&options->admin.in, &stats) < 0)
        return -1;
    rest = stats.connections - clients;
    pool_reset_latency(recover->others.pool);
    began = monotonic_ns();
    pool_cut(recover->clients.pool);
    do {
        usleep(STATS_US);
        if (stats_get(&options->admin.in, &stats) < 0)
            return -1;
    } while (stats.connections > rest && monotonic_ns() - began < CURRENT_MAX_NS);
    recover->cut_seconds = (double)(monotonic_ns() - began) / 1e9;
    end_part(recover, CUT);
    return 0;
}

/* A member is open once it has been told that it is in, which comes with all that it missed. */
static int come_back(struct recover *recover)
{
    const struct options *options = &recover->client_options;
    struct pool *pool = recover->clients.pool;
    struct server_sample before, after;
    struct pool_count count;
    uint64_t began, now;

    pool_reset_latency(recover->others.pool);
    if (server_sample(options->pid, &before) < 0)
        return -1;
    began = monotonic_ns();
    pool_connect(pool, options->in_flight);
    do {
        usleep(LOOK_US);
        run_progress(&recover->clients, "recovering");
        count = pool_count(pool);
        now = monotonic_ns();
    } while (count.open + count.failed < pool->config.members && now - began < CURRENT_MAX_NS);
    recover->current_seconds = (double)(now - began) / 1e9;
    if (server_sample(options->pid, &after) < 0)
        return -1;
    recover->server = after;
    recover->server.cpu_ns -= before.cpu_ns;
    recover->server.wait_ns -= before.wait_ns;
    end_part(recover, BACK);
    return 0;
}

/* The last messages of all groups, and whether every member has had every message once. */
static void end_flow(struct recover *recover)
{
    struct run *runs[] = {&recover->clients, &recover->others};
    struct pool_sum *sums[] = {&recover->sum, &recover->other_sum};

    recover->passed = true;
    for (unsigned i = 0; i < 2; i++)
        publisher_stop(runs[i]->publisher);
    for (unsigned i = 0; i < 2; i++) {
        const struct publish_result *result = publisher_end(runs[i]->publisher);
        uint64_t deadline = monotonic_ns() + ARRIVE_MAX_NS;

        recover->passed &= !result->failed && producer_refused(runs[i]->producer) == 0;
        if (runs[i] == &recover->clients)
            recover->flowed = result->sent;
        else
            recover->lag_p99 = latency_percentile(&result->lag, 99);
        do {
            usleep(LOOK_US);
            pool_collect(runs[i]->pool, publisher_sequences(runs[i]->publisher), 0, sums[i], NULL);
        } while (sums[i]->behind && monotonic_ns() < deadline);
        recover->passed &= faults_none(&sums[i]->faults);
    }
}

static void judge(const struct recover *recover, struct figures *figures)
{
    const struct latency *seen = &recover->seen[BACK];
    struct faults faults = recover->sum.faults;

    faults_merge(&faults, &recover->other_sum.faults);
    *figures = (struct figures){0};
    judge_faults(&faults, figures);
    figure_set(figures, FIGURE_CURRENT, recover->current_seconds * 1e9);
    figure_set(figures, FIGURE_P50, (double)latency_percentile(seen, 50));
    figure_set(figures, FIGURE_P99, (double)latency_percentile(seen, 99));
    figure_set(figures, FIGURE_P999, (double)latency_percentile(seen, 99.9));
    figure_set(figures, FIGURE_MAX, (double)seen->max);
}

static void report(const struct recover *recover, const struct figures *figures)
{
    char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX];
    uint32_t clients = groups_members(recover->client_groups);

    printf("  cut         all at once; the server had noticed after %.2f s\n",
           recover->cut_seconds);
    printf("  current     all %s after %.2f s, with %s messages that they had missed\n",
           text_count(a, clients), recover->current_seconds, text_count(b, recover->sum.replayed));
    if (recover->client_options.pid)
        printf("  server      CPU %s each, %.0f %% of the time waiting for a core\n",
               text_time(a, (double)recover->server.cpu_ns / clients),
               100 * (double)recover->server.wait_ns / (recover->current_seconds * 1e9));
    for (int part = 0; part < PARTS; part++)
        printf("  others      %-4s p50 %s, p99 %s, max %s\n", part_names[part],
               text_time(a, (double)latency_percentile(&recover->seen[part], 50)),
               text_time(b, (double)latency_percentile(&recover->seen[part], 99)),
               text_time(c, (double)recover->seen[part].max));
    printf("  generator   sent late to the others by %s (p99)\n",
           text_time(a, (double)recover->lag_p99));
    printf("  verified   ");
    for (int i = FIGURE_LOST; i <= FIGURE_UNRECOVERED; i++)
        printf("%s %s %.0f", i == FIGURE_LOST ? "" : ",", figure_name((enum figure)i),
               figures->value[i]);
    printf("\n");
    if (producer_error(recover->clients.producer)[0])
        printf("  publishing  %s\n", producer_error(recover->clients.producer));
    report_requirements(&recover->client_options.require, figures);
    printf("  %s\n", recover->passed ? "passed" : "FAILED");
}

static json_t *latency_json(const struct latency *latency)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "count", (json_int_t)latency->count, "p50",
                     (json_int_t)latency_percentile(latency, 50), "p99",
                     (json_int_t)latency_percentile(latency, 99), "max", (json_int_t)latency->max);
}

static json_t *faults_json(const struct figures *figures)
{
    json_t *faults = json_object();

    for (int i = FIGURE_LOST; i <= FIGURE_UNRECOVERED; i++)
        (void)json_object_set_new(faults, figure_name((enum figure)i),
                                  json_integer((json_int_t)figures->value[i]));
    return faults;
}

static void report_as_json(const struct recover *recover, const struct figures *figures)
{
    json_t *root = json_pack(
        "{s:s, s:i, s:i, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o}", "scenario",
        "recover", "groups", (int)recover->client_groups->count, "clients",
        (int)groups_members(recover->client_groups), "flowed", (json_int_t)recover->flowed,
        "replayed", (json_int_t)recover->sum.replayed, "cut_seconds", recover->cut_seconds,
        "current_seconds", recover->current_seconds, "server_cpu_ns",
        (json_int_t)recover->server.cpu_ns, "server_wait_ns", (json_int_t)recover->server.wait_ns,
        "lag_p99", (json_int_t)recover->lag_p99, "passed", recover->passed, "faults",
        faults_json(figures), "calm", latency_json(&recover->seen[CALM]), "cut",
        latency_json(&recover->seen[CUT]), "back", latency_json(&recover->seen[BACK]));

    if (root)
        (void)json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(root);
    putchar('\n');
}

static int run_recover(struct recover *recover, const struct options *options)
{
    struct figures figures;

    if (open_runs(recover, options) < 0 || join(recover) < 0 || begin_flow(recover) < 0)
        return -1;
    pool_reset_latency(recover->others.pool);
    pass(recover, "calm", options->seconds);
    end_part(recover, CALM);
    if (cut(recover) < 0)
        return -1;
    pass(recover, "away", options->away - recover->cut_seconds);
    if (come_back(recover) < 0)
        return -1;
    usleep(AFTER_US);
    end_flow(recover);
    if (recover->sum.failure[0])
        fprintf(stderr, "shardcast-load: not all could come back: %s\n", recover->sum.failure);
    judge(recover, &figures);
    recover->passed &= requirements_hold(&options->require, &figures);
    if (options->json)
        report_as_json(recover, &figures);
    else
        report(recover, &figures);
    return 0;
}

static int run(const struct options *options)
{
    struct recover *recover;
    int status = 1;

    for (unsigned i = 0; i < options->protocols.count; i++) {
        if (options->protocols.dialects[i]->rejoin)
            continue;
        fprintf(stderr, "shardcast-load: --protocol %s: its members cannot recover\n",
                options->protocols.dialects[i]->name);
        return 2;
    }
    recover = calloc(1, sizeof(*recover));
    if (!recover)
        return 1;
    if (!options->json)
        printf("recover: %u groups of %u clients, %g messages per second, away for %g s\n",
               options->groups, options->members, options->rate, options->away);
    if (run_recover(recover, options) == 0 && recover->passed)
        status = 0;
    close_runs(recover);
    free(recover);
    return status;
}

static void defaults(struct options *options)
{
    options->protocols = (struct dialect_set){2, {&dialect_sdk_json, &dialect_sdk_protobuf}};
    options->groups = 10;
    options->members = 1000;
    options->rate = 50;
    options->seconds = 2;
    options->in_flight = 10000;
}

const struct scenario scenario_recover = {
    .name = "recover",
    .summary = "cut Centrifuge clients, and let them recover all at once",
    .uses = USES_GROUPS | USES_RATE | USES_AWAY,
    .defaults = defaults,
    .run = run,
};
