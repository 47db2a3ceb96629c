/* The turn of a shard's loop: see shards/shard.h. */
#ifndef SHARDCAST_SHARDS_SHARD_TURN_H
#define SHARDCAST_SHARDS_SHARD_TURN_H

#include "proto/error.h"

struct shard;

/* Puts the turn's handles on the loop. */
int shard_turn_init(struct shard *shard) MUST_CHECK;

/* Closes them: the loop ends once everything else is closed, too. */
void shard_turn_end(struct shard *shard);

#endif
