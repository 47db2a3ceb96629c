#include "shards/rate_window.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_NS  1000000000ull
#define BUCKETS    200u
#define BUCKET_NS  (SECOND_NS / BUCKETS)
#define FIRST_ROOM 4u

struct rate_window {
    bool exact;
    uint32_t count; /* messages in the window */
    uint64_t last;  /* time of the newest */

    /* exact: a ring of times, `oldest` the index of the first of `count` */
    uint32_t oldest, room;

    /* else: counts by bucket, the ring's entry of bucket b is b % (BUCKETS + 1) */
    uint64_t bucket; /* the newest */

    uint64_t ring[]; /* times in ns, or counts */
};

static struct rate_window *window_new(bool exact)
{
    uint32_t room = exact ? FIRST_ROOM : BUCKETS + 1;
    struct rate_window *w = calloc(1, sizeof(*w) + room * sizeof(uint64_t));

    if (w) {
        w->exact = exact;
        w->room = room;
    }
    return w;
}

/* Doubles the ring, and lays the times from its start. */
static struct rate_window *window_grow(struct rate_window **window)
{
    struct rate_window *old = *window;
    struct rate_window *grown = malloc(sizeof(*grown) + 2 * old->room * sizeof(uint64_t));

    if (!grown)
        return NULL;
    *grown = *old;
    grown->oldest = 0;
    grown->room = 2 * old->room;
    for (uint32_t i = 0; i < old->count; i++)
        grown->ring[i] = old->ring[(old->oldest + i) % old->room];
    free(old);
    *window = grown;
    return grown;
}

static int take_exact(struct rate_window **window, uint32_t max_rate, uint64_t now,
                      uint64_t *retry_ns)
{
    struct rate_window *w = *window;

    while (w->count && now - w->ring[w->oldest] >= SECOND_NS) {
        w->oldest = (w->oldest + 1) % w->room;
        w->count--;
    }
    if (w->count >= max_rate) {
        /* After a lowered limit more than one has to leave before the next is taken. */
        uint32_t last = (w->oldest + w->count - max_rate) % w->room;

        *retry_ns = w->ring[last] + SECOND_NS - now;
        return ERR_FULL;
    }
    if (w->count == w->room && !(w = window_grow(window)))
        return ERR_NOMEM;
    w->ring[(w->oldest + w->count++) % w->room] = now;
    w->last = now;
    return 0;
}

/* The oldest bucket that is in the window while `bucket` is the newest. */
static uint64_t oldest_bucket(uint64_t bucket)
{
    return bucket < BUCKETS ? 0 : bucket - BUCKETS;
}

static int take_counted(struct rate_window *w, uint32_t max_rate, uint64_t now, uint64_t *retry_ns)
{
    uint64_t bucket = now / BUCKET_NS;

    /* A bucket leaves the window once all of it is a second old: BUCKETS whole ones and the one
     * under way are in it. */
    if (bucket - w->bucket > BUCKETS) {
        memset(w->ring, 0, w->room * sizeof(uint64_t));
        w->count = 0;
        w->bucket = bucket;
    }
    for (; w->bucket < bucket; w->bucket++) {
        uint64_t *leaving = &w->ring[(w->bucket + 1) % w->room];

        w->count -= (uint32_t)*leaving;
        *leaving = 0;
    }
    if (w->count >= max_rate) {
        uint64_t oldest = oldest_bucket(bucket);
        uint32_t gone = 0;

        for (; oldest <= bucket && w->count - gone >= max_rate; oldest++)
            gone += (uint32_t)w->ring[oldest % w->room];
        *retry_ns = (oldest + BUCKETS) * BUCKET_NS - now;
        return ERR_FULL;
    }
    w->ring[bucket % w->room]++;
    w->count++;
    w->last = now;
    return 0;
}

/* Lays what a window holds into *made, one of the other kind. Messages of a bucket then count as
 * old as its last moment, so that none leaves too early. */
static int window_convert(const struct rate_window *old, struct rate_window **made)
{
    uint64_t retry_ns;

    for (uint32_t i = 0; old->exact && i < old->count; i++)
        if (take_counted(*made, UINT32_MAX, old->ring[(old->oldest + i) % old->room], &retry_ns))
            return ERR_NOMEM;
    if (old->exact)
        return 0;
    for (uint64_t bucket = oldest_bucket(old->bucket); bucket <= old->bucket; bucket++) {
        uint64_t end = (bucket + 1) * BUCKET_NS - 1, time = end < old->last ? end : old->last;

        for (uint64_t n = old->ring[bucket % old->room]; n; n--)
            if (take_exact(made, UINT32_MAX, time, &retry_ns))
                return ERR_NOMEM;
    }
    return 0;
}

/* The window in which `max_rate` is kept: made where there is none, and converted where a reload
 * has changed its kind. */
static struct rate_window *window_for(struct rate_window **window, uint32_t max_rate)
{
    bool exact = max_rate <= RATE_EXACT_MAX;
    struct rate_window *made;

    if (*window && (*window)->exact == exact)
        return *window;
    made = window_new(exact);
    if (!made)
        return NULL;
    if (*window && window_convert(*window, &made)) {
        free(made);
        return NULL;
    }
    free(*window);
    *window = made;
    return made;
}

int rate_window_take(struct rate_window **window, uint32_t max_rate, uint64_t now,
                     uint64_t *retry_ns)
{
    struct rate_window *w = window_for(window, max_rate);

    if (!w)
        return ERR_NOMEM;
    if (w->exact)
        return take_exact(window, max_rate, now, retry_ns);
    return take_counted(w, max_rate, now, retry_ns);
}

bool rate_window_idle(const struct rate_window *window, uint64_t now)
{
    return now > window->last && now - window->last > SECOND_NS; /* the turn may be older */
}

void rate_window_free(struct rate_window *window)
{
    free(window);
}
