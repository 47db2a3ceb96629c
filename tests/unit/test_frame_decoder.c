/* What the decoder makes of a client's bytes, in every cut. */
#include "frame_decoder_helper.h"

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
        cmocka_unit_test(test_idle_only_between_messages),
        cmocka_unit_test(test_the_largest_ping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
