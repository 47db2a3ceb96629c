/* The figures of a run by name: what --require compares, and what the JSON result lists.
 *
 * Pure. */
#ifndef SHARDCAST_BENCH_LOAD_FIGURES_H
#define SHARDCAST_BENCH_LOAD_FIGURES_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/load_text.h"

enum figure {
    FIGURE_LOST,
    FIGURE_REPEATED,
    FIGURE_REORDERED,
    FIGURE_MISDELIVERED,
    FIGURE_CORRUPTED,
    FIGURE_UNEXPECTED,
    FIGURE_CLOSED,
    FIGURE_UNRECOVERED,
    FIGURE_REFUSED,
    FIGURE_UNSENT,
    FIGURE_DELIVERED,
    FIGURE_RATE,
    FIGURE_P50,
    FIGURE_P90,
    FIGURE_P99,
    FIGURE_P999,
    FIGURE_MAX,
    FIGURE_MEAN,
    FIGURE_CRITICAL_P99,
    FIGURE_NORMAL_P99,
    FIGURE_LOW_P99,
    FIGURE_UPGRADES,
    FIGURE_REJOINS,
    FIGURE_REJOIN_P99,
    FIGURE_CURRENT,
    FIGURE_CPU,
    FIGURE_RSS,
    FIGURE_RSS_EACH,
    FIGURE_KERNEL_EACH,
    FIGURE_RSS_GROWTH,
    FIGURE_FDS_GROWTH,
    FIGURE_P99_GROWTH,
    FIGURE_LIMITED,
    FIGURES
};

enum figure_kind { KIND_COUNT, KIND_TIME, KIND_BYTES, KIND_SHARE };

struct figures {
    bool known[FIGURES]; /* measured in this run */
    double value[FIGURES];
};

const char *figure_name(enum figure figure);
enum figure_kind figure_kind(enum figure figure);
const char *figure_help(enum figure figure);

/* The figure of that name, `size` bytes of it; FIGURES: there is none. */
enum figure figure_find(const char *name, size_t size);

static inline void figure_set(struct figures *figures, enum figure figure, double value)
{
    figures->known[figure] = true;
    figures->value[figure] = value;
}

/* "3.61 ms", "1,234", "14.2 MiB", "2.1 %" */
const char *figure_format(char text[TEXT_MAX], enum figure figure, double value);

#endif
