#define _GNU_SOURCE
#include "bench/load_server.h"

#include <dirent.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

static void memory_glance(pid_t pid, struct server_sample *sample)
{
    char path[64];
    uint64_t pages;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    file = fopen(path, "re");
    if (!file)
        return;
    if (fscanf(file, "%*u %" SCNu64, &pages) == 1)
        sample->rss += pages * (uint64_t)sysconf(_SC_PAGESIZE);
    fclose(file);
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

static int sample_process(pid_t pid, bool exact, struct server_sample *sample);

/* The processes that one of its threads has started: a server's workers. */
static void sample_children(pid_t pid, const char *tid, bool exact, struct server_sample *sample)
{
    char path[300];
    FILE *file;
    int child;

    snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid, tid);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fscanf(file, "%d", &child) == 1)
        (void)sample_process(child, exact, sample);
    fclose(file);
}

/* Adds a process and all that it has started. */
static int sample_process(pid_t pid, bool exact, struct server_sample *sample)
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
        sample_children(pid, entry->d_name, exact, sample);
    }
    closedir(tasks);
    if (!counted && process_times(pid, sample) < 0)
        return -1;
    if (exact)
        memory(pid, sample);
    else
        memory_glance(pid, sample);
    return 0;
}

int server_sample(pid_t pid, struct server_sample *sample)
{
    memset(sample, 0, sizeof(*sample));
    return pid == 0 ? 0 : sample_process(pid, true, sample);
}

int server_glance(pid_t pid, struct server_sample *sample)
{
    memset(sample, 0, sizeof(*sample));
    return pid == 0 ? 0 : sample_process(pid, false, sample);
}

/* Whether a thread has a file table of its own. Where the kernel does not tell it has none. */
static bool has_own_files(pid_t pid, pid_t tid)
{
    return tid != pid && syscall(SYS_kcmp, pid, tid, KCMP_FILES, 0, 0) > 0;
}

/* Linux tells since 6.2 how many there are; before that they have to be listed. */
static uint64_t thread_files(pid_t pid, const char *tid)
{
    struct stat about;
    uint64_t count = 0;
    char path[300];
    DIR *files;

    snprintf(path, sizeof(path), "/proc/%d/task/%s/fd", (int)pid, tid);
    if (stat(path, &about) == 0 && about.st_size > 0)
        return (uint64_t)about.st_size;
    files = opendir(path);
    while (files && readdir(files))
        count++;
    if (files)
        closedir(files);
    return count > 2 ? count - 2 : 0; /* without itself and its parent */
}

uint64_t server_files(pid_t pid)
{
    const struct dirent *entry;
    uint64_t count = 0;
    char path[64];
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    tasks = pid ? opendir(path) : NULL;
    while (tasks && (entry = readdir(tasks)) != NULL) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (tid == pid || (tid > 0 && has_own_files(pid, tid)))
            count += thread_files(pid, entry->d_name);
    }
    if (tasks)
        closedir(tasks);
    return count;
}
