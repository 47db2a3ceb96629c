/* How large messages are: one size, evenly spread over a range, or several of either with weights.
 *
 *     128                        every message has 128 bytes
 *     64-4096                    from 64 to 4096, each as likely
 *     128:90,1024-4096:9,60000:1 90, 9 and 1 of 100
 *
 * Pure. */
#ifndef SHARDCAST_BENCH_LOAD_SIZES_H
#define SHARDCAST_BENCH_LOAD_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIZES_PARTS 16
#define SIZES_TEXT  128

struct sizes {
    struct {
        uint32_t low, high; /* bytes, both included */
        uint32_t weight;
    } parts[SIZES_PARTS];
    unsigned count;
    uint32_t weights; /* of all parts */
    uint32_t max;     /* the largest */
    char text[SIZES_TEXT];
};

/* 0; -1: not understood, or a size is not within `low` to `high`. */
int sizes_parse(struct sizes *sizes, const char *text, uint32_t low, uint32_t high);

/* Whether all messages are equally large. */
static inline bool sizes_fixed(const struct sizes *sizes)
{
    return sizes->count == 1 && sizes->parts[0].low == sizes->parts[0].high;
}

/* The size of the next message; `random` is the generator's state, not 0. */
uint32_t sizes_draw(const struct sizes *sizes, uint64_t *random);

#endif
