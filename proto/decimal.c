#include "proto/decimal.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 6 /* decimals that the short way tries */

_Static_assert(FLT_EVAL_METHOD == 0, "a division rounds once, to its own type");

size_t decimal_uint(char *out, uint64_t value)
{
    char digits[20];
    size_t count = 0;

    do {
        digits[sizeof(digits) - ++count] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    memcpy(out, digits + sizeof(digits) - count, count);
    return count;
}

size_t decimal_int(char *out, int64_t value)
{
    if (value >= 0)
        return decimal_uint(out, (uint64_t)value);
    *out = '-';
    return 1 + decimal_uint(out + 1, 0 - (uint64_t)value);
}

/* `scaled` with its point before the last `places` digits; at least one digit on either side. */
static size_t write_fixed(char *out, bool minus, uint64_t scaled, unsigned places)
{
    static const uint32_t powers[PLACES_MAX + 1] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    size_t size = 0;

    if (minus)
        out[size++] = '-';
    size += decimal_uint(out + size, scaled / powers[places]);
    out[size++] = '.';
    if (!places) {
        out[size++] = '0';
        return size;
    }
    uint64_t fraction = scaled % powers[places];
    for (unsigned i = places; i; i--) {
        out[size + i - 1] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    return size + places;
}

/* What printf wrote is a number in C's form, which is JSON's too but for the missing ".0". */
static size_t mark_float(char *out, size_t size)
{
    if (memchr(out, '.', size) || memchr(out, 'e', size))
        return size;
    memcpy(out + size, ".0", 2);
    return size + 2;
}

/* The short way, for the numbers that people use (prices, shares, seconds): where digits and power
 * of ten are both exact, their quotient is rounded once, so it equals what a reader makes of the
 * text. The fewest decimals are tried first. 15-50 ns, where printf and strtod take 400. */
static size_t double_short(char *out, double value)
{
    static const double powers[PLACES_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    double magnitude = fabs(value);

    for (unsigned places = 0; places <= PLACES_MAX; places++) {
        double scaled = magnitude * powers[places];
        if (!(scaled < 1e15))
            break;
        uint64_t digits = (uint64_t)(scaled + 0.5);
        if ((double)digits / powers[places] == magnitude)
            return write_fixed(out, signbit(value), digits, places);
    }
    return 0;
}

static size_t float_short(char *out, float value)
{
    static const float powers[PLACES_MAX + 1] = {1, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f};
    float magnitude = fabsf(value);

    for (unsigned places = 0; places <= PLACES_MAX; places++) {
        float scaled = magnitude * powers[places];
        if (!(scaled < 1e6f))
            break;
        uint32_t digits = (uint32_t)(scaled + 0.5f);
        if ((float)digits / powers[places] == magnitude)
            return write_fixed(out, signbit(value), digits, places);
    }
    return 0;
}

size_t decimal_double(char *out, double value)
{
    size_t size = double_short(out, value);

    /* DBL_DIG digits hold every shorter text that is there to be found, but for the subnormals,
     * which have fewer. */
    for (int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG; !size; digits++) {
        int n = snprintf(out, DECIMAL_MAX, "%.*g", digits, value);
        if (digits == DBL_DECIMAL_DIG || strtod(out, NULL) == value)
            size = mark_float(out, (size_t)n);
    }
    return size;
}

size_t decimal_float(char *out, float value)
{
    size_t size = float_short(out, value);

    for (int digits = fabsf(value) < FLT_MIN ? 1 : FLT_DIG; !size; digits++) {
        int n = snprintf(out, DECIMAL_MAX, "%.*g", digits, (double)value);
        if (digits == FLT_DECIMAL_DIG || strtof(out, NULL) == value)
            size = mark_float(out, (size_t)n);
    }
    return size;
}
