/* UTF-8 against a plain decoder of RFC 3629: what it takes, utf8_check() takes, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/utf8.h"

/* The length of the character at `at`, or 0 where there is none. */
static size_t reference_character(const uint8_t *at, size_t size)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = *at < 0x80             ? 1
                    : (*at & 0xE0) == 0xC0 ? 2
                    : (*at & 0xF0) == 0xE0 ? 3
                    : (*at & 0xF8) == 0xF0 ? 4
                                           : 0;
    uint32_t point = length == 1 ? *at : *at & (0x7Fu >> length);

    if (!length || length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3F);
    }
    if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return 0;
    return length;
}

static bool reference_valid(const uint8_t *bytes, size_t size)
{
    for (size_t at = 0, length; at < size; at += length) {
        length = reference_character(bytes + at, size - at);
        if (!length)
            return false;
    }
    return true;
}

static size_t encode(uint8_t out[4], uint32_t point)
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i; i--, point >>= 6)
        out[i] = (uint8_t)(0x80 | (point & 0x3F));
    out[0] = (uint8_t)(0xF0u << (4 - length) | point);
    return length;
}

static void test_every_sequence_of_one_and_two_bytes(void **state)
{
    for (unsigned i = 0; i < 0x10000; i++) {
        uint8_t bytes[2] = {(uint8_t)(i >> 8), (uint8_t)i};

        if (utf8_valid(bytes, 2) != reference_valid(bytes, 2) ||
            utf8_valid(bytes, 1) != reference_valid(bytes, 1))
            fail_msg("%02x %02x", bytes[0], bytes[1]);
    }
}

static void test_every_sequence_of_three_bytes(void **state)
{
    /* What follows a byte of ASCII is the test before. */
    for (unsigned i = 0x800000; i < 0x1000000; i++) {
        uint8_t bytes[3] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

        if (utf8_valid(bytes, 3) != reference_valid(bytes, 3))
            fail_msg("%02x %02x %02x", bytes[0], bytes[1], bytes[2]);
    }
}

/* Bytes on both sides of every edge of the grammar, in all combinations and all cuts. */
static void test_edges_of_four_bytes_in_every_cut(void **state)
{
    static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                    0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
                                    0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFE, 0xFF};
    size_t n = sizeof(edges);

    for (size_t i = 0; i < n * n * n * n; i++) {
        uint8_t bytes[4] = {edges[i % n], edges[i / n % n], edges[i / n / n % n],
                            edges[i / n / n / n]};
        bool expected = reference_valid(bytes, 4);

        for (size_t cut = 0; cut <= 4; cut++) {
            uint32_t now = utf8_check(UTF8_ACCEPT, bytes, cut);

            if ((utf8_check(now, bytes + cut, 4 - cut) == UTF8_ACCEPT) != expected)
                fail_msg("%02x %02x %02x %02x cut at %zu", bytes[0], bytes[1], bytes[2], bytes[3],
                         cut);
        }
    }
}

/* Each character comes at another place of the eight bytes that are taken at a time. */
static void test_every_character_among_others(void **state)
{
    static const char around[] = "0123456789abcdef";

    for (uint32_t point = 0; point <= 0x10FFFF; point++) {
        uint8_t bytes[32];
        size_t before = point % 16, size = before;

        if (point >= 0xD800 && point <= 0xDFFF)
            continue;
        memcpy(bytes, around, before);
        size += encode(bytes + size, point);
        memcpy(bytes + size, around, 9);
        if (!utf8_valid(bytes, size + 9))
            fail_msg("U+%04X", point);
    }
}

static void test_one_bad_byte_is_found_wherever_it_is(void **state)
{
    for (size_t size = 1; size < 40; size++) {
        for (size_t bad = 0; bad < size; bad++) {
            uint8_t *bytes = malloc(size); /* of just this size, so that reading past is seen */

            assert_non_null(bytes);
            memset(bytes, 'x', size);
            assert_true(utf8_valid(bytes, size));
            bytes[bad] = 0x80;
            assert_false(utf8_valid(bytes, size));
            assert_int_equal(utf8_check(UTF8_ACCEPT, bytes, size), UTF8_REJECT);
            free(bytes);
        }
    }
}

/* A close frame's answer must not wait for the end of a message: RFC 6455 section 8.1. */
static void test_rejects_at_the_first_byte_that_cannot_be(void **state)
{
    static const struct {
        const char *bytes;
        size_t bad; /* index */
    } cases[] = {
        {"\xF4\x90\x80\x80", 1}, {"\xF0\x8F\xBF\xBF", 1}, {"\xED\xA0\x80", 1}, {"\xE0\x9F\xBF", 1},
        {"\xC1\xBF", 0},         {"\xF5\x80\x80\x80", 0}, {"\xE2\x82 ", 2},    {"\xF1\x80\x80 ", 3},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint32_t before = utf8_check(UTF8_ACCEPT, cases[i].bytes, cases[i].bad);

        assert_int_not_equal(before, UTF8_REJECT);
        assert_int_equal(utf8_check(before, cases[i].bytes + cases[i].bad, 1), UTF8_REJECT);
    }
}

static void test_a_rejection_stays_and_nothing_changes_nothing(void **state)
{
    uint32_t inside = utf8_check(UTF8_ACCEPT, "\xE2\x82", 2);

    assert_int_equal(utf8_check(UTF8_REJECT, "plain ASCII text", 16), UTF8_REJECT);
    assert_int_equal(utf8_check(UTF8_ACCEPT, NULL, 0), UTF8_ACCEPT);
    assert_int_equal(utf8_check(UTF8_REJECT, NULL, 0), UTF8_REJECT);
    assert_int_not_equal(inside, UTF8_ACCEPT);
    assert_int_not_equal(inside, UTF8_REJECT);
    assert_int_equal(utf8_check(inside, NULL, 0), inside);
    assert_int_equal(utf8_check(inside, "\xAC", 1), UTF8_ACCEPT);
    assert_int_equal(utf8_check(inside, "0123456789abcdef", 16), UTF8_REJECT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_sequence_of_one_and_two_bytes),
        cmocka_unit_test(test_every_sequence_of_three_bytes),
        cmocka_unit_test(test_edges_of_four_bytes_in_every_cut),
        cmocka_unit_test(test_every_character_among_others),
        cmocka_unit_test(test_one_bad_byte_is_found_wherever_it_is),
        cmocka_unit_test(test_rejects_at_the_first_byte_that_cannot_be),
        cmocka_unit_test(test_a_rejection_stays_and_nothing_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
