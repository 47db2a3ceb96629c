/* Statistics as JSON, for GET /stats. Pure. */
#ifndef SHARDCAST_ENGINE_STATS_JSON_H
#define SHARDCAST_ENGINE_STATS_JSON_H

#include <stddef.h>

#include "proto/error.h"
#include "shards/stats.h"

/* The tree of shards/stats.h as text that ends in a newline and NUL; free() frees it. NULL: out of
 * memory. */
char *stats_json(const struct stats *stats, size_t *size) MUST_CHECK;

#endif
