/* nchan: the path names the channel, every frame is a message; published by HTTP POST, pipelined on
 * one connection, each answered with 201 (somebody listens) or 202. */
#define _GNU_SOURCE
#include <string.h>
#include <strings.h>

#include "bench/load_dialect.h"

#define HEADERS_MAX 4096

/* Binary frames are what nchan makes of this type, and of this type only. */
static int head(char *out, size_t room, const char *group, size_t payload)
{
    int n;

    if (!group)
        return 0;
    n = snprintf(out, room,
                 "POST /pub/%s HTTP/1.1\r\n"
                 "Host: localhost\r\n"
                 "Content-Type: application/octet-stream\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 group, payload);
    return n < 0 || (size_t)n >= room ? -1 : n;
}

/* The value of Content-Length; -1: there is none. */
static int64_t content_length(const char *headers, size_t size)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *end = headers + size, *at = memmem(headers, size, name, sizeof(name) - 1);
    int64_t length = 0;

    if (!at)
        return -1;
    for (at += sizeof(name) - 1; at < end && *at >= '0' && *at <= '9' && length < INT32_MAX; at++)
        length = length * 10 + (*at - '0');
    return length;
}

static int64_t take_answer(const uint8_t *bytes, size_t size, struct answer *answer)
{
    static const char fine[] = "HTTP/1.1 20";
    const char *text = (const char *)bytes, *end = memmem(bytes, size, "\r\n\r\n", 4);
    int64_t body, whole;

    if (!end)
        return size > HEADERS_MAX ? -1 : 0;
    body = content_length(text, (size_t)(end - text) + 2);
    if (body < 0)
        return -1;
    whole = end + 4 - text + body;
    if ((int64_t)size < whole)
        return 0;
    answer->kind = ANSWER_FINE;
    if (memcmp(text, fine, sizeof(fine) - 1) != 0) {
        answer->kind = ANSWER_REFUSED;
        snprintf(answer->refusal, sizeof(answer->refusal), "%.*s", (int)strcspn(text, "\r"), text);
    }
    return whole;
}

const struct dialect dialect_nchan = {
    .name = "nchan",
    .path = "/ws/",
    .head = head,
    .answers_all = true,
    .answer = take_answer,
};
