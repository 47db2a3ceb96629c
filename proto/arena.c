#include "proto/arena.h"

#include <stdint.h>
#include <stdlib.h>

#define BLOCK_BYTES 16384 /* at least */

struct arena_block {
    struct arena_block *next;
    _Alignas(max_align_t) char bytes[];
};

void arena_begin(struct arena *arena)
{
    arena->blocks = NULL;
    arena->at = arena->stack;
    arena->end = arena->stack + sizeof(arena->stack);
    arena->failed = false;
}

static bool add_block(struct arena *arena, size_t bytes)
{
    size_t room = bytes < BLOCK_BYTES ? BLOCK_BYTES : bytes;
    struct arena_block *block = malloc(sizeof(*block) + room);

    if (!block)
        return false;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->at = block->bytes;
    arena->end = block->bytes + room;
    return true;
}

void *arena_get(struct arena *arena, size_t count, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    size_t bytes;

    if (arena->failed || __builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        goto fail;
    bytes = (bytes + align - 1) / align * align;
    if (bytes > (size_t)(arena->end - arena->at) && !add_block(arena, bytes))
        goto fail;
    arena->at += bytes;
    return arena->at - bytes;
fail:
    arena->failed = true;
    return NULL;
}

void arena_end(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->next;
        free(block);
    }
}
