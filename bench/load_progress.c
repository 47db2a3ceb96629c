#define _GNU_SOURCE
#include "bench/load_progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_server.h"
#include "bench/load_text.h"

#define LINE_BYTES    256
#define FILES_PAUSE   50 /* times as long as counting the server's files took */
#define COLUMNS_GUESS 80

void progress_begin(struct progress *progress, struct pool *pool, const char *scenario, pid_t pid,
                    bool quiet)
{
    struct server_sample sample;

    memset(progress, 0, sizeof(*progress));
    progress->pool = pool;
    progress->scenario = scenario;
    progress->pid = pid;
    progress->quiet = quiet;
    progress->terminal = isatty(STDERR_FILENO);
    progress->began_ns = progress->last_ns = monotonic_ns();
    progress->generator_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (pid && server_glance(pid, &sample) == 0)
        progress->server_cpu_ns = sample.cpu_ns;
}

void progress_free(struct progress *progress)
{
    timeline_free(&progress->timeline);
}

static void look_at_server(struct progress *progress, struct timeline_row *row, uint64_t now)
{
    struct server_sample sample;

    if (!progress->pid || server_glance(progress->pid, &sample) < 0)
        return;
    row->rss = sample.rss;
    row->server_cpu_ns = sample.cpu_ns - progress->server_cpu_ns;
    progress->server_cpu_ns = sample.cpu_ns;
    if (now >= progress->files_ns) {
        progress->files = server_files(progress->pid);
        progress->files_ns = now + FILES_PAUSE * (monotonic_ns() - now);
    }
    row->fds = progress->files;
}

static void look_at_latency(const struct pool_tick *tick, struct timeline_row *row)
{
    struct latency all = {0};

    for (int i = 0; i < MIX_PRIORITIES; i++) {
        row->priority_p99[i] = latency_percentile(&tick->latency[i], 99);
        latency_merge(&all, &tick->latency[i]);
    }
    row->measured = all.count;
    row->p50 = latency_percentile(&all, 50);
    row->p90 = latency_percentile(&all, 90);
    row->p99 = latency_percentile(&all, 99);
    row->p999 = latency_percentile(&all, 99.9);
    row->max = all.max;
}

static void fill_row(struct progress *progress, struct timeline_row *row, uint64_t now)
{
    struct pool_count count = pool_count(progress->pool);
    const struct faults *faults = &progress->tick.faults;
    uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

    row->seconds = (double)(now - progress->began_ns) / 1e9;
    row->span = (double)(now - progress->last_ns) / 1e9;
    row->open = count.open;
    row->opened = count.opened - progress->count.opened;
    row->delivered = count.delivered - progress->count.delivered;
    row->bytes = progress->tick.bytes - progress->bytes;
    row->lost = faults->lost;
    row->wrong = faults->repeated + faults->reordered + faults->misdelivered + faults->corrupted +
                 faults->unexpected + faults->closed;
    row->generator_cpu_ns = cpu - progress->generator_cpu_ns;
    look_at_latency(&progress->tick, row);
    progress->count = count;
    progress->bytes = progress->tick.bytes;
    progress->generator_cpu_ns = cpu;
}

/* What matters comes first: on a narrow terminal the end is cut. */
static void print_line(const struct progress *progress, const struct timeline_row *row)
{
    char line[LINE_BYTES], a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX];
    struct winsize window = {.ws_col = COLUMNS_GUESS};
    int n = snprintf(line, sizeof(line), "%s: %s, %s connected", progress->scenario, row->phase,
                     text_count(a, row->open));

    if (row->opened)
        n += snprintf(line + n, sizeof(line) - (size_t)n, " (%s/s)",
                      text_count(a, (uint64_t)((double)row->opened / row->span)));
    if (progress->count.delivered)
        n += snprintf(line + n, sizeof(line) - (size_t)n, ", %s/s, %s delivered, lost %s",
                      text_number(a, (double)row->delivered / row->span),
                      text_count(b, progress->count.delivered), text_count(c, row->lost));
    if (row->wrong)
        n += snprintf(line + n, sizeof(line) - (size_t)n, ", WRONG %s", text_count(a, row->wrong));
    if (row->measured)
        n += snprintf(line + n, sizeof(line) - (size_t)n, ", p50 %s, p99 %s",
                      text_time(a, (double)row->p50), text_time(b, (double)row->p99));
    if (!progress->terminal) {
        fprintf(stderr, "%s\n", line);
        return;
    }
    (void)ioctl(STDERR_FILENO, TIOCGWINSZ, &window);
    fprintf(stderr, "\r\033[K%.*s\r", window.ws_col > 1 ? window.ws_col - 1 : COLUMNS_GUESS, line);
}

void progress_look(struct progress *progress, const char *what)
{
    struct timeline_row row = {.phase = what};
    uint64_t now = monotonic_ns();

    pool_look(progress->pool, &progress->tick);
    fill_row(progress, &row, now);
    look_at_server(progress, &row, now);
    progress->last_ns = now;
    (void)timeline_add(&progress->timeline, &row);
    if (!progress->quiet)
        print_line(progress, &row);
}

void progress_show(struct progress *progress, const char *what)
{
    if (monotonic_ns() - progress->last_ns >= NS_PER_S)
        progress_look(progress, what);
}

void progress_end(const struct progress *progress)
{
    if (!progress->quiet && progress->terminal)
        fputs("\r\033[K", stderr);
}
