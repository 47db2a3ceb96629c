#include "shards/table.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64

struct named *table_find(const struct table *table, uint64_t hash, const char *name, size_t size)
{
    if (!table->slots)
        return NULL;
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        struct named *thing = table->slots[i];

        if (!thing)
            return NULL;
        if (thing->hash == hash && thing->size == size && !memcmp(thing->name, name, size))
            return thing;
    }
}

static void table_put(struct named **slots, size_t mask, struct named *thing)
{
    size_t i = thing->hash & mask;

    while (slots[i])
        i = (i + 1) & mask;
    slots[i] = thing;
}

/* Lays all things into `count` slots, a power of two. */
static int table_resize(struct table *table, size_t count)
{
    struct named **slots = calloc(count, sizeof(*slots));

    if (!slots)
        return ERR_NOMEM;
    for (size_t i = 0; table->slots && i <= table->mask; i++)
        if (table->slots[i])
            table_put(slots, count - 1, table->slots[i]);
    free(table->slots);
    table->slots = slots;
    table->mask = count - 1;
    return 0;
}

int table_add(struct table *table, struct named *thing)
{
    if (!table->slots && table_resize(table, FIRST_SLOTS))
        return ERR_NOMEM;
    /* At most three quarters full. */
    if ((table->count + 1) * 4 > (table->mask + 1) * 3 &&
        table_resize(table, (table->mask + 1) * 2))
        return ERR_NOMEM;
    table_put(table->slots, table->mask, thing);
    table->count++;
    return 0;
}

void table_remove(struct table *table, struct named *thing)
{
    size_t mask = table->mask, hole = thing->hash & mask;

    while (table->slots[hole] != thing)
        hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; table->slots[i]; i = (i + 1) & mask) {
        size_t home = table->slots[i]->hash & mask;

        /* Whoever probes past the hole to reach slot i moves into it. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    }
    table->slots[hole] = NULL;
    table->count--;
    /* Memory returns when most of it is gone; a failure only keeps it. */
    if (mask + 1 > FIRST_SLOTS && table->count * 8 < mask + 1) {
        int kept = table_resize(table, (mask + 1) / 2);
        (void)kept;
    }
}

struct named *table_each(const struct table *table, size_t *at)
{
    while (table->slots && *at <= table->mask) {
        struct named *thing = table->slots[(*at)++];

        if (thing)
            return thing;
    }
    return NULL;
}

void table_free(struct table *table)
{
    free(table->slots);
    memset(table, 0, sizeof(*table));
}
