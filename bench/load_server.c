#define _GNU_SOURCE
#include "bench/load_server.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nanoseconds from the scheduler: utime and stime come in ticks of 10 ms, too coarse to divide by
 * a million deliveries. */
static int thread_times(pid_t pid, const char *tid, struct server_sample *sample)
{
    uint64_t cpu, wait;
    char path[300];
    FILE *file;
    int fields;

    snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, tid);
    file = fopen(path, "re");
    if (!file)
        return -1;
    fields = fscanf(file, "%" SCNu64 " %" SCNu64, &cpu, &wait);
    fclose(file);
    if (fields != 2)
        return -1;
    sample->cpu_ns += cpu;
    sample->wait_ns += wait;
    sample->threads++;
    return 0;
}

/* For a kernel without schedstat. */
static int process_times(pid_t pid, struct server_sample *sample)
{
    unsigned long user, system;
    char path[64], line[1024];
    const char *after;
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (!file)
        return -1;
    n = fread(line, 1, sizeof(line) - 1, file);
    fclose(file);
    line[n] = 0;
    /* The name in parentheses may hold anything. */
    after = strrchr(line, ')');
    if (!after || sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                         &system) != 2)
        return -1;
    sample->cpu_ns += (uint64_t)(user + system) * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
    return 0;
}

static void memory(pid_t pid, struct server_sample *sample)
{
    char path[64], line[256];
    FILE *file;

    /* Exact, unlike statm, whose counts may lag by some pages per thread. */
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, "Rss:", 4) == 0)
            sample->rss += strtoull(line + 4, NULL, 10) * 1024;
    fclose(file);
}

static int sample_process(pid_t pid, struct server_sample *sample);

/* The processes that one of its threads has started: a server's workers. */
static void sample_children(pid_t pid, const char *tid, struct server_sample *sample)
{
    char path[300];
    FILE *file;
    int child;

    snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid, tid);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fscanf(file, "%d", &child) == 1)
        (void)sample_process(child, sample);
    fclose(file);
}

/* Adds a process and all that it has started. */
static int sample_process(pid_t pid, struct server_sample *sample)
{
    char path[64];
    const struct dirent *entry;
    bool counted = false;
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    if (!tasks)
        return -1;
    while ((entry = readdir(tasks)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        counted |= thread_times(pid, entry->d_name, sample) == 0;
        sample_children(pid, entry->d_name, sample);
    }
    closedir(tasks);
    if (!counted && process_times(pid, sample) < 0)
        return -1;
    memory(pid, sample);
    return 0;
}

int server_sample(pid_t pid, struct server_sample *sample)
{
    memset(sample, 0, sizeof(*sample));
    return pid == 0 ? 0 : sample_process(pid, sample);
}
