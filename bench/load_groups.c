#define _GNU_SOURCE
#include "bench/load_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct groups *groups_empty(void)
{
    struct groups *groups = calloc(1, sizeof(*groups));

    if (!groups)
        return NULL;
    groups->first = calloc(1, sizeof(*groups->first));
    if (!groups->first) {
        free(groups);
        return NULL;
    }
    return groups;
}

int groups_add(struct groups *groups, const char *name, uint32_t members)
{
    /* Capacity grows in powers of two: at each of them, and only there, is it used up. */
    if ((groups->count & (groups->count - 1)) == 0) {
        size_t capacity = groups->count ? 2 * (size_t)groups->count : 1;
        char **names = realloc(groups->names, capacity * sizeof(*names));
        uint32_t *first;

        if (!names)
            return -1;
        groups->names = names;
        first = realloc(groups->first, (capacity + 1) * sizeof(*first));
        if (!first)
            return -1;
        groups->first = first;
    }
    groups->names[groups->count] = strdup(name);
    if (!groups->names[groups->count])
        return -1;
    groups->first[groups->count + 1] = groups->first[groups->count] + members;
    groups->count++;
    return 0;
}

/* Part number `i` of several that are separated by commas; they take turns. */
static int part_of(const char *list, uint32_t i, const char **part)
{
    uint32_t parts = 1;

    for (const char *c = list; *c; c++)
        parts += *c == ',';
    for (i %= parts; i > 0; list++)
        i -= *list == ',';
    *part = list;
    return (int)strcspn(list, ",");
}

struct groups *groups_new(const char *prefix, uint32_t count, uint32_t members)
{
    struct groups *groups = groups_empty();
    char name[96];

    for (uint32_t i = 0; groups && i < count; i++) {
        const char *part;
        int size = part_of(prefix, i, &part);

        snprintf(name, sizeof(name), "%.*s%u", size, part, i);
        if (groups_add(groups, name, members) < 0) {
            groups_free(groups);
            return NULL;
        }
    }
    return groups;
}

void groups_free(struct groups *groups)
{
    if (!groups)
        return;
    for (uint32_t i = 0; i < groups->count; i++)
        free(groups->names[i]);
    free(groups->names);
    free(groups->first);
    free(groups);
}

uint32_t groups_of_member(const struct groups *groups, uint32_t member)
{
    uint32_t low = 0, high = groups->count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (groups->first[middle] <= member)
            low = middle;
        else
            high = middle;
    }
    return low;
}
