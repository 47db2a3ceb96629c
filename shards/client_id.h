/* The ids by which clients are known to each other: unique in the engine, not to be guessed. */
#ifndef SHARDCAST_SHARDS_CLIENT_ID_H
#define SHARDCAST_SHARDS_CLIENT_ID_H

#include <stdint.h>

#include "shards/slot_table.h"

/* As a UUID is written. */
#define CLIENT_ID_BYTES 36

/* The id of a shard's connection; `client_key` is the world's. Fills `text`, not ended by NUL. */
void client_id_write(char text[CLIENT_ID_BYTES], uint64_t client_key, uint32_t shard,
                     struct slot_ref connection);

#endif
