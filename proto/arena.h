/* Memory that is given back all at once: for what lives as long as one function call. Small needs
 * are met on the stack. Running out sticks, so that it is looked at once, at the end. One thread.
 */
#ifndef SHARDCAST_PROTO_ARENA_H
#define SHARDCAST_PROTO_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#define ARENA_STACK 2048

struct arena_block;

struct arena {
    struct arena_block *blocks; /* allocated, the newest first */
    char *at, *end;             /* what is free of the newest, or of `stack` */
    bool failed;
    _Alignas(max_align_t) char stack[ARENA_STACK];
};

void arena_begin(struct arena *arena);

/* `count` times `size` bytes, aligned for anything. NULL: out of memory, from now on. */
void *arena_get(struct arena *arena, size_t count, size_t size);

/* Gives back everything. */
void arena_end(struct arena *arena);

#endif
