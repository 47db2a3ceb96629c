#define _GNU_SOURCE
#include "bench/load_plot.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAN_MIN 0.2 /* seconds: shorter rows are left out, their rates say little */

extern char **environ;

static int has_gnuplot(void)
{
    const char *path = getenv("PATH");
    char file[PATH_MAX];

    for (; path && *path; path += *path == ':') {
        size_t size = strcspn(path, ":");

        if (snprintf(file, sizeof(file), "%.*s/gnuplot", (int)size, path) < (int)sizeof(file) &&
            access(file, X_OK) == 0)
            return 1;
        path += size;
    }
    return 0;
}

int plot_check(const char *directory)
{
    if (!has_gnuplot()) {
        fprintf(stderr, "shardcast-load: --plot: gnuplot is not installed; on Debian: "
                        "apt-get install gnuplot-nox\n");
        return -1;
    }
    if ((mkdir(directory, 0777) < 0 && errno != EEXIST) || access(directory, W_OK | X_OK) < 0) {
        fprintf(stderr, "shardcast-load: --plot: %s: %s\n", directory, strerror(errno));
        return -1;
    }
    return 0;
}

static FILE *open_in(const char *directory, const char *name)
{
    char path[PATH_MAX];
    FILE *file = NULL;

    if (snprintf(path, sizeof(path), "%s/%s", directory, name) < (int)sizeof(path))
        file = fopen(path, "we");
    if (!file)
        fprintf(stderr, "shardcast-load: --plot: %s/%s: %s\n", directory, name, strerror(errno));
    return file;
}

static int close_written(FILE *file, const char *directory, const char *name)
{
    int failed = ferror(file);

    if (fclose(file) == 0 && !failed)
        return 0;
    fprintf(stderr, "shardcast-load: --plot: %s/%s: cannot be written\n", directory, name);
    return -1;
}

/* A time in ms, or "-" where nothing was measured. */
static void put_time(FILE *file, uint64_t ns)
{
    if (ns)
        fprintf(file, "\t%.6g", (double)ns / 1e6);
    else
        fputs("\t-", file);
}

static void put_row(FILE *file, const struct timeline_row *row)
{
    fprintf(file, "%.3f\t%s\t%" PRIu64 "\t%.1f\t%.1f\t%.4g", row->seconds, row->phase, row->open,
            (double)row->opened / row->span, (double)row->delivered / row->span,
            (double)row->bytes / row->span / 1e6);
    put_time(file, row->p50);
    put_time(file, row->p90);
    put_time(file, row->p99);
    put_time(file, row->p999);
    put_time(file, row->max);
    for (int i = 0; i < MIX_PRIORITIES; i++)
        put_time(file, row->priority_p99[i]);
    fprintf(file, "\t%.4g\t%" PRIu64 "\t%.4g\t%.4g\t%" PRIu64 "\t%" PRIu64 "\n",
            (double)row->rss / 1048576, row->fds, (double)row->server_cpu_ns / row->span / 1e7,
            (double)row->generator_cpu_ns / row->span / 1e7, row->lost, row->wrong);
}

static int write_data(const char *directory, const struct timeline *timeline)
{
    FILE *file = open_in(directory, "timeline.tsv");

    if (!file)
        return -1;
    fputs(
        "seconds\tphase\tconnections\tupgrades_per_s\tdeliveries_per_s\tMB_per_s\tp50_ms\tp90_ms\t"
        "p99_ms\tp99.9_ms\tmax_ms\tcritical_p99_ms\tnormal_p99_ms\tlow_p99_ms\trss_MiB\tfiles\t"
        "server_cpu_percent\tgenerator_cpu_percent\tlost\twrong\n",
        file);
    for (size_t i = 0; i < timeline->count; i++)
        if (timeline->rows[i].span >= SPAN_MIN)
            put_row(file, &timeline->rows[i]);
    return close_written(file, directory, "timeline.tsv");
}

static const char script_head[] =
    "# Draws timeline.tsv: gnuplot plot.gp\n"
    "set terminal svg size 900,420 dynamic background rgb 'white' font 'sans-serif,12'\n"
    "set datafile separator '\\t'\n"
    "set datafile missing '-'\n"
    "set key outside right noenhanced\n"
    "set grid\n"
    "set xlabel 'seconds'\n"
    "data = 'timeline.tsv'\n";

static const char script_latency[] = "set output 'latency.svg'\n"
                                     "set ylabel 'ms, from when a message was due'\n"
                                     "set logscale y\n"
                                     "plot data skip 1 using 1:7 with lines lw 2 title 'p50', \\\n"
                                     "  '' skip 1 using 1:8 with lines lw 2 title 'p90', \\\n"
                                     "  '' skip 1 using 1:9 with lines lw 2 title 'p99', \\\n"
                                     "  '' skip 1 using 1:10 with lines lw 2 title 'p99.9', \\\n"
                                     "  '' skip 1 using 1:11 with lines lw 1 title 'max'\n";

static const char script_priorities[] =
    "set output 'priorities.svg'\n"
    "plot data skip 1 using 1:12 with lines lw 2 title 'critical p99', \\\n"
    "  '' skip 1 using 1:13 with lines lw 2 title 'normal p99', \\\n"
    "  '' skip 1 using 1:14 with lines lw 2 title 'low p99'\n";

static const char script_throughput[] =
    "set output 'throughput.svg'\n"
    "unset logscale y\n"
    "set yrange [0:*]\n"
    "set format y '%.1s%c'\n"
    "set ylabel 'per second'\n"
    "set y2label 'connections'\n"
    "set y2range [0:*]\n"
    "set format y2 '%.0f'\n"
    "set y2tics\n"
    "plot data skip 1 using 1:5 with lines lw 2 title 'deliveries', \\\n"
    "  '' skip 1 using 1:4 with lines lw 2 title 'upgrades', \\\n"
    "  '' skip 1 using 1:3 axes x1y2 with lines lw 1 title 'connections'\n";

static const char script_server[] =
    "set output 'server.svg'\n"
    "set format y '%g'\n"
    "set ylabel 'MiB; % of a core'\n"
    "set y2label 'open files'\n"
    "plot data skip 1 using 1:15 with lines lw 2 title 'resident memory, MiB', \\\n"
    "  '' skip 1 using 1:17 with lines lw 2 title 'server CPU, %', \\\n"
    "  '' skip 1 using 1:18 with lines lw 1 title 'generator CPU, %', \\\n"
    "  '' skip 1 using 1:16 axes x1y2 with lines lw 1 title 'open files'\n";

static int write_script(const char *directory, const char *title, unsigned parts)
{
    FILE *file = open_in(directory, "plot.gp");

    if (!file)
        return -1;
    fputs(script_head, file);
    fputs("set title '", file);
    for (; *title; title++)
        fputs(*title == '\'' ? "''" : (char[]){*title, 0}, file);
    fputs("' noenhanced\n", file);
    fputs(script_latency, file);
    if (parts & PLOT_PRIORITIES)
        fputs(script_priorities, file);
    fputs(script_throughput, file);
    if (parts & PLOT_SERVER)
        fputs(script_server, file);
    return close_written(file, directory, "plot.gp");
}

static int run_gnuplot(const char *directory)
{
    char program[] = "gnuplot", script[] = "plot.gp";
    char *const command[] = {program, script, NULL};
    posix_spawn_file_actions_t actions;
    int error, status;
    pid_t pid;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return -1;
    error = posix_spawn_file_actions_addchdir_np(&actions, directory);
    if (!error)
        error = posix_spawnp(&pid, "gnuplot", &actions, NULL, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) {
        fprintf(stderr, "shardcast-load: --plot: gnuplot: %s\n", strerror(error));
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    fprintf(stderr, "shardcast-load: --plot: gnuplot failed on %s/plot.gp\n", directory);
    return -1;
}

/* gnuplot refuses to draw what has no values at all. */
static bool has_latency(const struct timeline *timeline)
{
    for (size_t i = 0; i < timeline->count; i++)
        if (timeline->rows[i].measured && timeline->rows[i].span >= SPAN_MIN)
            return true;
    return false;
}

int plot_draw(const char *directory, const char *title, unsigned parts,
              const struct timeline *timeline)
{
    if (!has_latency(timeline)) {
        fprintf(stderr, "shardcast-load: --plot: too short a run to be drawn\n");
        return -1;
    }
    if (write_data(directory, timeline) < 0 || write_script(directory, title, parts) < 0)
        return -1;
    return run_gnuplot(directory);
}
