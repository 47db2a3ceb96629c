#define _GNU_SOURCE
#include "bench/load_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *report_count(char text[NUMBER_MAX], uint64_t n)
{
    char digits[NUMBER_MAX];
    int size = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    char *out = text;

    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = 0;
    return text;
}

const char *report_time(char text[NUMBER_MAX], double ns)
{
    static const struct {
        double from, unit;
        const char *name;
    } units[] = {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {1e3, 1e3, "us"}, {0, 1, "ns"}};
    unsigned i = 0;
    double value;

    while (ns < units[i].from)
        i++;
    value = ns / units[i].unit;
    snprintf(text, NUMBER_MAX, "%.*f %s",
             value < 10 && i < 3    ? 2
             : value < 100 && i < 3 ? 1
                                    : 0,
             value, units[i].name);
    return text;
}

static double per(double value, uint64_t count)
{
    return count ? value / (double)count : 0;
}

void report_connect(const struct run *run, const struct connect_result *connect)
{
    char a[NUMBER_MAX], b[NUMBER_MAX];

    printf("  connected   %s in %.2f s: %.0f upgrades per second", report_count(a, connect->opened),
           connect->seconds, (double)connect->opened / connect->seconds);
    if (run->options->pid)
        printf(", server CPU %s each, %.2f KiB each resident",
               report_time(b, per((double)connect->server_cpu_ns, connect->opened)),
               per(((double)connect->rss_after - (double)connect->rss_before) / 1024,
                   connect->opened));
    printf("\n");
    if (run->options->pid && connect->held_seconds > 0)
        printf("  idle        server CPU %.3f %% of a core\n",
               100 * (double)connect->held_cpu_ns / (connect->held_seconds * 1e9));
    if (connect->generator_busy > 0.9)
        printf("  generator-limited while connecting: it used %.0f %% of the cores that it has\n",
               100 * connect->generator_busy);
}

static void print_latency(const struct latency *latency)
{
    char a[NUMBER_MAX], b[NUMBER_MAX], c[NUMBER_MAX], d[NUMBER_MAX];

    printf("  latency     p50 %s, p99 %s, p99.9 %s, max %s\n",
           report_time(a, (double)latency_percentile(latency, 50)),
           report_time(b, (double)latency_percentile(latency, 99)),
           report_time(c, (double)latency_percentile(latency, 99.9)),
           report_time(d, (double)latency->max));
}

static void print_faults(const struct run *run, const struct measurement *m)
{
    const struct faults *faults = &m->sum.tally.faults;

    printf("  verified    lost %" PRIu64 ", repeated %" PRIu64 ", reordered %" PRIu64
           ", misdelivered %" PRIu64 ", corrupted %" PRIu64 ", unexpected %" PRIu64 "\n",
           faults->lost, faults->repeated, faults->reordered, faults->misdelivered,
           faults->corrupted, faults->unexpected);
    if (faults->closed)
        printf("  closed      %" PRIu64 " connections by the server, code %u\n", faults->closed,
               m->sum.tally.close_code);
    if (faults->unrecovered)
        printf("  unrecovered %" PRIu64 " connections were not given what they had missed\n",
               faults->unrecovered);
    if (producer_refused(run->producer))
        printf("  refused     %" PRIu64 " messages: %s\n", producer_refused(run->producer),
               producer_error(run->producer));
}

void report_measurement(const struct run *run, const struct measurement *m)
{
    char a[NUMBER_MAX], b[NUMBER_MAX], c[NUMBER_MAX];
    double wall = m->seconds * 1e9;

    printf("  delivered   %s of %s in %.2f s: %s per second%s\n", report_count(a, m->delivered),
           report_count(b, m->expected), m->seconds,
           report_count(c, m->seconds > 0 ? (uint64_t)((double)m->delivered / m->seconds) : 0),
           m->behind ? "; the server did not hold the rate" : "");
    print_latency(&m->sum.tally.latency);
    if (run->options->pid)
        printf("  server      CPU %s per delivery, %.0f %% of a core (%.0f %% waiting for it), "
               "%.1f MiB resident, %u threads\n",
               report_time(a, per((double)m->server.cpu_ns, m->delivered)),
               100 * (double)m->server.cpu_ns / wall, 100 * (double)m->server.wait_ns / wall,
               (double)m->server.rss / 1048576, m->server.threads);
    printf("  generator   busiest thread %.0f %% of a core, all %.0f %% of %u, sent late by %s "
           "(p99)\n",
           100 * m->generator.busiest, 100 * m->generator.all, m->generator.cores,
           report_time(a, (double)m->generator.lag_p99));
    print_faults(run, m);
    if (m->generator.limited[0])
        printf("  generator-limited: %s\n", m->generator.limited);
    printf("  %s\n", m->passed ? "passed" : "FAILED");
}
