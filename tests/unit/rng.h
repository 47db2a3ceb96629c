/* Numbers that look random and are the same in every run: what a test shows once it shows again. */
#ifndef SHARDCAST_TESTS_RNG_H
#define SHARDCAST_TESTS_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state; /* any seed */
};

/* splitmix64 */
static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t z = (rng->state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 to bound - 1 */
static inline uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return rng_next(rng) % bound;
}

/* True once in `times`. */
static inline bool rng_once_in(struct rng *rng, uint64_t times)
{
    return rng_below(rng, times) == 0;
}

#endif
