#define _GNU_SOURCE
#include "bench/load_memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void read_meminfo(struct memory_sample *sample)
{
    const struct {
        const char *name;
        uint64_t *into;
    } wanted[] = {{"MemAvailable:", &sample->available},
                  {"Slab:", &sample->slab},
                  {"PageTables:", &sample->other},
                  {"KernelStack:", &sample->other}};
    FILE *file = fopen("/proc/meminfo", "re");
    char name[64];
    uint64_t kib;

    while (file && fscanf(file, "%63s %" SCNu64 "%*[^\n]", name, &kib) == 2)
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
            if (strcmp(name, wanted[i].name) == 0)
                *wanted[i].into += kib * 1024;
    if (file)
        fclose(file);
}

/* TCP: inuse N orphan N tw N alloc N mem PAGES */
static void read_sockstat(struct memory_sample *sample)
{
    FILE *file = fopen("/proc/net/sockstat", "re");
    char line[256];
    uint64_t pages;

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "TCP: inuse %*u orphan %*u tw %*u alloc %*u mem %" SCNu64, &pages) == 1)
            sample->sockets = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    if (file)
        fclose(file);
}

void memory_sample(struct memory_sample *sample)
{
    memset(sample, 0, sizeof(*sample));
    read_meminfo(sample);
    read_sockstat(sample);
}
