/* A buffer that grows. Zero it to begin with; one owner, one thread. */
#ifndef SHARDCAST_PROTO_BUFFER_H
#define SHARDCAST_PROTO_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

struct buffer {
    uint8_t *bytes;
    size_t size, capacity;
};

/* Makes room for `size` bytes more, at bytes + size. */
int buffer_reserve(struct buffer *buffer, size_t size) MUST_CHECK;

int buffer_append(struct buffer *buffer, const void *bytes, size_t size) MUST_CHECK;
void buffer_free(struct buffer *buffer); /* frees and zeroes */

#endif
