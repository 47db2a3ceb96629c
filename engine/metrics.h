/* Statistics as Prometheus text (exposition format 0.0.4). Pure. */
#ifndef SHARDCAST_ENGINE_METRICS_H
#define SHARDCAST_ENGINE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "shards/stats.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Memberships in the groups of one configured namespace. */
struct metrics_namespace {
    const char *name; /* "" is all the rest */
    uint64_t members;
};

/* Writes all metrics; every reason is there, with 0. The text ends in NUL, free() frees it. NULL:
 * out of memory. */
char *metrics_write(const struct stats *stats, const struct metrics_namespace *namespaces,
                    uint32_t namespace_count, size_t *size) MUST_CHECK;

#endif
