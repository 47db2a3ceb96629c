#include "shards/slot_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64

void slot_table_init(struct slot_table *table)
{
    memset(table, 0, sizeof(*table));
    table->first_free = NO_SLOT;
}

void slot_table_free(struct slot_table *table)
{
    free(table->slots);
    slot_table_init(table);
}

static int table_grow(struct slot_table *table)
{
    uint32_t room = table->room ? table->room * 2 : FIRST_SLOTS;
    struct slot *slots = realloc(table->slots, room * sizeof(*slots));

    if (!slots)
        return ERR_NOMEM;
    for (uint32_t i = room; i-- > table->room;) {
        slots[i] = (struct slot){NULL, 1, table->first_free};
        table->first_free = i;
    }
    table->slots = slots;
    table->room = room;
    return 0;
}

int slot_table_add(struct slot_table *table, void *thing, struct slot_ref *ref)
{
    if (table->first_free == NO_SLOT && table_grow(table))
        return ERR_NOMEM;

    uint32_t i = table->first_free;
    struct slot *slot = &table->slots[i];

    table->first_free = slot->next_free;
    table->count++;
    slot->thing = thing;
    *ref = (struct slot_ref){i, slot->generation};
    return 0;
}

void slot_table_remove(struct slot_table *table, struct slot_ref ref)
{
    struct slot *slot = &table->slots[ref.slot];

    slot->thing = NULL;
    slot->generation++;
    slot->next_free = table->first_free;
    table->first_free = ref.slot;
    table->count--;
}

void slot_list_add(struct slot_list *list, struct slot_ref ref)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 16;
        list->refs = realloc(list->refs, list->room * sizeof(*list->refs));
        if (!list->refs) {
            fputs("shardcastd: out of memory for a list of connections\n", stderr);
            abort();
        }
    }
    list->refs[list->count++] = ref;
}

struct slot_list slot_list_take(struct slot_list *list)
{
    struct slot_list taken = *list;

    *list = (struct slot_list){NULL, 0, 0};
    return taken;
}

void slot_list_free(struct slot_list *list)
{
    free(list->refs);
    *list = (struct slot_list){NULL, 0, 0};
}
