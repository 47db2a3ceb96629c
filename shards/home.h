/* The home of groups: all that is true of a group as a whole lives on one shard, its home, and only
 * there: the position (epoch, offset), how many members each shard has, the member limit, the rate.
 *
 * One shard's own, so all of it is exact without a lock. Every function takes a record that came
 * from shard `source` and answers by records of its own (shards/outbox.h). */
#ifndef SHARDCAST_SHARDS_HOME_H
#define SHARDCAST_SHARDS_HOME_H

#include <stddef.h>
#include <stdint.h>

#include "shards/records.h"
#include "shards/wheel.h"

struct shard;
struct home_group;

struct home {
    struct shard *shard;
    struct table *groups;
    uint64_t epochs;    /* state of the epoch generator */
    uint64_t wheel_ns;  /* the time of the wheel's tick */
    struct wheel wheel; /* groups that time does something to: shards/home_sweep.c */
};

/* `seed` is random: epochs of two engines differ. 0 or ERR_NOMEM. */
int home_init(struct home *home, struct shard *shard, uint64_t seed) MUST_CHECK;
void home_free(struct home *home);

/* A message: takes a position, and goes to the shards that have members; or is refused. Takes over
 * the record's payload. */
void home_publish(struct home *home, uint32_t source, struct record_publish *publish);

/* A connection wants to be a member: counts it in and answers with the position, or refuses. */
void home_join(struct home *home, uint32_t source, const struct record_join *join);

/* A member of `source` is one no more. */
void home_leave(struct home *home, uint32_t source, const struct record_leave *leave);

/* All members are to be closed, after what was published before. */
void home_disconnect(struct home *home, uint32_t source,
                     const struct record_disconnect *disconnect);

/* Somebody asks for a group's messages: answers with a range of them. */
void home_history(struct home *home, uint32_t source, const struct record_history *question);

/* A session asks who is in a group. Asking makes no group. */
void home_presence(struct home *home, uint32_t source, const struct record_presence *question);

/* A member was there before presence was turned on. */
void home_present(struct home *home, uint32_t source, const struct record_present *present);

/* The settings have changed. */
void home_settings(struct home *home);

/* Several times a second: forgets groups that are not used, messages that are too old, and rate
 * windows that are empty. */
void home_sweep(struct home *home, uint64_t now);

#endif
