/* Numbers as text: they read back as the same bits, in as few digits as that takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/decimal.h"

static uint64_t random_state = 88172645463325252u;

static const double tens[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static const char *text_of_double(double value)
{
    static char text[DECIMAL_MAX + 1];

    text[decimal_double(text, value)] = '\0';
    return text;
}

static const char *text_of_float(float value)
{
    static char text[DECIMAL_MAX + 1];

    text[decimal_float(text, value)] = '\0';
    return text;
}

static void integers_are_exact(void **state)
{
    static const uint64_t edges[] = {0, 1, 9, 10, 99, 100, UINT32_MAX, INT64_MAX, UINT64_MAX};
    char text[DECIMAL_MAX + 1], expected[32];

    for (int i = 0; i < 10000; i++) {
        uint64_t value = i < 9 ? edges[i] : random64() >> random64() % 64;

        text[decimal_uint(text, value)] = '\0';
        snprintf(expected, sizeof(expected), "%" PRIu64, value);
        assert_string_equal(text, expected);
        text[decimal_int(text, (int64_t)value)] = '\0';
        snprintf(expected, sizeof(expected), "%" PRId64, (int64_t)value);
        assert_string_equal(text, expected);
        text[decimal_int(text, (int64_t)(0 - value))] = '\0';
        snprintf(expected, sizeof(expected), "%" PRId64, (int64_t)(0 - value));
        assert_string_equal(text, expected);
    }
}

static void doubles_look_as_people_write_them(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {-1.0, "-1.0"},
        {0.1, "0.1"},
        {0.5, "0.5"},
        {-2.75, "-2.75"},
        {19.99, "19.99"},
        {0.000001, "0.000001"},
        {1e-7, "1e-07"},
        {100.0, "100.0"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1700000000.123456, "1700000000.123456"},
        {123456789012345.0, "123456789012345.0"},
        {9007199254740992.0, "9007199254740992.0"},
        {1e15, "1e+15"},
        {1e21, "1e+21"},
        {1e22, "1e+22"},
        {6.02214076e23, "6.02214076e+23"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {4.9406564584124654e-324, "5e-324"},
        {1e-320, "1e-320"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(text_of_double(cases[i].value), cases[i].text);
}

static void floats_look_as_people_write_them(void **state)
{
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {0.0f, "0.0"},
        {-0.0f, "-0.0"},
        {0.1f, "0.1"},
        {0.3f, "0.3"},
        {-19.99f, "-19.99"},
        {1.0f / 3, "0.33333334"},
        {16777216.0f, "16777216.0"},
        {1e10f, "1e+10"},
        {FLT_MAX, "3.4028235e+38"},
        {FLT_MIN, "1.1754944e-38"},
        {1.4e-45f, "1e-45"},
        {3.1415927f, "3.1415927"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(text_of_float(cases[i].value), cases[i].text);
}

/* No text with fewer digits reads back: the reference asks printf for each count. */
static unsigned fewest_digits(double value, int single)
{
    char text[64];

    for (int digits = 1;; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1, value);
        if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            return (unsigned)digits;
    }
}

/* Digits that count: none that lead or trail as zeros. */
static unsigned digits_of(const char *text)
{
    unsigned digits = 0, zeros = 0;

    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && !digits))
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        digits++;
    }
    return digits > zeros ? digits - zeros : 1;
}

static void check_double(double value)
{
    const char *text = text_of_double(value);
    double back = strtod(text, NULL);

    assert_memory_equal(&back, &value, sizeof(value));
    assert_non_null(strpbrk(text, ".e"));
    assert_true(digits_of(text) <= fewest_digits(value, 0));
}

static void any_double_reads_back_as_the_same_bits(void **state)
{
    for (int i = 0; i < 12000; i++) {
        uint64_t bits = random64();
        double value;

        memcpy(&value, &bits, sizeof(value));
        if (isfinite(value))
            check_double(value);
        /* Numbers of everyday size, and such with few decimals. */
        check_double((double)(int64_t)random64() / (double)(UINT64_C(1) << random64() % 63));
        check_double((double)(int32_t)random64() / tens[random64() % 10]);
        check_double((double)(random64() % 1000000000000000) / 1000);
        check_double((double)(random64() >> random64() % 64));
    }
}

static void any_float_reads_back_as_the_same_bits(void **state)
{
    for (int i = 0; i < 50000; i++) {
        uint32_t bits = i & 1 ? (uint32_t)random64() : 0;
        float value, back;

        if (bits)
            memcpy(&value, &bits, sizeof(value));
        else
            value = (float)(random64() % 20000000) / (float)tens[random64() % 8];
        if (!isfinite(value))
            continue;
        const char *text = text_of_float(value);
        back = strtof(text, NULL);
        assert_memory_equal(&back, &value, sizeof(value));
        assert_non_null(strpbrk(text, ".e"));
        assert_true(digits_of(text) <= fewest_digits((double)value, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(doubles_look_as_people_write_them),
        cmocka_unit_test(floats_look_as_people_write_them),
        cmocka_unit_test(any_double_reads_back_as_the_same_bits),
        cmocka_unit_test(any_float_reads_back_as_the_same_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
