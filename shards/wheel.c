#include "shards/wheel.h"

#include <stddef.h>

void wheel_init(struct wheel *wheel)
{
    wheel->now = 0;
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        wheel->slots[i].next = wheel->slots[i].previous = &wheel->slots[i];
}

static void wheel_link(struct wheel_entry *list, struct wheel_entry *entry)
{
    entry->previous = list->previous;
    entry->next = list;
    list->previous->next = entry;
    list->previous = entry;
}

void wheel_add(struct wheel *wheel, struct wheel_entry *entry, uint32_t ticks)
{
    wheel_remove(entry);
    entry->due = wheel->now + (ticks ? ticks : 1);
    wheel_link(&wheel->slots[entry->due % WHEEL_SLOTS], entry);
}

void wheel_remove(struct wheel_entry *entry)
{
    if (!entry->next)
        return;
    entry->previous->next = entry->next;
    entry->next->previous = entry->previous;
    entry->next = entry->previous = NULL;
}

void wheel_tick(struct wheel *wheel, wheel_due due, void *context)
{
    struct wheel_entry list, *slot = &wheel->slots[++wheel->now % WHEEL_SLOTS];

    if (slot->next == slot)
        return;
    /* The bucket moves to a list of its own, so that entries added meanwhile are not met again. */
    list = *slot;
    list.next->previous = list.previous->next = &list;
    slot->next = slot->previous = slot;
    while (list.next != &list) {
        struct wheel_entry *entry = list.next;

        wheel_remove(entry);
        if (entry->due == wheel->now)
            due(context, entry);
        else
            wheel_link(slot, entry); /* a later round's */
    }
}
