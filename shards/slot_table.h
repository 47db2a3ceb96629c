/* Things named by slot and generation: how records and lists name connections and producers, since
 * a pointer may be gone by the time that it is used. One thread's own. */
#ifndef SHARDCAST_SHARDS_SLOT_TABLE_H
#define SHARDCAST_SHARDS_SLOT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

struct slot_ref {
    uint32_t slot;
    uint32_t generation;
};

#define NO_SLOT UINT32_MAX

struct slot {
    void *thing; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct slot_table {
    struct slot *slots;
    uint32_t count; /* in use */
    uint32_t room;
    uint32_t first_free;
};

/* A list of such things, for later. Zero it to begin with. */
struct slot_list {
    struct slot_ref *refs;
    uint32_t count, room;
};

void slot_table_init(struct slot_table *table);
void slot_table_free(struct slot_table *table);

/* 0 and *ref, or ERR_NOMEM. */
int slot_table_add(struct slot_table *table, void *thing, struct slot_ref *ref) MUST_CHECK;
void slot_table_remove(struct slot_table *table, struct slot_ref ref);

/* NULL: no more there. */
static inline void *slot_table_get(const struct slot_table *table, struct slot_ref ref)
{
    if (ref.slot >= table->room || table->slots[ref.slot].generation != ref.generation)
        return NULL;
    return table->slots[ref.slot].thing;
}

/* Out of memory ends the process: a list is a few bytes per thing and must not fail. */
void slot_list_add(struct slot_list *list, struct slot_ref ref);

/* Empties `list` and returns what it held: to be freed with slot_list_free(). */
struct slot_list slot_list_take(struct slot_list *list);
void slot_list_free(struct slot_list *list);

#endif
