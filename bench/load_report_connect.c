#define _GNU_SOURCE
#include <stdio.h>

#include "bench/load_report.h"
#include "bench/load_text.h"

static double per(double value, uint64_t count)
{
    return count ? value / (double)count : 0;
}

static void print_connect(const struct run *run, const char *what,
                          const struct connect_result *connect)
{
    char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX];
    double rate = connect->seconds > 0 ? (double)connect->opened / connect->seconds : 0;

    printf("  %-12s%s in %.2f s: %s upgrades per second", what, text_count(a, connect->opened),
           connect->seconds, text_number(b, rate));
    if (run->options->pid)
        printf(", server CPU %s each, %s each resident",
               text_time(a, per((double)connect->server_cpu_ns, connect->opened)),
               text_bytes(c, per((double)connect->rss_after - (double)connect->rss_before,
                                 connect->opened)));
    printf("\n");
    if (connect->limited[0])
        printf("  generator-limited while connecting: %s\n", connect->limited);
}

/* Connections per second while they were made, first to last, in at most so many steps. */
#define STEPS 12

static void print_upgrades_over_time(const struct timeline *timeline)
{
    size_t first = 0, count = 0, step;
    char text[TEXT_MAX];

    while (first < timeline->count && timeline->rows[first].opened == 0)
        first++;
    while (first + count < timeline->count && timeline->rows[first + count].opened)
        count++;
    if (count < 2)
        return;
    step = (count + STEPS - 1) / STEPS;
    printf("  over time  ");
    for (size_t i = 0; i < count; i += step) {
        uint64_t opened = 0;
        double span = 0;

        for (size_t j = i; j < i + step && j < count; j++) {
            opened += timeline->rows[first + j].opened;
            span += timeline->rows[first + j].span;
        }
        printf(" %s", text_count(text, (uint64_t)((double)opened / span)));
    }
    printf(" upgrades per second\n");
}

static void print_broadcasts(const char *what, const struct broadcast *list, uint32_t count)
{
    char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX], d[TEXT_MAX];

    for (uint32_t i = 0; i < count; i++) {
        const struct broadcast *one = &list[i];

        printf("  %-12s%s had it after %s, half of them after %s, server CPU %s each\n", what,
               text_count(a, one->members), text_time(b, one->seconds * 1e9),
               text_time(c, (double)one->p50),
               text_time(d, per((double)one->server_cpu_ns, one->members)));
    }
}

static void print_connections(const struct run *run, const struct connect_result *connect)
{
    const struct connections *all = run->connections;
    double kernel = (double)memory_kernel(&all->after) - (double)memory_kernel(&all->before);
    double machine = (double)all->before.available - (double)all->after.available;
    char a[TEXT_MAX], b[TEXT_MAX];

    print_upgrades_over_time(&run->progress.timeline);
    printf("  memory      kernel %s each, both ends; the machine has %s less\n",
           text_bytes(a, per(kernel, connect->opened)), text_bytes(b, machine));
    print_broadcasts("to all", all->all, all->all_count);
    print_broadcasts("to crowd", all->crowd, all->crowd_count);
    if (all->forgotten_seconds >= 0)
        printf("  dropped     the engine knew of none any more after %s\n",
               text_time(a, all->forgotten_seconds * 1e9));
}

void report_connect(const struct run *run, const struct connect_result *connect)
{
    char text[TEXT_MAX];

    print_connect(run, "connected", connect);
    if (run->options->pid && connect->held_seconds > 0)
        printf("  idle        server CPU %s of a core\n",
               text_percent(text, (double)connect->held_cpu_ns / (connect->held_seconds * 1e9)));
    if (run->connections)
        print_connections(run, connect);
    for (uint32_t i = 0; i < run->again_count; i++)
        print_connect(run, "again", &run->again[i]);
}
