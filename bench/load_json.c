#define _GNU_SOURCE
#include <jansson.h>
#include <stdio.h>

#include "bench/load_judge.h"
#include "bench/load_report.h"

static json_t *latency_json(const struct latency *latency)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)latency->count, "mean",
        (json_int_t)latency_mean(latency), "p50", (json_int_t)latency_percentile(latency, 50),
        "p90", (json_int_t)latency_percentile(latency, 90), "p99",
        (json_int_t)latency_percentile(latency, 99), "p999",
        (json_int_t)latency_percentile(latency, 99.9), "max", (json_int_t)latency->max);
}

static json_t *connect_json(const struct connect_result *connect)
{
    return json_pack("{s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:f, s:s}", "opened",
                     (json_int_t)connect->opened, "failed", (json_int_t)connect->failed, "seconds",
                     connect->seconds, "per_second",
                     connect->seconds > 0 ? (double)connect->opened / connect->seconds : 0.0,
                     "server_cpu_ns", (json_int_t)connect->server_cpu_ns, "rss_before",
                     (json_int_t)connect->rss_before, "rss_after", (json_int_t)connect->rss_after,
                     "generator_busy", connect->generator_busy, "limited", connect->limited);
}

static json_t *again_json(const struct run *run)
{
    json_t *root = json_array();

    for (uint32_t i = 0; i < run->again_count; i++)
        (void)json_array_append_new(root, connect_json(&run->again[i]));
    return root;
}

static json_t *broadcasts_json(const struct broadcast *list, uint32_t count)
{
    json_t *root = json_array();

    for (uint32_t i = 0; i < count; i++)
        (void)json_array_append_new(root, json_pack("{s:I, s:f, s:I, s:I, s:I}", "members",
                                                    (json_int_t)list[i].members, "seconds",
                                                    list[i].seconds, "p50", (json_int_t)list[i].p50,
                                                    "p99", (json_int_t)list[i].p99, "server_cpu_ns",
                                                    (json_int_t)list[i].server_cpu_ns));
    return root;
}

static json_t *connections_json(const struct connections *all)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:o, s:o}", "kernel_before",
                     (json_int_t)memory_kernel(&all->before), "kernel_after",
                     (json_int_t)memory_kernel(&all->after), "available_before",
                     (json_int_t)all->before.available, "available_after",
                     (json_int_t)all->after.available, "forgotten_seconds", all->forgotten_seconds,
                     "to_all", broadcasts_json(all->all, all->all_count), "to_crowd",
                     broadcasts_json(all->crowd, all->crowd_count));
}

static json_t *faults_json(const struct faults *faults)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "lost", (json_int_t)faults->lost,
                     "repeated", (json_int_t)faults->repeated, "reordered",
                     (json_int_t)faults->reordered, "misdelivered",
                     (json_int_t)faults->misdelivered, "corrupted", (json_int_t)faults->corrupted,
                     "unexpected", (json_int_t)faults->unexpected, "closed",
                     (json_int_t)faults->closed, "unrecovered", (json_int_t)faults->unrecovered);
}

static json_t *server_json(const struct measurement *m)
{
    return json_pack("{s:I, s:I, s:I, s:i}", "cpu_ns", (json_int_t)m->server.cpu_ns, "wait_ns",
                     (json_int_t)m->server.wait_ns, "rss", (json_int_t)m->server.rss, "threads",
                     (int)m->server.threads);
}

static json_t *generator_json(const struct generator_load *generator)
{
    return json_pack("{s:f, s:f, s:i, s:I, s:s}", "busiest", generator->busiest, "all",
                     generator->all, "cores", (int)generator->cores, "lag_p99",
                     (json_int_t)generator->lag_p99, "limited", generator->limited);
}

static json_t *priorities_json(const struct pool_sum *sum)
{
    json_t *root = json_object();

    for (int i = 0; i < MIX_PRIORITIES; i++)
        if (sum->priority[i].count)
            (void)json_object_set_new(root, mix_name((enum mix_priority)i),
                                      latency_json(&sum->priority[i]));
    return root;
}

static json_t *engine_json(const struct account *account)
{
    const struct stats *stats = &account->stats;
    json_t *root = json_pack("{s:I, s:I, s:b}", "routed", (json_int_t)stats->routed, "deliveries",
                             (json_int_t)stats->deliveries, "balanced", account->balanced);
    json_t *drops = json_object();

    for (int i = 0; i < STATS_DROPS; i++)
        (void)json_object_set_new(drops, stats_drop_name((enum stats_drop)i),
                                  json_integer((json_int_t)stats->dropped[i]));
    (void)json_object_set_new(root, "drops", drops);
    return root;
}

/* What only some runs have. */
static void set_others(json_t *root, const struct run *run, const struct measurement *m)
{
    const struct options *options = run->options;
    const struct pool_sum *sum = &m->sum;

    if (mix_on(&options->priorities))
        (void)json_object_set_new(root, "priorities_ns", priorities_json(sum));
    if (options->churn > 0)
        (void)json_object_set_new(root, "churn",
                                  json_pack("{s:I, s:I, s:o}", "left", (json_int_t)sum->churn.left,
                                            "failed", (json_int_t)m->failed, "join_ns",
                                            latency_json(&sum->churn.joins)));
    if (options->slow)
        (void)json_object_set_new(
            root, "slow",
            json_pack("{s:I, s:I, s:I, s:i}", "delivered", (json_int_t)sum->slow.delivered,
                      "left_out", (json_int_t)sum->slow.left_out, "cut", (json_int_t)sum->slow.cut,
                      "close_code", (int)sum->slow.close_code));
    if (m->account.known)
        (void)json_object_set_new(root, "engine", engine_json(&m->account));
}

static json_t *measurement_json(const struct run *run, const struct measurement *m)
{
    json_t *root = json_pack(
        "{s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:b, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "due",
        (json_int_t)m->publish.due, "sent", (json_int_t)m->publish.sent, "expected",
        (json_int_t)m->expected, "delivered", (json_int_t)m->delivered, "seconds", m->seconds,
        "per_second", m->seconds > 0 ? (double)m->delivered / m->seconds : 0.0, "behind", m->behind,
        "passed", m->passed, "refused", (json_int_t)m->refused, "blocked_ns",
        (json_int_t)m->publish.blocked_ns, "windowed_ns", (json_int_t)m->publish.windowed_ns,
        "latency_ns", latency_json(&m->sum.latency), "server", server_json(m), "generator",
        generator_json(&m->generator), "faults", faults_json(&m->sum.faults));

    set_others(root, run, m);
    return root;
}

/* Base units: counts, ns, bytes, shares of 1. */
static json_t *figures_json(const struct figures *figures)
{
    json_t *root = json_object();

    for (int i = 0; i < FIGURES; i++)
        if (figures->known[i])
            (void)json_object_set_new(root, figure_name((enum figure)i),
                                      json_real(figures->value[i]));
    return root;
}

static json_t *requirements_json(const struct requirements *require, const struct figures *figures)
{
    json_t *root = json_array();

    for (unsigned i = 0; i < require->count; i++) {
        const struct requirement *one = &require->list[i];

        (void)json_array_append_new(root, json_pack("{s:s, s:b, s:o}", "text", one->text, "holds",
                                                    requirement_holds(one, figures), "value",
                                                    figures->known[one->figure]
                                                        ? json_real(figures->value[one->figure])
                                                        : json_null()));
    }
    return root;
}

static json_t *timeline_json(const struct timeline *timeline)
{
    json_t *root = json_array();

    for (size_t i = 0; i < timeline->count; i++) {
        const struct timeline_row *row = &timeline->rows[i];

        (void)json_array_append_new(
            root, json_pack("{s:f, s:f, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                            "seconds", row->seconds, "span", row->span, "phase", row->phase, "open",
                            (json_int_t)row->open, "opened", (json_int_t)row->opened, "delivered",
                            (json_int_t)row->delivered, "lost", (json_int_t)row->lost, "wrong",
                            (json_int_t)row->wrong, "p50", (json_int_t)row->p50, "p99",
                            (json_int_t)row->p99, "rss", (json_int_t)row->rss, "fds",
                            (json_int_t)row->fds));
    }
    return root;
}

int report_json(const struct run *run, const struct connect_result *connect,
                const struct measurement *m)
{
    const struct options *options = run->options;
    struct figures figures;
    bool passed;
    json_t *root;
    int result;

    judge_figures(run, connect, m, &figures);
    passed = m->passed && requirements_hold(&options->require, &figures);
    root = json_pack("{s:s, s:i, s:i, s:i, s:s, s:f, s:i, s:I, s:b}", "scenario", run->scenario,
                     "members", (int)options->members, "groups", (int)run->groups->count, "payload",
                     (int)options->payload.max, "payload_sizes", options->payload.text, "rate",
                     options->rate, "burst", (int)options->burst, "window",
                     (json_int_t)options->window, "passed", passed);
    result = root ? 0 : -1;

    if (root && connect)
        result |= json_object_set_new(root, "connect", connect_json(connect));
    if (root && run->connections)
        result |= json_object_set_new(root, "connections", connections_json(run->connections));
    if (root && run->again_count)
        result |= json_object_set_new(root, "again", again_json(run));
    if (root && connect && connect->held_seconds > 0)
        result |= json_object_set_new(root, "idle",
                                      json_pack("{s:f, s:I}", "seconds", connect->held_seconds,
                                                "server_cpu_ns", (json_int_t)connect->held_cpu_ns));
    if (root) {
        result |= json_object_set_new(root, "measurement", measurement_json(run, m));
        result |= json_object_set_new(root, "figures", figures_json(&figures));
        result |= json_object_set_new(root, "requirements",
                                      requirements_json(&options->require, &figures));
        result |= json_object_set_new(root, "timeline", timeline_json(&run->progress.timeline));
    }
    if (result == 0)
        result = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(root);
    putchar('\n');
    return result;
}
