/* Payloads and what is made of them, for the tests of replies and pushes. */
#ifndef SHARDCAST_TESTS_SDK_PAYLOAD_HELPER_H
#define SHARDCAST_TESTS_SDK_PAYLOAD_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/buffer.h"
#include "proto/frame.h"
#include "proto/payload.h"

static inline struct name_view view_of(const char *text)
{
    return (struct name_view){text, (uint32_t)strlen(text)};
}

static inline struct publisher publisher_of(const char *client, const char *user)
{
    return (struct publisher){view_of(client), view_of(user)};
}

static inline struct payload *payload_of(enum payload_kind kind, const void *bytes, size_t size)
{
    struct payload *payload = payload_new(kind, (uint32_t)size);

    assert_non_null(payload);
    memcpy(payload_body(payload), bytes, size);
    return payload;
}

static inline struct payload *text_of(const char *text)
{
    return payload_of(PAYLOAD_TEXT, text, strlen(text));
}

/* A frame of that opcode and body, in no other form than the shortest. Gives the push back. */
static inline void check_frame(struct payload *push, enum frame_opcode opcode, const void *body,
                               size_t size)
{
    uint8_t header[FRAME_HEADER_MAX];

    assert_non_null(push);
    assert_int_equal(push->header_bytes, frame_header_encode(header, opcode, size));
    assert_memory_equal(push->frame, header, push->header_bytes);
    assert_int_equal(push->body_bytes, size);
    assert_memory_equal(payload_body(push), body, size);
    payload_unref(push);
}

/* The buffer holds just that; frees it. */
static inline void check_buffer(struct buffer *out, const void *bytes, size_t size)
{
    if (out->size != size || memcmp(out->bytes, bytes, size) != 0) {
        print_error("%.*s\n", (int)out->size, (const char *)out->bytes);
        fail();
    }
    buffer_free(out);
}

#endif
