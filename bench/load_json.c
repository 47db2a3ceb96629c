#define _GNU_SOURCE
#include <jansson.h>
#include <stdio.h>

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
    return json_pack(
        "{s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:f}", "opened", (json_int_t)connect->opened, "failed",
        (json_int_t)connect->failed, "seconds", connect->seconds, "per_second",
        connect->seconds > 0 ? (double)connect->opened / connect->seconds : 0.0, "server_cpu_ns",
        (json_int_t)connect->server_cpu_ns, "rss_before", (json_int_t)connect->rss_before,
        "rss_after", (json_int_t)connect->rss_after, "generator_busy", connect->generator_busy);
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

static json_t *measurement_json(const struct measurement *m)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:b, s:I, s:I, s:o, s:o, s:o, s:o}",
                     "due", (json_int_t)m->publish.due, "sent", (json_int_t)m->publish.sent,
                     "expected", (json_int_t)m->expected, "delivered", (json_int_t)m->delivered,
                     "seconds", m->seconds, "per_second",
                     m->seconds > 0 ? (double)m->delivered / m->seconds : 0.0, "behind", m->behind,
                     "passed", m->passed, "blocked_ns", (json_int_t)m->publish.blocked_ns,
                     "windowed_ns", (json_int_t)m->publish.windowed_ns, "latency_ns",
                     latency_json(&m->sum.tally.latency), "server", server_json(m), "generator",
                     generator_json(&m->generator), "faults", faults_json(&m->sum.tally.faults));
}

int report_json(const struct run *run, const struct connect_result *connect,
                const struct measurement *m)
{
    const struct options *options = run->options;
    json_t *root = json_pack("{s:s, s:i, s:i, s:i, s:f, s:i, s:I}", "scenario", run->scenario,
                             "members", (int)options->members, "groups", (int)run->groups->count,
                             "payload", (int)options->payload, "rate", options->rate, "burst",
                             (int)options->burst, "window", (json_int_t)options->window);
    int result = root ? 0 : -1;

    if (root && connect)
        result |= json_object_set_new(root, "connect", connect_json(connect));
    if (root && connect && connect->held_seconds > 0)
        result |= json_object_set_new(root, "idle",
                                      json_pack("{s:f, s:I}", "seconds", connect->held_seconds,
                                                "server_cpu_ns", (json_int_t)connect->held_cpu_ns));
    if (root && m)
        result |= json_object_set_new(root, "measurement", measurement_json(m));
    if (result == 0)
        result = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(root);
    putchar('\n');
    return result;
}
