#include "bench/load_timeline.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST  64
#define ROWS_GROWTH 8 /* two in each quarter */

void timeline_free(struct timeline *timeline)
{
    free(timeline->rows);
    memset(timeline, 0, sizeof(*timeline));
}

int timeline_add(struct timeline *timeline, const struct timeline_row *row)
{
    if (timeline->count == timeline->room) {
        size_t room = timeline->room ? 2 * timeline->room : ROWS_FIRST;
        struct timeline_row *rows = realloc(timeline->rows, room * sizeof(*rows));

        if (!rows)
            return -1;
        timeline->rows = rows;
        timeline->room = room;
    }
    timeline->rows[timeline->count++] = *row;
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The values of the measured rows, in order of time. Returns how many; 0 where one is not known. */
static size_t series(const struct timeline *timeline, size_t offset, uint64_t *values)
{
    size_t count = 0;

    for (size_t i = 0; i < timeline->count; i++) {
        const struct timeline_row *row = &timeline->rows[i];

        if (row->measured == 0)
            continue;
        memcpy(&values[count], (const char *)row + offset, sizeof(values[count]));
        if (values[count++] == 0)
            return 0;
    }
    return count;
}

static double median(uint64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return count % 2 ? (double)values[count / 2]
                     : ((double)values[count / 2 - 1] + (double)values[count / 2]) / 2;
}

static void growth(const struct timeline *timeline, size_t offset, enum figure figure,
                   uint64_t *values, struct figures *figures)
{
    size_t count = series(timeline, offset, values), quarter = count / 4;

    if (count < ROWS_GROWTH)
        return;
    figure_set(figures, figure,
               median(values + count - quarter, quarter) / median(values + quarter, quarter) - 1);
}

void timeline_growth(const struct timeline *timeline, struct figures *figures)
{
    uint64_t *values = malloc((timeline->count + 1) * sizeof(*values));

    if (!values)
        return;
    growth(timeline, offsetof(struct timeline_row, rss), FIGURE_RSS_GROWTH, values, figures);
    growth(timeline, offsetof(struct timeline_row, fds), FIGURE_FDS_GROWTH, values, figures);
    growth(timeline, offsetof(struct timeline_row, p99), FIGURE_P99_GROWTH, values, figures);
    free(values);
}
