/* Deadlines in buckets of time: one list per tick, no timer and no sorted list per connection.
 *
 * One shard's own. An entry is in at most one bucket; adding, moving and removing are O(1), and a
 * tick looks only at its own bucket. Entries that are due later than the wheel is round pass by and
 * stay. Intrusive: put a `struct wheel_entry` into what has a deadline. */
#ifndef SHARDCAST_SHARDS_WHEEL_H
#define SHARDCAST_SHARDS_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_SLOTS      512
#define WHEEL_TICK_MS    250
#define WHEEL_PER_SECOND (1000 / WHEEL_TICK_MS)

struct wheel_entry {
    struct wheel_entry *next, *previous; /* NULL: in no bucket */
    uint32_t due;                        /* tick */
};

struct wheel {
    uint32_t now; /* tick */
    struct wheel_entry slots[WHEEL_SLOTS];
};

/* Called for an entry that is due; it is in no bucket any more and may be added again. */
typedef void (*wheel_due)(void *context, struct wheel_entry *entry);

void wheel_init(struct wheel *wheel);

/* Adds or moves an entry: due in `ticks` ticks, at least one. */
void wheel_add(struct wheel *wheel, struct wheel_entry *entry, uint32_t ticks);

/* Takes it out; nothing happens if it is in no bucket. */
void wheel_remove(struct wheel_entry *entry);

/* One tick: calls `due` for every entry whose time has come. */
void wheel_tick(struct wheel *wheel, wheel_due due, void *context);

#endif
