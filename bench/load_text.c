#include "bench/load_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const char *text_count(char text[TEXT_MAX], uint64_t n)
{
    char digits[TEXT_MAX];
    int size = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    char *out = text;

    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = 0;
    return text;
}

/* Three digits that count. */
static int decimals(double value)
{
    return value < 10 ? 2 : value < 100 ? 1 : 0;
}

const char *text_number(char text[TEXT_MAX], double n)
{
    if (n < 0 || n >= 1e18)
        snprintf(text, TEXT_MAX, "%g", n);
    else if (n >= 100 || n == floor(n))
        (void)text_count(text, (uint64_t)(n + 0.5));
    else
        snprintf(text, TEXT_MAX, "%.*f", decimals(n), n);
    return text;
}

struct unit {
    double size;
    const char *name;
};

/* In the first of `units` that it fills; the last is for all that is smaller, and whole. */
static const char *with_unit(char text[TEXT_MAX], const struct unit *units, double value)
{
    while (units->size > 1 && fabs(value) < units->size)
        units++;
    value /= units->size;
    snprintf(text, TEXT_MAX, "%.*f %s", units->size > 1 ? decimals(fabs(value)) : 0, value,
             units->name);
    return text;
}

const char *text_time(char text[TEXT_MAX], double ns)
{
    static const struct unit units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};

    return with_unit(text, units, ns);
}

const char *text_bytes(char text[TEXT_MAX], double bytes)
{
    static const struct unit units[] = {
        {1073741824, "GiB"}, {1048576, "MiB"}, {1024, "KiB"}, {1, "B"}};

    return with_unit(text, units, bytes);
}

const char *text_percent(char text[TEXT_MAX], double share)
{
    snprintf(text, TEXT_MAX, "%.*f %%", decimals(fabs(100 * share)), 100 * share);
    return text;
}
