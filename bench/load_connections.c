/* Scenario `connections`: very many connections at once. They are made as fast as possible, held,
 * written to all at once and by one large group, dropped, and made again. */
#define _GNU_SOURCE
#include "bench/load_connections.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_report.h"
#include "bench/load_scenario.h"

#define OTHERS_MEMBERS  50 /* of each group besides the crowd */
#define BROADCAST_MAX_S 120
#define FORGET_MAX_NS   (120 * NS_PER_S)
#define FORGET_POLL_US  100000

/* The crowd is group 0. */
static struct groups *make_groups(const struct options *options)
{
    uint32_t crowd = options->crowd < options->members ? options->crowd : options->members;
    uint32_t left = options->members - crowd;
    struct groups *groups = groups_empty();
    char name[96];

    snprintf(name, sizeof(name), "%scrowd", options->prefix);
    if (!groups || groups_add(groups, name, crowd) < 0)
        goto fail;
    for (uint32_t i = 0; left > 0; i++) {
        uint32_t members = left < OTHERS_MEMBERS ? left : OTHERS_MEMBERS;

        snprintf(name, sizeof(name), "%s%u", options->prefix, i);
        if (groups_add(groups, name, members) < 0)
            goto fail;
        left -= members;
    }
    return groups;
fail:
    groups_free(groups);
    return NULL;
}

/* One message to everyone (groups 0) or to the crowd (groups 1). */
static int broadcast(struct run *run, uint32_t groups, struct measurement *m,
                     struct broadcast *result)
{
    struct schedule once = {
        .phase = PHASE_MEASURE, .messages = 1, .seconds = BROADCAST_MAX_S, .groups = groups};

    if (run_measure(run, &once, m) < 0)
        return -1;
    *result = (struct broadcast){.members = m->delivered,
                                 .seconds = m->seconds,
                                 .p50 = latency_percentile(&m->sum.latency, 50),
                                 .p99 = latency_percentile(&m->sum.latency, 99),
                                 .server_cpu_ns = m->server.cpu_ns};
    return m->passed ? 0 : 1;
}

/* Several of either kind. 1: one did not come as it should. */
static int broadcast_all(struct run *run, struct measurement *m, struct connections *result)
{
    uint32_t rounds = run->options->rounds;
    int status = 0;

    for (uint32_t i = 0; i < rounds && status == 0; i++) {
        status = broadcast(run, 0, m, &result->all[i]);
        result->all_count = i + 1;
    }
    for (uint32_t i = 0; i < rounds && status == 0; i++) {
        status = broadcast(run, 1, m, &result->crowd[i]);
        result->crowd_count = i + 1;
    }
    return status;
}

/* How long the engine takes until it has noticed that all are gone. */
static double wait_forgotten(struct run *run)
{
    uint64_t since = monotonic_ns();
    struct stats stats;

    do {
        if (stats_get(&run->options->admin.in, &stats) < 0)
            return -1;
        run_progress(run, "dropped");
        if (stats.connections == 0)
            return (double)(monotonic_ns() - since) / 1e9;
        usleep(FORGET_POLL_US);
    } while (monotonic_ns() - since < FORGET_MAX_NS);
    return -1;
}

static int connect_first(struct run *run, struct connections *result,
                         struct connect_result *connect)
{
    memory_sample(&result->before);
    if (run_connect(run, connect) < 0 || run_join(run, JOIN_BY_EVERYONE) < 0)
        return -1;
    memory_sample(&result->after);
    return run->options->seconds > 0 ? run_hold(run, run->options->seconds, connect) : 0;
}

static int connect_again(struct run *run, struct connections *result, struct connect_result *again)
{
    run_drop(run);
    result->forgotten_seconds = wait_forgotten(run);
    if (run_connect(run, again) < 0 || run_join(run, JOIN_BY_EVERYONE) < 0)
        return -1;
    run->again = again;
    run->again_count = 1;
    return 0;
}

static int connections_run(const struct options *options)
{
    struct connections *result = calloc(1, sizeof(*result));
    struct measurement *m = calloc(1, sizeof(*m));
    struct groups *groups = make_groups(options);
    struct connect_result connect, again;
    struct broadcast last;
    struct run run = {0};
    int status = -1;

    if (!result || !m || !groups || run_open(&run, "connections", options, groups) < 0)
        goto end;
    run.connections = result;
    if (connect_first(&run, result, &connect) < 0)
        goto end;
    status = broadcast_all(&run, m, result);
    if (status == 0)
        status = connect_again(&run, result, &again);
    if (status == 0)
        status = broadcast(&run, 0, m, &last);
    if (status < 0)
        goto end;
    if (!options->json)
        printf("connections: %u, of which %u in one group\n", options->members,
               groups_size(groups, 0));
    status = report_end(&run, &connect, m);
end:
    run_close(&run);
    groups_free(groups);
    free(result);
    free(m);
    return status == 0 ? 0 : 1;
}

static void connections_defaults(struct options *options)
{
    options->members = 300000;
    options->crowd = 100000;
    options->prefix = "many";
    options->seconds = 30;
    options->in_flight = 400;
}

const struct scenario scenario_connections = {
    .name = "connections",
    .summary = "very many connections: make, hold, write to all, drop, make again",
    .uses = USES_CROWD,
    .defaults = connections_defaults,
    .run = connections_run,
};
