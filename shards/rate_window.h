/* A sliding window: fewer than `max_rate` messages taken in any one second.
 *
 * Exact up to RATE_EXACT_MAX per second: the times of the messages taken in the last second are
 * kept. Above that they are counted in buckets of a 200th of a second, which is within 1 % and
 * never takes more than max_rate. Memory exists only while there is recent traffic.
 *
 * Its home's own. */
#ifndef SHARDCAST_SHARDS_RATE_WINDOW_H
#define SHARDCAST_SHARDS_RATE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/error.h"

#define RATE_EXACT_MAX 10000

struct rate_window;

/* Takes a message at `now` (monotonic ns, never falling) if the rate allows it: returns 0.
 * ERR_FULL: refused, and *retry_ns is the time until the next would be taken. ERR_NOMEM.
 * *window is NULL at first and is made as needed; max_rate is at least 1 and may change. */
int rate_window_take(struct rate_window **window, uint32_t max_rate, uint64_t now,
                     uint64_t *retry_ns) MUST_CHECK;

/* Whether nothing was taken in the second before `now`: the window can be freed. */
bool rate_window_idle(const struct rate_window *window, uint64_t now);

void rate_window_free(struct rate_window *window);

#endif
