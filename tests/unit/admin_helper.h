/* The admin server of an engine with two shards, on a loop of its own, and a client of it. */
#ifndef SHARDCAST_TESTS_ADMIN_HELPER_H
#define SHARDCAST_TESTS_ADMIN_HELPER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <libwebsockets.h>

#include "engine/admin.h"

#define SHARDS 2
#define WAIT_S 5

/* An engine with two shards, as the admin server sees it. */
struct fake {
    uv_loop_t loop;
    struct admin *admin;
    uint16_t port;
    bool not_ready;
    bool stuck[SHARDS];
    uint32_t namespace_count;
    struct metrics_namespace *namespaces;
};

static inline bool fake_ready(void *ctx)
{
    struct fake *fake = ctx;

    return !fake->not_ready;
}

static inline bool fake_turning(void *ctx, uint32_t shard)
{
    struct fake *fake = ctx;

    return !fake->stuck[shard];
}

static inline void fake_gather(void *ctx, struct stats *stats)
{
    stats->sum.connections = 3;
    stats->shards[0].connections = 1;
    stats->shards[1].connections = 2;
}

static inline uint32_t fake_namespaces(void *ctx, const struct metrics_namespace **namespaces)
{
    struct fake *fake = ctx;

    *namespaces = fake->namespaces;
    return fake->namespace_count;
}

static inline int start(struct fake *fake, const char *address, const char *token, char *error)
{
    const struct admin_source source = {
        .ctx = fake,
        .shards = SHARDS,
        .ready = fake_ready,
        .turning = fake_turning,
        .gather = fake_gather,
        .namespaces = fake_namespaces,
    };

    int status = admin_start(&fake->admin, &fake->loop, address, token, &source, error);
    if (!status)
        fake->port = (uint16_t)atoi(strrchr(admin_address(fake->admin), ':') + 1);
    return status;
}

static inline struct fake *begin(const char *token)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    char error[ADMIN_ERROR_MAX];

    assert_non_null(fake);
    lws_set_log_level(LLL_ERR, NULL);
    assert_int_equal(uv_loop_init(&fake->loop), 0);
    assert_int_equal(start(fake, "127.0.0.1:0", token, error), 0);
    return fake;
}

static inline void end(struct fake *fake)
{
    admin_stop(fake->admin);
    uv_run(&fake->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fake->loop), 0); /* no handle was left */
    free(fake->namespaces);
    free(fake);
}

/* ---- a client ---- */

static inline int dial(const struct fake *fake)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(fake->port),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static inline double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline void turn(struct fake *fake)
{
    static const struct timespec pause = {.tv_nsec = 200000};

    uv_run(&fake->loop, UV_RUN_NOWAIT);
    nanosleep(&pause, NULL);
}

/* A response that was read. */
struct response {
    int status;
    char *head, *body; /* body points into head */
    size_t body_size;
    bool closed; /* the server closed behind it */
};

static inline void forget(struct response *response)
{
    free(response->head);
}

/* Reads until `size` bytes are there, or the end. Returns how many came. */
static inline size_t take(struct fake *fake, int fd, char *to, size_t size, bool *closed)
{
    double until = now() + WAIT_S;
    size_t have = 0;

    *closed = false;
    while (have < size && now() < until) {
        ssize_t got = recv(fd, to + have, size - have, MSG_DONTWAIT);

        if (got > 0) {
            have += (size_t)got;
            continue;
        }
        if (!got || errno == ECONNRESET) {
            *closed = true;
            break;
        }
        turn(fake);
    }
    return have;
}

/* Reads one response; `bodiless`: to HEAD. */
static inline struct response hear(struct fake *fake, int fd, bool bodiless)
{
    struct response response = {.head = calloc(1, 65536)};
    size_t have = 0;
    bool closed = false;

    assert_non_null(response.head);
    while (!strstr(response.head, "\r\n\r\n")) {
        assert_true(have < 65535);
        size_t got = take(fake, fd, response.head + have, 1, &closed);

        if (!got)
            break;
        have += got;
    }
    response.closed = closed;
    if (sscanf(response.head, "HTTP/1.1 %d", &response.status) != 1)
        return response;

    const char *length = strstr(response.head, "Content-Length: ");
    assert_non_null(length);
    response.body_size = strtoul(length + strlen("Content-Length: "), NULL, 10);
    response.head = realloc(response.head, have + response.body_size + 1);
    assert_non_null(response.head);
    response.body = response.head + have;
    if (!bodiless)
        assert_int_equal(take(fake, fd, response.body, response.body_size, &closed),
                         response.body_size);
    response.body[bodiless ? 0 : response.body_size] = '\0';
    return response;
}

/* Nothing more comes: the server closes. */
static inline void assert_closes(struct fake *fake, int fd)
{
    char byte;
    bool closed;

    assert_int_equal(take(fake, fd, &byte, 1, &closed), 0);
    assert_true(closed);
}

static inline struct response ask(struct fake *fake, const char *request)
{
    int fd = dial(fake);

    say(fd, request);
    struct response response = hear(fake, fd, !strncmp(request, "HEAD", 4));
    close(fd);
    return response;
}

static inline struct response get(struct fake *fake, const char *path)
{
    char request[256];

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    return ask(fake, request);
}

static inline void assert_status(struct fake *fake, const char *request, int status)
{
    struct response response = ask(fake, request);

    if (response.status != status)
        print_error("%s -> %s\n", request, response.head);
    assert_int_equal(response.status, status);
    forget(&response);
}

/* Enough namespaces for a response of several megabytes: more than a socket takes. */
static inline void grow_metrics(struct fake *fake)
{
    static const char name[] =
        "a-namespace-with-a-name-that-is-long-enough-to-fill-a-socket-buffer";

    fake->namespace_count = 100000;
    fake->namespaces = calloc(fake->namespace_count, sizeof(*fake->namespaces));
    assert_non_null(fake->namespaces);
    for (uint32_t i = 0; i < fake->namespace_count; i++)
        fake->namespaces[i].name = name;
}

#endif
