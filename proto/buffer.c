#include "proto/buffer.h"

#include <stdlib.h>
#include <string.h>

int buffer_reserve(struct buffer *buffer, size_t size)
{
    if (size > SIZE_MAX / 2 - buffer->size)
        return ERR_NOMEM;
    if (size <= buffer->capacity - buffer->size)
        return 0;

    size_t capacity = buffer->capacity ? 2 * buffer->capacity : 256;
    if (capacity < buffer->size + size)
        capacity = buffer->size + size;
    uint8_t *grown = realloc(buffer->bytes, capacity);
    if (!grown)
        return ERR_NOMEM;
    buffer->bytes = grown;
    buffer->capacity = capacity;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    int error = buffer_reserve(buffer, size);

    if (error)
        return error;
    if (size)
        memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
    return 0;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    memset(buffer, 0, sizeof(*buffer));
}
