/* WebSocket frames that the server writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proto/frame.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static void test_headers_have_the_shortest_form(void **state)
{
    static const struct {
        uint64_t bytes;
        size_t size;
        uint8_t header[FRAME_HEADER_MAX];
    } cases[] = {
        {0, 2, {0x82, 0}},
        {125, 2, {0x82, 125}},
        {126, 4, {0x82, 126, 0, 126}},
        {256, 4, {0x82, 126, 1, 0}},
        {65535, 4, {0x82, 126, 0xFF, 0xFF}},
        {65536, 10, {0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
        {0x0102030405060708, 10, {0x82, 127, 1, 2, 3, 4, 5, 6, 7, 8}},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        uint8_t header[FRAME_HEADER_MAX];

        assert_int_equal(frame_header_encode(header, FRAME_BINARY, cases[i].bytes), cases[i].size);
        assert_memory_equal(header, cases[i].header, cases[i].size);
        assert_true(frame_length(header) == cases[i].size + cases[i].bytes);
    }
}

static void test_close_frame(void **state)
{
    uint8_t frame[2 + FRAME_CONTROL_MAX];

    assert_int_equal(frame_close_encode(frame, 3008, "slow"), 8);
    assert_memory_equal(frame, "\x88\x06\x0B\xC0slow", 8);
    assert_int_equal(frame_close_encode(frame, 1001, NULL), 4);
    assert_memory_equal(frame, "\x88\x02\x03\xE9", 4);
    assert_int_equal(frame_close_encode(frame, FRAME_CODE_NONE, "not sent"), 2);
    assert_memory_equal(frame, "\x88\x00", 2);
}

static void test_close_reason_is_cut_between_characters(void **state)
{
    for (size_t before = 118; before <= 126; before++) {
        uint8_t frame[2 + FRAME_CONTROL_MAX];
        char reason[160];
        size_t size = before <= FRAME_REASON_MAX - 4 ? before + 4 : before;

        memset(reason, 'r', before);
        memcpy(reason + before, "\xF0\x9F\x98\x80", 5);
        if (size > FRAME_REASON_MAX)
            size = FRAME_REASON_MAX;
        assert_int_equal(frame_close_encode(frame, 1008, reason), 4 + size);
        assert_int_equal(frame[1], 2 + size);
        assert_memory_equal(frame + 4, reason, size);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_have_the_shortest_form),
        cmocka_unit_test(test_close_frame),
        cmocka_unit_test(test_close_reason_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
