#include "bench/load_sizes.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load_random.h"

/* A number at *text, which moves behind it. -1: there is none. */
static int take_number(const char **text, uint32_t low, uint32_t high, uint32_t *value)
{
    char *end;
    unsigned long n;

    if (!isdigit((unsigned char)**text))
        return -1;
    errno = 0;
    n = strtoul(*text, &end, 10);
    if (errno || n < low || n > high)
        return -1;
    *value = (uint32_t)n;
    *text = end;
    return 0;
}

static int take_part(struct sizes *sizes, const char **text, uint32_t low, uint32_t high)
{
    uint32_t from, to, weight = 1;

    if (sizes->count == SIZES_PARTS || take_number(text, low, high, &from) < 0)
        return -1;
    to = from;
    if (**text == '-' && (++*text, take_number(text, from, high, &to) < 0))
        return -1;
    if (**text == ':' && (++*text, take_number(text, 1, 1000000, &weight) < 0))
        return -1;
    sizes->parts[sizes->count].low = from;
    sizes->parts[sizes->count].high = to;
    sizes->parts[sizes->count++].weight = weight;
    sizes->weights += weight;
    if (to > sizes->max)
        sizes->max = to;
    return 0;
}

int sizes_parse(struct sizes *sizes, const char *text, uint32_t low, uint32_t high)
{
    memset(sizes, 0, sizeof(*sizes));
    if (strlen(text) >= sizeof(sizes->text))
        return -1;
    strcpy(sizes->text, text);
    do {
        if (take_part(sizes, &text, low, high) < 0)
            return -1;
    } while (*text++ == ',');
    return text[-1] ? -1 : 0;
}

uint32_t sizes_draw(const struct sizes *sizes, uint64_t *random)
{
    uint32_t place, i = 0;

    if (sizes_fixed(sizes))
        return sizes->max;
    place = (uint32_t)random_below(random, sizes->weights);
    while (place >= sizes->parts[i].weight)
        place -= sizes->parts[i++].weight;
    return sizes->parts[i].low +
           (uint32_t)random_below(random, sizes->parts[i].high - sizes->parts[i].low + 1);
}
