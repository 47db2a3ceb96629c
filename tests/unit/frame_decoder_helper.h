/* A client's bytes, and what the decoder makes of them, in every cut. */
#ifndef SHARDCAST_TESTS_FRAME_DECODER_HELPER_H
#define SHARDCAST_TESTS_FRAME_DECODER_HELPER_H

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

static inline void put(struct stream *stream, const void *bytes, size_t size)
{
    assert_true(stream->size + size <= sizeof(stream->bytes));
    if (size)
        memcpy(stream->bytes + stream->size, bytes, size);
    stream->size += size;
}

static inline void put_masked(struct stream *stream, const char *payload, size_t size)
{
    for (size_t i = 0; i < size; i++)
        put(stream, &(uint8_t){(uint8_t)payload[i] ^ mask[i % 4]}, 1);
}

/* `first` is the first byte as it is: FIN, reserved bits, opcode. */
static inline void put_frame(struct stream *stream, uint8_t first, const char *payload, size_t size)
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

static inline void write_down(struct transcript *out, const char *kind, const void *bytes,
                              size_t size)
{
    out->size += (size_t)snprintf(out->text + out->size, sizeof(out->text) - out->size, "%s(%.*s) ",
                                  kind, (int)size, size ? (const char *)bytes : "");
    assert_true(out->size < sizeof(out->text));
}

static inline void record(struct transcript *out, const struct frame_event *event)
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
static inline void feed(struct frame_decoder *decoder, struct transcript *out, const uint8_t *bytes,
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

static inline void expect_cut(const struct stream *stream, uint64_t message_max,
                              const char *expected, size_t first, size_t second)
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

static inline void expect_within(const struct stream *stream, uint64_t message_max,
                                 const char *expected)
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

static inline void expect(const struct stream *stream, const char *expected)
{
    expect_within(stream, 1000, expected);
}

#endif
