/* What the decoder makes of a client's bytes, in every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* ---- what a client sends ---- */

struct stream {
    size_t size;
    uint8_t bytes[1024];
};

static const uint8_t mask[4] = {0x37, 0xFA, 0x21, 0x3D}; /* RFC 6455 section 5.7 */

static void put(struct stream *stream, const void *bytes, size_t size)
{
    assert_true(stream->size + size <= sizeof(stream->bytes));
    if (size)
        memcpy(stream->bytes + stream->size, bytes, size);
    stream->size += size;
}

static void put_masked(struct stream *stream, const char *payload, size_t size)
{
    for (size_t i = 0; i < size; i++)
        put(stream, &(uint8_t){(uint8_t)payload[i] ^ mask[i % 4]}, 1);
}

/* `first` is the first byte as it is: FIN, reserved bits, opcode. */
static void put_frame(struct stream *stream, uint8_t first, const char *payload, size_t size)
{
    uint8_t header[FRAME_HEADER_MAX];
    size_t header_bytes = frame_header_encode(header, FRAME_TEXT, size);

    header[0] = first;
    header[1] |= 0x80;
    put(stream, header, header_bytes);
    put(stream, mask, 4);
    put_masked(stream, payload, size);
}

#define FRAME(stream, first, text) put_frame(stream, first, text, sizeof(text) - 1)

/* ---- what the decoder makes of it, as a text that does not depend on the cuts ---- */

struct transcript {
    size_t size, message;
    char text[2048], pieces[1024];
};

static void write_down(struct transcript *out, const char *kind, const void *bytes, size_t size)
{
    out->size += (size_t)snprintf(out->text + out->size, sizeof(out->text) - out->size, "%s(%.*s) ",
                                  kind, (int)size, size ? (const char *)bytes : "");
    assert_true(out->size < sizeof(out->text));
}

static void record(struct transcript *out, const struct frame_event *event)
{
    char kind[64];

    switch (event->kind) {
    case FRAME_EVENT_DATA:
        assert_true(out->message + event->size <= sizeof(out->pieces));
        memcpy(out->pieces + out->message, event->bytes, event->size);
        out->message += event->size;
        if (!event->last)
            return;
        write_down(out, event->opcode == FRAME_TEXT ? "text" : "binary", out->pieces, out->message);
        out->message = 0;
        return;
    case FRAME_EVENT_PING:
        write_down(out, "ping", event->bytes, event->size);
        return;
    case FRAME_EVENT_PONG:
        write_down(out, "pong", event->bytes, event->size);
        return;
    case FRAME_EVENT_CLOSE:
        snprintf(kind, sizeof(kind), "close %u", event->code);
        write_down(out, kind, event->bytes, event->size);
        return;
    case FRAME_EVENT_ERROR:
        assert_non_null(event->reason);
        snprintf(kind, sizeof(kind), "error %u", event->code);
        write_down(out, kind, NULL, 0);
        return;
    default:
        fail_msg("event %d", event->kind);
    }
}

/* Bytes lie in memory of just their size, so that a sanitizer sees what is read beyond. */
static void feed(struct frame_decoder *decoder, struct transcript *out, const uint8_t *bytes,
                 size_t size, uint64_t message_max)
{
    uint8_t *copy = malloc(size ? size : 1);
    size_t at = 0;
    struct frame_event event;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    for (;;) {
        size_t used = frame_decode(decoder, copy + at, size - at, message_max, &event);

        assert_true(used <= size - at);
        at += used;
        if (event.kind == FRAME_EVENT_NONE)
            break;
        record(out, &event);
    }
    assert_int_equal(at, size);
    free(copy);
}

static void expect_cut(const struct stream *stream, uint64_t message_max, const char *expected,
                       size_t first, size_t second)
{
    struct frame_decoder decoder;
    struct transcript out = {0};

    frame_decoder_init(&decoder);
    feed(&decoder, &out, stream->bytes, first, message_max);
    feed(&decoder, &out, stream->bytes + first, second - first, message_max);
    feed(&decoder, &out, stream->bytes + second, stream->size - second, message_max);
    if (strcmp(out.text, expected))
        fail_msg("cut at %zu and %zu: %s, not %s", first, second, out.text, expected);
}

static void expect_within(const struct stream *stream, uint64_t message_max, const char *expected)
{
    struct frame_decoder decoder;
    struct transcript out = {0};

    frame_decoder_init(&decoder);
    for (size_t i = 0; i < stream->size; i++)
        feed(&decoder, &out, stream->bytes + i, 1, message_max);
    assert_string_equal(out.text, expected);
    for (size_t first = 0; first <= stream->size; first++)
        for (size_t second = first; second <= stream->size;
             second += stream->size > 200 ? stream->size / 16 : 1)
            expect_cut(stream, message_max, expected, first, second);
}

static void expect(const struct stream *stream, const char *expected)
{
    expect_within(stream, 1000, expected);
}

/* ---- what it takes ---- */

static void test_messages_and_control_frames(void **state)
{
    struct stream stream = {0};

    FRAME(&stream, 0x81, "Hello");
    FRAME(&stream, 0x82, "\x01\xFF\x7F");
    FRAME(&stream, 0x81, "");
    FRAME(&stream, 0x89, "");
    FRAME(&stream, 0x89, "are you there?");
    FRAME(&stream, 0x8A, "yes");
    FRAME(&stream, 0x82, "");
    expect(&stream, "text(Hello) binary(\x01\xFF\x7F) text() ping() ping(are you there?) "
                    "pong(yes) binary() ");
}

static void test_fragments_with_control_frames_between(void **state)
{
    struct stream stream = {0};

    FRAME(&stream, 0x01, "Hel");
    FRAME(&stream, 0x89, "one");
    FRAME(&stream, 0x00, "lo, ");
    FRAME(&stream, 0x8A, "");
    FRAME(&stream, 0x00, "");
    FRAME(&stream, 0x80, "world");
    FRAME(&stream, 0x02, "");
    FRAME(&stream, 0x00, "");
    FRAME(&stream, 0x80, "");
    FRAME(&stream, 0x81, "next");
    expect(&stream, "ping(one) pong() text(Hello, world) binary() text(next) ");
}

static void test_every_payload_length_around_the_forms(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 124, 125, 126, 127, 128, 255, 256, 300};

    for (size_t i = 0; i < LENGTH(sizes); i++) {
        struct stream stream = {0};
        char payload[301], expected[400];

        for (size_t k = 0; k < sizes[i]; k++)
            payload[k] = (char)('a' + k % 26);
        payload[sizes[i]] = '\0';
        put_frame(&stream, 0x81, payload, sizes[i]);
        snprintf(expected, sizeof(expected), "text(%s) ", payload);
        expect(&stream, expected);
    }
}

static void test_a_large_frame_in_pieces(void **state)
{
    const size_t size = 70001;
    uint8_t *frame = malloc(14 + size);
    struct frame_decoder decoder;
    struct frame_event event;
    size_t have = frame_header_encode(frame, FRAME_BINARY, size), at = 0, seen = 0;

    assert_non_null(frame);
    frame[1] |= 0x80;
    memcpy(frame + have, mask, 4);
    have += 4;
    for (size_t i = 0; i < size; i++)
        frame[have + i] = (uint8_t)(i * 7) ^ mask[i % 4];
    frame_decoder_init(&decoder);
    for (size_t step = 1; at < have + size; at += step, step = step % 97 + 1) {
        if (step > have + size - at)
            step = have + size - at;
        assert_int_equal(frame_decode(&decoder, frame + at, step, size, &event), step);
        if (event.kind == FRAME_EVENT_NONE)
            continue;
        assert_int_equal(event.kind, FRAME_EVENT_DATA);
        assert_int_equal(event.last, at + step == have + size);
        for (size_t i = 0; i < event.size; i++)
            assert_int_equal(event.bytes[i], (uint8_t)((seen + i) * 7));
        seen += event.size;
    }
    assert_int_equal(seen, size);
    assert_true(frame_decoder_idle(&decoder));
    free(frame);
}

static void test_any_mask_at_any_alignment(void **state)
{
    for (unsigned key = 0; key < 4; key++) {
        for (size_t offset = 0; offset < 8; offset++) {
            const uint8_t keys[4][4] = {{0}, {1, 2, 3, 4}, {0xFF, 0xFF, 0xFF, 0xFF}, {0, 0, 0, 9}};
            uint8_t bytes[64] = {0};
            uint8_t *frame = bytes + offset;
            struct frame_decoder decoder;
            struct frame_event event;

            frame[0] = 0x82;
            frame[1] = 0x80 | 29;
            memcpy(frame + 2, keys[key], 4);
            for (unsigned i = 0; i < 29; i++)
                frame[6 + i] = (uint8_t)(i + 100) ^ keys[key][i % 4];
            frame_decoder_init(&decoder);
            assert_int_equal(frame_decode(&decoder, frame, 35, 29, &event), 35);
            assert_ptr_equal(event.bytes, frame + 6); /* in place */
            assert_int_equal(event.size, 29);
            for (unsigned i = 0; i < 29; i++)
                assert_int_equal(event.bytes[i], i + 100);
            assert_int_equal(frame[35], 0);
        }
    }
}

static void test_close_frames(void **state)
{
    static const struct {
        const char *payload;
        size_t size;
        const char *expected;
    } cases[] = {
        {"", 0, "close 1005() "},
        {"\x03\xE8", 2, "close 1000() "},
        {"\x03\xE9going away", 12, "close 1001(going away) "},
        {"\x0B\xB8\xE2\x82\xAC", 5, "close 3000(\xE2\x82\xAC) "},
        {"\x03", 1, "error 1002() "},
        {"\x03\xE8\xE2\x82", 4, "error 1007() "},
        {"\x03\xE8\xFF", 3, "error 1007() "},
        {"\x03\xED", 2, "error 1002() "}, /* 1005 is for this side only */
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct stream stream = {0};

        put_frame(&stream, 0x88, cases[i].payload, cases[i].size);
        FRAME(&stream, 0x81, "nobody hears this");
        expect(&stream, cases[i].expected);
    }
}

static void test_every_close_code(void **state)
{
    for (unsigned code = 0; code <= 0xFFFF; code++) {
        bool allowed =
            (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
            (code >= 3000 && code <= 4999);
        const char payload[2] = {(char)(code >> 8), (char)code};
        struct stream stream = {0};
        struct frame_decoder decoder;
        struct frame_event event;

        put_frame(&stream, 0x88, payload, 2);
        frame_decoder_init(&decoder);
        (void)frame_decode(&decoder, stream.bytes, stream.size, 0, &event);
        assert_int_equal(event.kind, allowed ? FRAME_EVENT_CLOSE : FRAME_EVENT_ERROR);
        assert_int_equal(event.code, allowed ? code : 1002);
    }
}

static void test_close_inside_a_message(void **state)
{
    struct stream stream = {0};

    FRAME(&stream, 0x01, "unfini");
    FRAME(&stream, 0x88, "\x03\xE8");
    FRAME(&stream, 0x80, "shed");
    expect(&stream, "close 1000() ");
}

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

/* ---- its life ---- */

static void test_idle_only_between_messages(void **state)
{
    struct stream stream = {0};
    struct frame_decoder decoder;
    struct transcript out = {0};
    size_t first_message, ping;

    FRAME(&stream, 0x01, "ab");
    FRAME(&stream, 0x80, "c");
    first_message = stream.size;
    FRAME(&stream, 0x89, "p");
    ping = stream.size;
    FRAME(&stream, 0x88, "");
    frame_decoder_init(&decoder);
    for (size_t i = 0; i < stream.size; i++) {
        assert_int_equal(frame_decoder_idle(&decoder), i == 0 || i == first_message || i == ping);
        feed(&decoder, &out, stream.bytes + i, 1, 100);
    }
    assert_false(frame_decoder_idle(&decoder)); /* closed for good */
    feed(&decoder, &out, (const uint8_t *)"\x81\x80....", 6, 100);
    assert_string_equal(out.text, "text(abc) ping(p) close 1005() ");
}

static void test_the_largest_ping(void **state)
{
    struct stream stream = {0};
    char payload[FRAME_CONTROL_MAX + 1], expected[200];

    memset(payload, 'p', FRAME_CONTROL_MAX);
    payload[FRAME_CONTROL_MAX] = '\0';
    put_frame(&stream, 0x89, payload, FRAME_CONTROL_MAX);
    snprintf(expected, sizeof(expected), "ping(%s) ", payload);
    expect(&stream, expected);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_and_control_frames),
        cmocka_unit_test(test_fragments_with_control_frames_between),
        cmocka_unit_test(test_every_payload_length_around_the_forms),
        cmocka_unit_test(test_a_large_frame_in_pieces),
        cmocka_unit_test(test_any_mask_at_any_alignment),
        cmocka_unit_test(test_close_frames),
        cmocka_unit_test(test_every_close_code),
        cmocka_unit_test(test_close_inside_a_message),
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
        cmocka_unit_test(test_idle_only_between_messages),
        cmocka_unit_test(test_the_largest_ping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
