#include "shards/history_range.h"

#include <stdlib.h>

struct history_range *history_range_new(uint32_t count)
{
    struct history_range *range = calloc(1, sizeof(*range) + count * sizeof(range->messages[0]));

    if (!range)
        return NULL;
    atomic_init(&range->refs, 1);
    range->count = count;
    return range;
}

struct history_range *history_range_ref(struct history_range *range)
{
    /* Relaxed: the caller holds a reference already. */
    atomic_fetch_add_explicit(&range->refs, 1, memory_order_relaxed);
    return range;
}

void history_range_unref(struct history_range *range)
{
    /* Release orders this holder's reads before the free; acquire is its partner in the last. */
    if (!range || atomic_fetch_sub_explicit(&range->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < range->count; i++)
        payload_unref(range->messages[i]);
    free(range);
}
