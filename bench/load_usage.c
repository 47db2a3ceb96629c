#define _GNU_SOURCE
#include "bench/load_usage.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/load_clock.h"

#define FULL_SHARE   0.9  /* of a core: a thread that has no more to give */
#define WANTED_SHARE 0.97 /* a thread that has hardly ever slept */
#define IDLE_SHARE   0.02 /* of the machine: less is none */
#define LARGE_SHARE  0.25 /* of the cores: the server would miss it */

static unsigned cores(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* Ticks of all cores since the machine started, and how many of them were idle. */
static void machine(uint64_t *all, uint64_t *idle)
{
    uint64_t ticks[8] = {0};
    FILE *file = fopen("/proc/stat", "re");

    *all = *idle = 0;
    if (!file)
        return;
    if (fscanf(file,
               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6],
               &ticks[7]) == 8) {
        for (unsigned i = 0; i < 8; i++)
            *all += ticks[i];
        *idle = ticks[3] + ticks[4];
    }
    fclose(file);
}

/* What the scheduler has counted for a thread of this process. */
static void thread_times(const char *tid, uint64_t *cpu, uint64_t *wait)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%.20s/schedstat", tid);
    file = fopen(path, "re");
    *cpu = *wait = 0;
    if (!file)
        return;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, cpu, wait) != 2)
        *cpu = *wait = 0;
    fclose(file);
}

void usage_begin(struct usage *usage)
{
    const struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");

    memset(usage, 0, sizeof(*usage));
    while (tasks && usage->thread_count < USAGE_THREADS && (entry = readdir(tasks)) != NULL)
        if (entry->d_name[0] != '.') {
            unsigned i = usage->thread_count++;

            usage->threads[i].tid = (pid_t)strtol(entry->d_name, NULL, 10);
            thread_times(entry->d_name, &usage->threads[i].cpu_ns, &usage->threads[i].wait_ns);
        }
    if (tasks)
        closedir(tasks);
    usage->cores = cores();
    machine(&usage->machine_ticks, &usage->idle_ticks);
    usage->process_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    usage->began_ns = monotonic_ns();
}

void usage_end(struct usage *usage, uint64_t publisher_ns)
{
    double elapsed = (double)(monotonic_ns() - usage->began_ns);
    uint64_t all, idle;

    usage->busiest = usage->wanted = (double)publisher_ns / elapsed;
    for (unsigned i = 0; i < usage->thread_count; i++) {
        uint64_t cpu, wait;
        double used, wanted;
        char tid[24];

        snprintf(tid, sizeof(tid), "%d", (int)usage->threads[i].tid);
        thread_times(tid, &cpu, &wait);
        if (cpu < usage->threads[i].cpu_ns)
            continue; /* it has ended */
        used = (double)(cpu - usage->threads[i].cpu_ns) / elapsed;
        wanted = used + (double)(wait - usage->threads[i].wait_ns) / elapsed;
        usage->busiest = used > usage->busiest ? used : usage->busiest;
        usage->wanted = wanted > usage->wanted ? wanted : usage->wanted;
    }
    usage->all =
        (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - usage->process_ns) / elapsed / usage->cores;
    machine(&all, &idle);
    usage->idle = all > usage->machine_ticks
                      ? (double)(idle - usage->idle_ticks) / (double)(all - usage->machine_ticks)
                      : 1;
}

void usage_explain(const struct usage *usage, char *text, size_t room)
{
    text[0] = 0;
    if (usage->busiest > FULL_SHARE)
        snprintf(text, room, "one of its threads used %.0f %% of a core", 100 * usage->busiest);
    else if (usage->all > FULL_SHARE)
        snprintf(text, room, "it used %.0f %% of the cores that it has", 100 * usage->all);
    else if (usage->wanted > WANTED_SHARE)
        snprintf(text, room,
                 "one of its threads was never idle: it ran, or waited for a core, %.0f %% of the "
                 "time",
                 100 * usage->wanted);
    else if (usage->idle < IDLE_SHARE && usage->all > LARGE_SHARE)
        snprintf(text, room, "no core of the machine was idle, and it used %.0f %% of its own",
                 100 * usage->all);
}
