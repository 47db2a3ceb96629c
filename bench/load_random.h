/* Numbers that look random: the same ones in every run. Owned by one thread. */
#ifndef SHARDCAST_BENCH_LOAD_RANDOM_H
#define SHARDCAST_BENCH_LOAD_RANDOM_H

#include <stdint.h>

/* xorshift64*; `state` is not 0. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

/* 0 to below - 1. */
static inline uint64_t random_below(uint64_t *state, uint64_t below)
{
    return (uint64_t)(((unsigned __int128)random_next(state) * below) >> 64);
}

#endif
