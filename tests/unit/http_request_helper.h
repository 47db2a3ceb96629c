/* Request heads, and reading them. */
#ifndef SHARDCAST_TESTS_HTTP_REQUEST_HELPER_H
#define SHARDCAST_TESTS_HTTP_REQUEST_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http_request.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

#define LINE      "GET /ws/room?user=ann HTTP/1.1\r\n"
#define HOST      "Host: example.org\r\n"
#define UPGRADE   "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION   "Sec-WebSocket-Version: 13\r\n"
#define HANDSHAKE LINE HOST UPGRADE KEY VERSION

static inline void assert_view(struct name_view view, const char *expected)
{
    if (!expected) {
        assert_null(view.bytes);
        return;
    }
    assert_non_null(view.bytes);
    if (view.size != strlen(expected) || memcmp(view.bytes, expected, view.size))
        fail_msg("\"%.*s\", not \"%s\"", (int)view.size, view.bytes, expected);
}

/* Parses a copy of just its size, so that a sanitizer sees what is read beyond. The copy lives
 * until the next call: the request's views point into it. */
static inline int parse_bytes(struct http_request *request, const char *head, size_t size)
{
    static char *copy;

    free(copy);
    copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, head, size);
    return http_request_parse(request, copy, size);
}

static inline int parse(struct http_request *request, const char *head)
{
    return parse_bytes(request, head, strlen(head));
}

static inline enum http_upgrade check(const char *head)
{
    struct http_request request;

    assert_int_equal(parse(&request, head), 0);
    return http_upgrade_check(&request);
}

#endif
