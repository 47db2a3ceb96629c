/* Disconnects: a shard closes its members of the groups that a command names.
 *
 * One shard's own. Where a command names several groups, each has its home, and what was published
 * to them comes from there: so the homes tell every shard, and a shard closes members once it has
 * heard from all of them. What they had published before lies before that in its inbox. */
#ifndef SHARDCAST_SHARDS_DISCONNECTS_H
#define SHARDCAST_SHARDS_DISCONNECTS_H

#include "shards/records.h"

struct shard;
struct disconnect; /* one that homes have yet to speak about */

/* RECORD_CLOSE. Each is answered by RECORD_CLOSED, at once or once all have come. */
void disconnects_take(struct shard *shard, const struct record_close *close);

/* Forgets those that wait. */
void disconnects_free(struct disconnect *first);

#endif
