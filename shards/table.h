/* A hash table of things that have a name. One thread's own.
 *
 * Open addressing with linear probing over pointers; the hash is kept in the thing, so that a probe
 * looks at names only where the hashes are the same. Removal shifts back: no tombstones. */
#ifndef SHARDCAST_SHARDS_TABLE_H
#define SHARDCAST_SHARDS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

/* The first member of everything that is in a table. */
struct named {
    uint64_t hash;
    uint32_t size;
    char *name; /* not ended by NUL; owned with the thing */
};

struct table {
    struct named **slots;
    size_t mask; /* slots - 1; 0: no slots yet */
    size_t count;
};

struct named *table_find(const struct table *table, uint64_t hash, const char *name, size_t size);

/* Adds a thing whose name is not there yet. 0 or ERR_NOMEM. */
int table_add(struct table *table, struct named *thing) MUST_CHECK;

/* Removes a thing that is there. */
void table_remove(struct table *table, struct named *thing);

/* Goes through all things in no order: *at is 0 at first. NULL at the end. Nothing may be added or
 * removed meanwhile. */
struct named *table_each(const struct table *table, size_t *at);

/* Frees the slots, not the things. */
void table_free(struct table *table);

#endif
