/* The admin server, talked to over plain sockets on the loop that it lives on. */
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

static bool fake_ready(void *ctx)
{
    struct fake *fake = ctx;

    return !fake->not_ready;
}

static bool fake_turning(void *ctx, uint32_t shard)
{
    struct fake *fake = ctx;

    return !fake->stuck[shard];
}

static void fake_gather(void *ctx, struct stats *stats)
{
    stats->sum.connections = 3;
    stats->shards[0].connections = 1;
    stats->shards[1].connections = 2;
}

static uint32_t fake_namespaces(void *ctx, const struct metrics_namespace **namespaces)
{
    struct fake *fake = ctx;

    *namespaces = fake->namespaces;
    return fake->namespace_count;
}

static int start(struct fake *fake, const char *address, const char *token, char *error)
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

static struct fake *begin(const char *token)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    char error[ADMIN_ERROR_MAX];

    assert_non_null(fake);
    lws_set_log_level(LLL_ERR, NULL);
    assert_int_equal(uv_loop_init(&fake->loop), 0);
    assert_int_equal(start(fake, "127.0.0.1:0", token, error), 0);
    return fake;
}

static void end(struct fake *fake)
{
    admin_stop(fake->admin);
    uv_run(&fake->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fake->loop), 0); /* no handle was left */
    free(fake->namespaces);
    free(fake);
}

/* ---- a client ---- */

static int dial(const struct fake *fake)
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

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void turn(struct fake *fake)
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

static void forget(struct response *response)
{
    free(response->head);
}

/* Reads until `size` bytes are there, or the end. Returns how many came. */
static size_t take(struct fake *fake, int fd, char *to, size_t size, bool *closed)
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
static struct response hear(struct fake *fake, int fd, bool bodiless)
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
static void assert_closes(struct fake *fake, int fd)
{
    char byte;
    bool closed;

    assert_int_equal(take(fake, fd, &byte, 1, &closed), 0);
    assert_true(closed);
}

static struct response ask(struct fake *fake, const char *request)
{
    int fd = dial(fake);

    say(fd, request);
    struct response response = hear(fake, fd, !strncmp(request, "HEAD", 4));
    close(fd);
    return response;
}

static struct response get(struct fake *fake, const char *path)
{
    char request[256];

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    return ask(fake, request);
}

static void assert_status(struct fake *fake, const char *request, int status)
{
    struct response response = ask(fake, request);

    if (response.status != status)
        print_error("%s -> %s\n", request, response.head);
    assert_int_equal(response.status, status);
    forget(&response);
}

/* ---- pages ---- */

static void healthz_names_the_shard_that_does_not_turn(void **state)
{
    struct fake *fake = begin(NULL);
    struct response response = get(fake, "/healthz");

    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, "ok\n");
    forget(&response);

    fake->stuck[1] = true;
    response = get(fake, "/healthz");
    assert_int_equal(response.status, 503);
    assert_non_null(strstr(response.body, "shard 1"));
    assert_null(strstr(response.body, "shard 0"));
    forget(&response);
    end(fake);
}

static void readyz_is_503_until_ready(void **state)
{
    struct fake *fake = begin(NULL);

    fake->not_ready = true;
    assert_status(fake, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 503);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    fake->not_ready = false;
    assert_status(fake, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    end(fake);
}

static void stats_is_json(void **state)
{
    struct fake *fake = begin(NULL);
    struct response response = get(fake, "/stats?pretty");
    json_t *json = json_loads(response.body, 0, NULL);

    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.head, "Content-Type: application/json\r\n"));
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "total_connections")), 3);
    assert_int_equal(json_array_size(json_object_get(json, "shards")), SHARDS);
    json_decref(json);
    forget(&response);
    end(fake);
}

static void metrics_is_prometheus_text(void **state)
{
    struct fake *fake = begin(NULL);
    struct response response = get(fake, "/metrics");

    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.head, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(strstr(response.body, "\nshardcast_connections 3\n"));
    forget(&response);
    end(fake);
}

static void head_has_the_length_but_no_body(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    say(fd, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    struct response response = hear(fake, fd, true);
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body_size, 3);
    forget(&response);

    /* Were there a body, it would be in front of this. */
    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    forget(&response);
    close(fd);
    end(fake);
}

static void other_paths_are_404_and_other_methods_405(void **state)
{
    struct fake *fake = begin(NULL);

    assert_status(fake, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404);
    assert_status(fake, "GET /stats/ HTTP/1.1\r\nHost: x\r\n\r\n", 404);
    assert_status(fake, "GET /statsx HTTP/1.1\r\nHost: x\r\n\r\n", 404);
    assert_status(fake, "GET /%68ealthz HTTP/1.1\r\nHost: x\r\n\r\n", 404);
    assert_status(fake, "POST /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404);

    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        char request[128];

        snprintf(request, sizeof(request), "%s /stats HTTP/1.1\r\nHost: x\r\n\r\n", methods[i]);
        struct response response = ask(fake, request);
        assert_int_equal(response.status, 405);
        assert_non_null(strstr(response.head, "\r\nAllow: GET, HEAD\r\n"));
        forget(&response);
    }
    end(fake);
}

static void a_token_guards_stats_and_metrics(void **state)
{
    struct fake *fake = begin("s3cret");
    struct response response = get(fake, "/stats");

    assert_int_equal(response.status, 401);
    assert_non_null(strstr(response.head, "\r\nWWW-Authenticate: Bearer\r\n"));
    forget(&response);
#define WITH(path, value) "GET " path " HTTP/1.1\r\nHost: x\r\nAuthorization: " value "\r\n\r\n"
    assert_status(fake, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 401);
    assert_status(fake, WITH("/stats", "Bearer s3cret"), 200);
    assert_status(fake, WITH("/metrics", "bearer s3cret"), 200);
    assert_status(fake, WITH("/metrics", "Bearer   s3cret"), 200);
    assert_status(fake, WITH("/stats", "Bearer s3cre"), 401);
    assert_status(fake, WITH("/stats", "Bearer s3cret2"), 401);
    assert_status(fake, WITH("/stats", "Bearer "), 401);
    assert_status(fake, WITH("/stats", "Basic s3cret"), 401);
    assert_status(fake, WITH("/stats", "s3cret"), 401);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    assert_status(fake, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
#undef WITH
    end(fake);
}

static void what_is_no_request_is_refused(void **state)
{
    struct fake *fake = begin(NULL);

    assert_status(fake, "hello\r\n\r\n", 400);
    assert_status(fake, "GET /healthz HTTP/1.1\r\n\r\n", 400);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400);
    assert_status(fake, "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505);
    assert_status(fake, "\x16\x03\x01\x02\r\n\r\n", 400);
    end(fake);
}

static void an_upgrade_is_not_taken_up(void **state)
{
    struct fake *fake = begin(NULL);

    assert_status(fake,
                  "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                  "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
                  200);
    assert_status(
        fake,
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        200);
    end(fake);
}

/* ---- connections ---- */

static void a_connection_serves_many_requests(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    for (unsigned i = 0; i < 20; i++) {
        say(fd, "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n");
        struct response response = hear(fake, fd, false);
        assert_int_equal(response.status, 200);
        forget(&response);
    }
    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    struct response response = hear(fake, fd, false);
    assert_non_null(strstr(response.head, "Connection: close\r\n"));
    forget(&response);
    assert_closes(fake, fd);
    close(fd);
    end(fake);
}

static void requests_may_come_in_one_piece_or_in_many(void **state)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    for (const char *at = request; *at; at++) {
        assert_int_equal(send(fd, at, 1, MSG_NOSIGNAL), 1);
        turn(fake);
    }
    struct response response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    forget(&response);

    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
            "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    static const int statuses[] = {200, 404, 200};
    for (unsigned i = 0; i < 3; i++) {
        response = hear(fake, fd, false);
        assert_int_equal(response.status, statuses[i]);
        forget(&response);
    }
    close(fd);
    end(fake);
}

static void http_1_0_closes_unless_asked(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    say(fd, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    struct response response = hear(fake, fd, false);
    assert_non_null(strstr(response.head, "Connection: keep-alive\r\n"));
    forget(&response);
    say(fd, "GET /healthz HTTP/1.0\r\n\r\n");
    response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    forget(&response);
    assert_closes(fake, fd);
    close(fd);
    end(fake);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    say(fd, "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n");
    shutdown(fd, SHUT_WR);
    struct response response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    forget(&response);
    assert_closes(fake, fd);
    close(fd);
    end(fake);
}

static void a_body_is_refused_and_not_taken_for_a_request(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    say(fd, "POST /stats HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\n"
            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    struct response response = hear(fake, fd, false);
    assert_int_equal(response.status, 405);
    forget(&response);
    assert_closes(fake, fd);
    close(fd);
    end(fake);
}

static void a_head_that_is_too_large_is_431(void **state)
{
    struct fake *fake = begin(NULL);
    char line[1024];
    int fd = dial(fake);

    memset(line, 'a', sizeof(line));
    memcpy(line, "x: ", 3);
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    say(fd, "GET /stats HTTP/1.1\r\n");
    for (unsigned i = 0; i < 40; i++)
        say(fd, line);
    struct response response = hear(fake, fd, false);
    assert_int_equal(response.status, 431);
    forget(&response);
    close(fd);
    end(fake);
}

/* Enough namespaces for a response of several megabytes: more than a socket takes. */
static void grow_metrics(struct fake *fake)
{
    static const char name[] =
        "a-namespace-with-a-name-that-is-long-enough-to-fill-a-socket-buffer";

    fake->namespace_count = 100000;
    fake->namespaces = calloc(fake->namespace_count, sizeof(*fake->namespaces));
    assert_non_null(fake->namespaces);
    for (uint32_t i = 0; i < fake->namespace_count; i++)
        fake->namespaces[i].name = name;
}

static void a_slow_reader_gets_all_of_a_large_response(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    grow_metrics(fake);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    for (unsigned i = 0; i < 100; i++)
        turn(fake);
    struct response response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    assert_true(response.body_size > 8000000);
    assert_non_null(strstr(response.body, "\nshardcast_delivery_seconds_count 0\n"));
    forget(&response);
    response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, "ok\n");
    forget(&response);
    close(fd);
    end(fake);
}

static void on_time(uv_timer_t *timer)
{
}

/* Was a busy loop: the bytes behind the request kept the socket readable, and nobody read them. */
static void who_does_not_read_makes_no_work(void **state)
{
    struct fake *fake = begin(NULL);
    struct timespec before, after;
    int fd = dial(fake);

    grow_metrics(fake);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    for (unsigned i = 0; i < 200; i++)
        turn(fake);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (double until = now() + 0.3; now() < until;) {
        uv_timer_t timer;

        /* Waits in poll as the engine does, at most 50 ms. */
        uv_timer_init(&fake->loop, &timer);
        uv_timer_start(&timer, on_time, 50, 0);
        uv_run(&fake->loop, UV_RUN_ONCE);
        uv_close((uv_handle_t *)&timer, NULL);
        uv_run(&fake->loop, UV_RUN_NOWAIT);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double spent =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    assert_true(spent < 0.1);
    close(fd);
    end(fake);
}

static void idle_connections_make_room_for_a_health_check(void **state)
{
    struct fake *fake = begin(NULL);
    int idle[ADMIN_CONNECTIONS_MAX + 20];

    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
        idle[i] = dial(fake);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
        close(idle[i]);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    end(fake);
}

/* ---- start and stop ---- */

static void stopping_cuts_what_is_under_way(void **state)
{
    struct fake *fake = begin(NULL);
    int idle = dial(fake), writing = dial(fake), waiting;

    grow_metrics(fake);
    say(writing, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    for (unsigned i = 0; i < 20; i++)
        turn(fake);
    waiting = dial(fake); /* not accepted yet */
    admin_stop(fake->admin);
    fake->admin = NULL;
    char byte;
    assert_true(recv(idle, &byte, 1, MSG_DONTWAIT) <= 0);
    close(idle);
    close(writing);
    close(waiting);
    end(fake);
}

static void an_address_that_is_taken_is_an_error(void **state)
{
    struct fake *fake = begin(NULL), other = {0};
    char error[ADMIN_ERROR_MAX], address[64];

    snprintf(address, sizeof(address), "127.0.0.1:%u", fake->port);
    assert_int_equal(uv_loop_init(&other.loop), 0);
    assert_int_equal(start(&other, address, NULL, error), ERR_SYS);
    assert_null(other.admin);
    assert_non_null(strstr(error, address));
    assert_non_null(strstr(error, "in use"));
    assert_int_equal(start(&other, "no-such-host.invalid:1", NULL, error), ERR_SYS);
    assert_int_equal(uv_loop_close(&other.loop), 0);
    end(fake);
}

static void it_starts_again_on_the_same_address(void **state)
{
    struct fake *fake = begin(NULL);
    char error[ADMIN_ERROR_MAX], address[64];

    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    snprintf(address, sizeof(address), "%s", admin_address(fake->admin));
    admin_stop(fake->admin);
    assert_int_equal(start(fake, address, NULL, error), 0);
    assert_string_equal(admin_address(fake->admin), address);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    end(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthz_names_the_shard_that_does_not_turn),
        cmocka_unit_test(readyz_is_503_until_ready),
        cmocka_unit_test(stats_is_json),
        cmocka_unit_test(metrics_is_prometheus_text),
        cmocka_unit_test(head_has_the_length_but_no_body),
        cmocka_unit_test(other_paths_are_404_and_other_methods_405),
        cmocka_unit_test(a_token_guards_stats_and_metrics),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(an_upgrade_is_not_taken_up),
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(requests_may_come_in_one_piece_or_in_many),
        cmocka_unit_test(http_1_0_closes_unless_asked),
        cmocka_unit_test(a_half_closed_client_gets_its_answer),
        cmocka_unit_test(a_body_is_refused_and_not_taken_for_a_request),
        cmocka_unit_test(a_head_that_is_too_large_is_431),
        cmocka_unit_test(a_slow_reader_gets_all_of_a_large_response),
        cmocka_unit_test(who_does_not_read_makes_no_work),
        cmocka_unit_test(idle_connections_make_room_for_a_health_check),
        cmocka_unit_test(stopping_cuts_what_is_under_way),
        cmocka_unit_test(an_address_that_is_taken_is_an_error),
        cmocka_unit_test(it_starts_again_on_the_same_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
