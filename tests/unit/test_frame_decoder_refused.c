/* What the decoder refuses, at the first byte that breaks the protocol. */
#include "frame_decoder_helper.h"

/* ---- what it refuses ---- */

/* Each stream must be refused at its last byte, not before and not later. */
static void expect_error_at_end(const struct stream *stream, uint64_t message_max, unsigned code)
{
    struct frame_decoder decoder;
    struct frame_event event;
    uint8_t bytes[sizeof(stream->bytes)];
    char expected[32];

    snprintf(expected, sizeof(expected), "error %u() ", code);
    expect_within(stream, message_max, expected);
    memcpy(bytes, stream->bytes, stream->size);
    frame_decoder_init(&decoder);
    for (size_t i = 0; i < stream->size; i++) {
        assert_int_equal(frame_decode(&decoder, bytes + i, 1, message_max, &event), 1);
        assert_int_equal(event.kind == FRAME_EVENT_ERROR, i + 1 == stream->size);
    }
    assert_false(frame_decoder_idle(&decoder));
}

struct refused {
    const char *bytes;
    size_t size;
};
#define REFUSED(text)          \
    {                          \
        text, sizeof(text) - 1 \
    }

static void test_headers_that_break_the_protocol(void **state)
{
    static const struct refused cases[] = {
        REFUSED("\xC1"), /* reserved bits */
        REFUSED("\xA1"),
        REFUSED("\x91"),
        REFUSED("\xF1"),
        REFUSED("\xC9"),
        REFUSED("\x83"), /* reserved opcodes */
        REFUSED("\x84"),
        REFUSED("\x85"),
        REFUSED("\x86"),
        REFUSED("\x87"),
        REFUSED("\x8B"),
        REFUSED("\x8C"),
        REFUSED("\x8D"),
        REFUSED("\x8E"),
        REFUSED("\x8F"),
        REFUSED("\x03"),
        REFUSED("\x80"), /* continues nothing */
        REFUSED("\x00"),
        REFUSED("\x08"), /* fragmented control frames */
        REFUSED("\x09"),
        REFUSED("\x0A"),
        REFUSED("\x81\x05"), /* not masked */
        REFUSED("\x89\x00"),
        REFUSED("\x81\x7F"),
        REFUSED("\x88\xFE"), /* long control frames */
        REFUSED("\x89\xFE"),
        REFUSED("\x8A\xFF"),
        REFUSED("\x82\xFE\x00\x7D"), /* longer forms than needed */
        REFUSED("\x82\xFE\x00\x00"),
        REFUSED("\x82\xFF\x00\x00\x00\x00\x00\x00\xFF\xFF"),
        REFUSED("\x82\xFF\x00\x00\x00\x00\x00\x00\x00\x00"),
        REFUSED("\x82\xFF\x80\x00\x00\x00\x00\x00\x00\x01"), /* top bit */
        REFUSED("\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct stream stream = {0};

        put(&stream, cases[i].bytes, cases[i].size);
        expect_error_at_end(&stream, UINT64_MAX, 1002);
    }
}

static void test_fragments_out_of_order(void **state)
{
    static const uint8_t starts[] = {0x81, 0x82, 0x01, 0x02};

    for (size_t i = 0; i < LENGTH(starts); i++) {
        struct stream stream = {0};

        FRAME(&stream, 0x01, ""); /* also an empty fragment begins a message */
        put(&stream, &starts[i], 1);
        expect_error_at_end(&stream, 1000, 1002);
    }
    struct stream after = {0};
    FRAME(&after, 0x02, "a");
    FRAME(&after, 0x80, "b");
    put(&after, "\x80", 1);
    expect(&after, "binary(ab) error 1002() ");
}

static void test_a_bad_frame_after_good_ones(void **state)
{
    struct stream stream = {0};

    FRAME(&stream, 0x81, "good");
    FRAME(&stream, 0x89, "too");
    FRAME(&stream, 0xC1, "bad");
    FRAME(&stream, 0x81, "late");
    expect(&stream, "text(good) ping(too) error 1002() ");
}

static void test_messages_over_the_limit(void **state)
{
    struct stream whole = {0}, sum = {0}, fits = {0}, none = {0};

    put(&whole, "\x82\x8B", 2); /* 11 bytes: known before the mask */
    expect_error_at_end(&whole, 10, 1009);

    FRAME(&sum, 0x02, "1234567");
    FRAME(&sum, 0x00, "89");
    put(&sum, "\x80\x82", 2);
    expect_error_at_end(&sum, 10, 1009);

    FRAME(&fits, 0x02, "1234567");
    FRAME(&fits, 0x89, "control frames do not count");
    FRAME(&fits, 0x80, "890");
    FRAME(&fits, 0x82, "0987654321");
    expect_within(&fits, 10,
                  "ping(control frames do not count) binary(1234567890) "
                  "binary(0987654321) ");

    FRAME(&none, 0x82, "");
    put(&none, "\x82\x81", 2);
    expect_within(&none, 0, "binary() error 1009() ");
}

static void test_the_limit_may_fall_while_a_message_is_under_way(void **state)
{
    struct stream stream = {0};
    struct frame_decoder decoder;
    struct transcript out = {0};

    FRAME(&stream, 0x02, "1234567");
    frame_decoder_init(&decoder);
    feed(&decoder, &out, stream.bytes, stream.size, 10);
    feed(&decoder, &out, (const uint8_t *)"\x80\x80", 2, 3);
    assert_string_equal(out.text, "error 1009() ");
}

static void test_a_sum_of_lengths_cannot_wrap(void **state)
{
    struct stream stream = {0};

    FRAME(&stream, 0x02, "x");
    put(&stream, "\x00\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10);
    expect_error_at_end(&stream, 1000, 1009);
}

/* ---- text ---- */

static void test_characters_cut_by_fragments_and_pings(void **state)
{
    struct stream stream = {0};

    FRAME(&stream, 0x01, "caf\xC3");
    FRAME(&stream, 0x89, "\xFF\xFE"); /* not text */
    FRAME(&stream, 0x00, "\xA9 \xF0\x9F");
    FRAME(&stream, 0x8A, "");
    FRAME(&stream, 0x00, "\x98");
    FRAME(&stream, 0x80, "\x80!");
    expect(&stream, "ping(\xFF\xFE) pong() text(caf\xC3\xA9 \xF0\x9F\x98\x80!) ");
}

static void test_text_that_is_not_utf8_is_refused_at_once(void **state)
{
    static const struct refused cases[] = {
        REFUSED("\x80"),
        REFUSED("abcdefgh\xFF"),
        REFUSED("\xC0"),
        REFUSED("\xED\xA0"),
        REFUSED("\xE0\x80"),
        REFUSED("\xF4\x90"),
        REFUSED("\xC3\x28"),
        REFUSED("\xF8"),
        REFUSED("0123456789\xCE\xBA\xE1\xBD\xB9\xF5"),
        REFUSED("\xE2\x82\x41"),
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct stream stream = {0}, fragments = {0};

        put(&stream, "\x81\x9E\x37\xFA\x21\x3D", 6); /* 30 bytes; the rest never comes */
        put_masked(&stream, cases[i].bytes, cases[i].size);
        expect_error_at_end(&stream, 1000, 1007);

        for (size_t k = 0; k < cases[i].size; k++)
            put_frame(&fragments, k ? 0x00 : 0x01, cases[i].bytes + k, 1);
        expect_error_at_end(&fragments, 1000, 1007);
    }
}

static void test_text_that_ends_inside_a_character(void **state)
{
    struct stream whole = {0}, empty_end = {0};

    FRAME(&whole, 0x81, "price: \xE2\x82");
    expect_error_at_end(&whole, 1000, 1007);

    FRAME(&empty_end, 0x01, "\xE2\x82");
    FRAME(&empty_end, 0x80, "");
    expect_error_at_end(&empty_end, 1000, 1007);
}

static void test_a_message_does_not_inherit_the_last_ones_state(void **state)
{
    struct stream stream = {0};

    FRAME(&stream, 0x82, "\xE2\x82"); /* binary may hold anything */
    FRAME(&stream, 0x81, "\xC3\xA9");
    FRAME(&stream, 0x02, "\xFF");
    FRAME(&stream, 0x80, "\xF0");
    FRAME(&stream, 0x81, "ok");
    expect(&stream, "binary(\xE2\x82) text(\xC3\xA9) binary(\xFF\xF0) text(ok) ");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_that_break_the_protocol),
        cmocka_unit_test(test_fragments_out_of_order),
        cmocka_unit_test(test_a_bad_frame_after_good_ones),
        cmocka_unit_test(test_messages_over_the_limit),
        cmocka_unit_test(test_the_limit_may_fall_while_a_message_is_under_way),
        cmocka_unit_test(test_a_sum_of_lengths_cannot_wrap),
        cmocka_unit_test(test_characters_cut_by_fragments_and_pings),
        cmocka_unit_test(test_text_that_is_not_utf8_is_refused_at_once),
        cmocka_unit_test(test_text_that_ends_inside_a_character),
        cmocka_unit_test(test_a_message_does_not_inherit_the_last_ones_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
