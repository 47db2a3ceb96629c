#include "shards/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shards/presence.h"
#include "shards/settings.h"

struct batch *batch_new(uint32_t source, uint32_t capacity)
{
    struct batch *batch = malloc(sizeof(*batch) + capacity);

    if (!batch)
        return NULL;
    batch->next = NULL;
    batch->source = source;
    batch->used = 0;
    batch->capacity = capacity;
    batch->payload_bytes = 0;
    return batch;
}

static int batch_reserve(struct batch **batch, uint32_t size)
{
    uint32_t capacity = (*batch)->capacity;

    while (capacity - (*batch)->used < size)
        capacity *= 2;
    if (capacity == (*batch)->capacity)
        return 0;

    struct batch *grown = realloc(*batch, sizeof(**batch) + capacity);
    if (!grown)
        return ERR_NOMEM;
    grown->capacity = capacity;
    *batch = grown;
    return 0;
}

void *batch_add(struct batch **batch, enum record_type type, size_t fixed, const struct named *name,
                size_t extra)
{
    size_t name_bytes = name ? name->size : 0;
    size_t size = (fixed + name_bytes + extra + 7) & ~(size_t)7;

    assert(size <= UINT16_MAX);
    if (batch_reserve(batch, (uint32_t)size))
        return NULL;

    struct record *record = (struct record *)((*batch)->bytes + (*batch)->used);
    (*batch)->used += (uint32_t)size;
    record->type = (uint16_t)type;
    record->size = (uint16_t)size;
    record->name_bytes = (uint32_t)name_bytes;
    record->hash = name ? name->hash : 0;
    if (name_bytes)
        memcpy((char *)record + fixed, name->name, name_bytes);
    return record;
}

struct record *batch_next(struct batch *batch, struct record *record)
{
    uint8_t *next = record ? (uint8_t *)record + record->size : batch->bytes;

    return next < batch->bytes + batch->used ? (struct record *)next : NULL;
}

void batch_discard(struct batch *batch)
{
    struct record *record = NULL;

    while ((record = batch_next(batch, record))) {
        if (record->type == RECORD_PUBLISH)
            payload_unref(((struct record_publish *)record)->payload);
        else if (record->type == RECORD_DELIVER)
            payload_unref(((struct record_deliver *)record)->payload);
        else if (record->type == RECORD_JOINED)
            history_range_unref(((struct record_joined *)record)->range);
        else if (record->type == RECORD_HISTORY_ANSWER)
            history_range_unref(((struct record_history_answer *)record)->range);
        else if (record->type == RECORD_PRESENCE_ANSWER)
            presence_list_unref(((struct record_presence_answer *)record)->list);
        else if (record->type == RECORD_SETTINGS)
            settings_unref(((struct record_settings *)record)->settings);
    }
    free(batch);
}
