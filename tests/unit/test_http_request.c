/* A client's request head and the WebSocket handshake. */
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

static void assert_view(struct name_view view, const char *expected)
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
static int parse_bytes(struct http_request *request, const char *head, size_t size)
{
    static char *copy;

    free(copy);
    copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, head, size);
    return http_request_parse(request, copy, size);
}

static int parse(struct http_request *request, const char *head)
{
    return parse_bytes(request, head, strlen(head));
}

static enum http_upgrade check(const char *head)
{
    struct http_request request;

    assert_int_equal(parse(&request, head), 0);
    return http_upgrade_check(&request);
}

/* ---- where the head ends ---- */

static void test_head_ends_at_the_empty_line_in_every_cut(void **state)
{
    static const struct {
        const char *bytes;
        size_t end; /* 0: not there */
    } cases[] = {
        {"GET / HTTP/1.1\r\nA: b\r\n\r\n", 24},
        {"GET / HTTP/1.1\r\n\r\nnext", 18},
        {"GET / HTTP/1.1\r\nA: b\r\n", 0},
        {"GET / HTTP/1.1\r\nA: b\r\n\r", 0},
        {"GET / HTTP/1.1\r\nA: b\r\n\rx\r\n\r\n", 28},
        {"\r\nGET / HTTP/1.1\r\n\r\n", 20},
        {"\r\n\r\n", 4},
        {"GET / HTTP/1.1\n\n", 16}, /* to be refused at once, not waited for */
        {"GET / HTTP/1.1\n\r\n", 17},
        {"", 0},
        {"\r", 0},
        {"\n", 0},
        {"no line at all", 0},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        size_t size = strlen(cases[i].bytes);

        for (size_t step = 1; step <= size + 1; step++) {
            size_t have = 0, before = 0, end = 0;

            while (!end && have < size) {
                before = have;
                have = have + step < size ? have + step : size;
                end = http_head_end(cases[i].bytes, have, before);
            }
            assert_int_equal(end, cases[i].end);
        }
    }
}

/* ---- parsing ---- */

static void test_a_handshake(void **state)
{
    struct http_request request;

    assert_int_equal(parse(&request, "GET /ws/a%20b?user=ann&x=?/ HTTP/1.1\r\n"
                                     "host:  example.org:7480 \t\r\n"
                                     "ORIGIN: https://example.org\r\n"
                                     "Upgrade: foo, WebSocket\r\n"
                                     "Connection: keep-alive,\tUPGRADE\r\n"
                                     "Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                     "Sec-WebSocket-Version: 13\r\n"
                                     "Sec-WebSocket-Protocol: shardcast.raw, other\r\n"
                                     "Authorization: Bearer abc.def\r\n"
                                     "X-Nothing:\r\n"
                                     "\r\n"),
                     0);
    assert_true(request.get);
    assert_int_equal(request.major, 1);
    assert_int_equal(request.minor, 1);
    assert_true(request.upgrade_websocket);
    assert_true(request.connection_upgrade);
    assert_false(request.has_body);
    assert_false(request.repeated);
    assert_view(request.path, "/ws/a%20b");
    assert_view(request.query, "user=ann&x=?/");
    assert_view(request.host, "example.org:7480");
    assert_view(request.origin, "https://example.org");
    assert_view(request.key, "dGhlIHNhbXBsZSBub25jZQ==");
    assert_view(request.version, "13");
    assert_view(request.protocols, "shardcast.raw, other");
    assert_view(request.protocols_more, NULL);
    assert_view(request.authorization, "Bearer abc.def");
    assert_int_equal(http_upgrade_check(&request), HTTP_UPGRADE_OK);
}

static void test_what_is_absent_is_null_and_what_is_empty_is_not(void **state)
{
    struct http_request request;

    assert_int_equal(parse(&request, "GET / HTTP/1.1\r\nOrigin:\r\nHost: \r\n\r\n"), 0);
    assert_view(request.origin, "");
    assert_view(request.host, "");
    assert_view(request.query, NULL);
    assert_view(request.key, NULL);
    assert_view(request.version, NULL);
    assert_view(request.protocols, NULL);
    assert_view(request.authorization, NULL);
    assert_false(request.upgrade_websocket);
    assert_false(request.connection_upgrade);
}

static void test_request_targets(void **state)
{
    static const struct {
        const char *line, *path, *query, *host;
    } cases[] = {
        {"GET / HTTP/1.1", "/", NULL, "h"},
        {"GET /ws? HTTP/1.1", "/ws", NULL, "h"},
        {"GET /ws?a=b?c HTTP/1.1", "/ws", "a=b?c", "h"},
        {"GET //x/y HTTP/1.1", "//x/y", NULL, "h"},
        {"GET http://other:80/ws/a?b HTTP/1.1", "/ws/a", "b", "other:80"},
        {"GET ws://[::1]:7480/ws HTTP/1.1", "/ws", NULL, "[::1]:7480"},
        {"GET http://other HTTP/1.1", "/", NULL, "other"},
        {"GET http://other?a HTTP/1.1", "/", "a", "other"},
        {"OPTIONS * HTTP/1.1", "*", NULL, "h"},
        {"CONNECT other:443 HTTP/1.1", NULL, NULL, "h"},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct http_request request;
        char head[200];

        snprintf(head, sizeof(head), "%s\r\nHost: h\r\n\r\n", cases[i].line);
        assert_int_equal(parse(&request, head), 0);
        assert_view(request.path, cases[i].path);
        if (cases[i].query) /* an empty query may be told either way */
            assert_view(request.query, cases[i].query);
        else
            assert_int_equal(request.query.size, 0);
        assert_view(request.host, cases[i].host);
        assert_int_equal(request.get, !strncmp(cases[i].line, "GET", 3));
    }
}

static void test_an_absolute_url_does_not_replace_a_missing_host(void **state)
{
    assert_int_equal(check("GET http://other/ws/a HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n"),
                     HTTP_UPGRADE_BAD_REQUEST);
}

static void test_what_is_no_request(void **state)
{
    static const char *const heads[] = {
        "",
        "\r\n\r\n",
        "\r\n\r\n\r\n",
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n", /* HTTP/0.9 */
        "GET / HTTP/1\r\n\r\n",
        "GET / HTTP/0.9\r\n\r\n",
        "GET / HTTP/1.10\r\n\r\n",
        "GET / HTTP/x.1\r\n\r\n",
        "GET / HTTX/1.1\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET /  HTTP/1.1\r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "GETX / HTTP/1.1\r\n\r\n",
        "SOURCE / ICE/1.0\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "get / HTTP/1.1\r\n\r\n",
        "BREW / HTTP/1.1\r\n\r\n",
        "GET ws/a HTTP/1.1\r\n\r\n",
        "GET http:///ws HTTP/1.1\r\n\r\n",
        "GET http://h:port/ws HTTP/1.1\r\n\r\n",
        "GET http://u:p@h/ws HTTP/1.1\r\n\r\n",
        "GET /ws#part HTTP/1.1\r\n\r\n",
        "GET /ws/caf\xC3\xA9 HTTP/1.1\r\n\r\n",
        "GET /ws/a\tb HTTP/1.1\r\n\r\n",
        "GET /ws/a b HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\n\n", /* bare LF, bare CR */
        "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\n\n",
        "\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\tfolded\r\n\r\n",
        "GET / HTTP/1.1\r\nX:\r\n y\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        "GET / HTTP/1.1\r\nHo st: h\r\n\r\n",
        "GET / HTTP/1.1\r\nH\xC3\xB6st: h\r\n\r\n",
        "GET / HTTP/1.1\r\n: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\x01z\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\x7Fz\r\n\r\n",
        "GET / HTTP/1.1\r\nX: \x1B[2J\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n", /* no end */
        "GET / HTTP/1.1\r\nHost: h",
        "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", /* two */
        "\x16\x03\x01\x02\r\n\r\n",                     /* TLS */
        "PRI * HTTP/2.0\r\n\r\n",
    };

    for (size_t i = 0; i < LENGTH(heads); i++) {
        struct http_request request;

        if (parse(&request, heads[i]) != ERR_PROTOCOL)
            fail_msg("taken: %s", heads[i]);
    }
}

static void test_nul_bytes_are_refused_everywhere(void **state)
{
    static const char head[] = HANDSHAKE "X: value\r\n\r\n";

    for (size_t i = 0; i < sizeof(head) - 1; i++) {
        struct http_request request;
        char bytes[sizeof(head)];

        memcpy(bytes, head, sizeof(head));
        bytes[i] = '\0';
        assert_int_equal(parse_bytes(&request, bytes, sizeof(head) - 1), ERR_PROTOCOL);
    }
}

static void test_every_head_that_ends_early_is_refused(void **state)
{
    static const char head[] = HANDSHAKE "\r\n";

    for (size_t size = 0; size < sizeof(head) - 1; size++) {
        struct http_request request;

        assert_int_equal(parse_bytes(&request, head, size), ERR_PROTOCOL);
    }
}

static void test_a_head_has_a_largest_size(void **state)
{
    static const char start[] = HANDSHAKE "X: ";
    char head[HTTP_HEAD_MAX + 1];
    struct http_request request;

    for (size_t size = HTTP_HEAD_MAX; size <= HTTP_HEAD_MAX + 1; size++) {
        memset(head, 'x', size);
        memcpy(head, start, sizeof(start) - 1);
        memcpy(head + size - 4, "\r\n\r\n", 4);
        assert_int_equal(parse_bytes(&request, head, size),
                         size <= HTTP_HEAD_MAX ? 0 : ERR_TOO_LARGE);
    }
}

static void test_bodies(void **state)
{
    static const struct {
        const char *header;
        bool has_body;
    } cases[] = {
        {"", false},
        {"Content-Length: 0\r\n", false},
        {"Content-Length: 5\r\n", true},
        {"Transfer-Encoding: chunked\r\n", true},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct http_request request;
        char head[400];

        snprintf(head, sizeof(head), HANDSHAKE "%s\r\n", cases[i].header);
        assert_int_equal(parse(&request, head), 0);
        assert_int_equal(request.has_body, cases[i].has_body);
        assert_int_equal(http_upgrade_check(&request),
                         cases[i].has_body ? HTTP_UPGRADE_BAD_REQUEST : HTTP_UPGRADE_OK);
    }
}

static void test_tokens(void **state)
{
    static const struct {
        const char *header;
        bool has;
    } cases[] = {
        {"upgrade", true},
        {"UpGrade", true},
        {"a, upgrade", true},
        {"upgrade ,b", true},
        {"a,\tupgrade\t,b", true},
        {",,upgrade,", true},
        {"", false},
        {",", false},
        {"upgrades", false},
        {"upgrade2", false},
        {"up grade", false},
        {"\"upgrade\"", false},
        {"upgrade/1", false},
        {"upgrade;q=1", false},
        {"pgrade", false},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct name_view header = {cases[i].header, (uint32_t)strlen(cases[i].header)};

        assert_int_equal(http_has_token(header, "upgrade"), cases[i].has);
    }
    assert_false(http_has_token((struct name_view){NULL, 0}, "upgrade"));
}

static void test_tokens_may_be_spread_over_headers(void **state)
{
    assert_int_equal(check(LINE HOST KEY VERSION "Connection: keep-alive\r\nConnection: Upgrade\r\n"
                                                 "Upgrade: h2c\r\nUpgrade: websocket\r\n\r\n"),
                     HTTP_UPGRADE_OK);
}

static void test_protocols(void **state)
{
    static const struct {
        const char *headers;
        bool has;
    } cases[] = {
        {"", false},
        {"Sec-WebSocket-Protocol: shardcast.raw\r\n", true},
        {"Sec-WebSocket-Protocol: a, shardcast.raw ,b\r\n", true},
        {"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b, shardcast.raw\r\n", true},
        {"Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: shardcast.raw\r\n", true},
        {"Sec-WebSocket-Protocol: Shardcast.raw\r\n", false},
        {"Sec-WebSocket-Protocol: shardcast.raw2, shardcast\r\n", false},
        {"Sec-WebSocket-Protocol:\r\n", false},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct http_request request;
        char head[500];

        snprintf(head, sizeof(head), HANDSHAKE "%s\r\n", cases[i].headers);
        assert_int_equal(parse(&request, head), 0);
        assert_int_equal(http_has_protocol(&request, "shardcast.raw"), cases[i].has);
        assert_int_equal(http_upgrade_check(&request), HTTP_UPGRADE_OK);
    }
}

/* ---- the handshake ---- */

static void test_upgrade_check(void **state)
{
    static const struct {
        const char *head;
        enum http_upgrade expected;
    } cases[] = {
        {HANDSHAKE, HTTP_UPGRADE_OK},
        {"GET /ws HTTP/1.2\r\n" HOST UPGRADE KEY VERSION, HTTP_UPGRADE_OK},
        {LINE HOST "Upgrade: WEBSOCKET\r\nConnection: close, upgrade\r\n" KEY VERSION,
         HTTP_UPGRADE_OK},

        {LINE HOST, HTTP_UPGRADE_NONE},
        {"POST /ws HTTP/1.1\r\n" HOST, HTTP_UPGRADE_NONE},
        {"GET /ws HTTP/1.0\r\n", HTTP_UPGRADE_NONE},
        {LINE HOST "Upgrade: websocket\r\n" KEY VERSION, HTTP_UPGRADE_NONE},
        {LINE HOST "Connection: Upgrade\r\n" KEY VERSION, HTTP_UPGRADE_NONE},
        {LINE HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION, HTTP_UPGRADE_NONE},
        {LINE HOST "Upgrade: websocket\r\nConnection: close\r\n" KEY VERSION, HTTP_UPGRADE_NONE},

        {"POST /ws HTTP/1.1\r\n" HOST UPGRADE KEY VERSION, HTTP_UPGRADE_BAD_REQUEST},
        {"HEAD /ws HTTP/1.1\r\n" HOST UPGRADE KEY VERSION, HTTP_UPGRADE_BAD_REQUEST},
        {"GET /ws HTTP/1.0\r\n" HOST UPGRADE KEY VERSION, HTTP_UPGRADE_BAD_REQUEST},
        {LINE UPGRADE KEY VERSION, HTTP_UPGRADE_BAD_REQUEST},
        {LINE, HTTP_UPGRADE_BAD_REQUEST}, /* HTTP/1.1 without Host */
        {LINE "Host:\r\n" UPGRADE KEY VERSION, HTTP_UPGRADE_BAD_REQUEST},
        {LINE "Host: a b\r\n" UPGRADE KEY VERSION, HTTP_UPGRADE_BAD_REQUEST},
        {LINE "Host: a/b\r\n" UPGRADE KEY VERSION, HTTP_UPGRADE_BAD_REQUEST},
        {LINE "Host: u@h\r\n" UPGRADE KEY VERSION, HTTP_UPGRADE_BAD_REQUEST},
        {LINE HOST UPGRADE KEY, HTTP_UPGRADE_BAD_REQUEST},
        {LINE HOST UPGRADE VERSION, HTTP_UPGRADE_BAD_REQUEST},
        {HANDSHAKE HOST, HTTP_UPGRADE_BAD_REQUEST},
        {HANDSHAKE KEY, HTTP_UPGRADE_BAD_REQUEST},
        {HANDSHAKE VERSION, HTTP_UPGRADE_BAD_REQUEST},
        {HANDSHAKE "Origin: http://a\r\nOrigin: http://b\r\n", HTTP_UPGRADE_BAD_REQUEST},

        {LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n", HTTP_UPGRADE_BAD_VERSION},
        {LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 14\r\n", HTTP_UPGRADE_BAD_VERSION},
        {LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 013\r\n", HTTP_UPGRADE_BAD_VERSION},
        {LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n", HTTP_UPGRADE_BAD_VERSION},
        {LINE HOST UPGRADE KEY "Sec-WebSocket-Version:\r\n", HTTP_UPGRADE_BAD_VERSION},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        char head[600];

        snprintf(head, sizeof(head), "%s\r\n", cases[i].head);
        if (check(head) != cases[i].expected)
            fail_msg("%d, not %d:\n%s", check(head), cases[i].expected, head);
    }
}

static void test_hosts(void **state)
{
    static const char *const hosts[] = {"example.org",     "localhost:7480", "[::1]:7480",
                                        "192.0.2.1",       "a_b-c.d~e",      "xn--caf-dma.example",
                                        "%65xample.org:80"};

    for (size_t i = 0; i < LENGTH(hosts); i++) {
        char head[400];

        snprintf(head, sizeof(head), LINE "Host: %s\r\n" UPGRADE KEY VERSION "\r\n", hosts[i]);
        assert_int_equal(check(head), HTTP_UPGRADE_OK);
    }
}

static void test_keys_have_16_bytes(void **state)
{
    static const struct {
        const char *key;
        bool valid;
    } cases[] = {
        {"dGhlIHNhbXBsZSBub25jZQ==", true},
        {"AAAAAAAAAAAAAAAAAAAAAA==", true},
        {"+/+/+/+/+/+/+/+/+/+/+w==", true},
        {"zzzzzzzzzzzzzzzzzzzzzz==", true}, /* spare bits are nobody's business */
        {"", false},
        {"AAAAAAAAAAAAAAAAAAAA", false},     /* 15 bytes */
        {"AAAAAAAAAAAAAAAAAAAAAAA=", false}, /* 17 */
        {"AAAAAAAAAAAAAAAAAAAAAAAA", false}, /* 18 */
        {"AAAAAAAAAAAAAAAAAAAAAA", false},   /* no padding */
        {"AAAAAAAAAAAAAAAAAAAAA===", false},
        {"AAAAAAAAAA=AAAAAAAAAAA==", false},
        {"AAAAAAAAAA AAAAAAAAAAA==", false},
        {"AAAAAAAAAA-AAAAAAAAAAA==", false},
        {"AAAAAAAAAA\xC3\xA9"
         "AAAAAAAAAA==",
         false},
        {"dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==", false},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        char head[400];

        snprintf(head, sizeof(head), LINE HOST UPGRADE VERSION "Sec-WebSocket-Key: %s\r\n\r\n",
                 cases[i].key);
        if (check(head) != (cases[i].valid ? HTTP_UPGRADE_OK : HTTP_UPGRADE_BAD_REQUEST))
            fail_msg("key \"%s\"", cases[i].key);
    }
}

/* ---- answers ---- */

static void test_accept_key_of_the_rfc(void **state)
{
    struct name_view key = {"dGhlIHNhbXBsZSBub25jZQ==", 24};
    char accept[HTTP_ACCEPT_MAX];

    assert_int_equal(http_accept_key(accept, key), 0);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    key.size = 23;
    assert_int_equal(http_accept_key(accept, key), ERR_PROTOCOL);
}

static void test_upgrade_response(void **state)
{
    static const char plain[] = "HTTP/1.1 101 Switching Protocols\r\n"
                                "Upgrade: websocket\r\n"
                                "Connection: Upgrade\r\n"
                                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                "\r\n";
    static const char chosen[] = "HTTP/1.1 101 Switching Protocols\r\n"
                                 "Upgrade: websocket\r\n"
                                 "Connection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                 "Sec-WebSocket-Protocol: shardcast.raw\r\n"
                                 "\r\n";
    const char *accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    char out[HTTP_RESPONSE_MAX];

    assert_int_equal(http_upgrade_response(out, accept, NULL), sizeof(plain) - 1);
    assert_memory_equal(out, plain, sizeof(plain) - 1);
    assert_int_equal(http_upgrade_response(out, accept, "shardcast.raw"), sizeof(chosen) - 1);
    assert_memory_equal(out, chosen, sizeof(chosen) - 1);
}

static void test_refusals(void **state)
{
    static const struct {
        unsigned status;
        const char *line, *header;
    } cases[] = {
        {400, "HTTP/1.1 400 Bad Request\r\n", ""},
        {403, "HTTP/1.1 403 Forbidden\r\n", ""},
        {404, "HTTP/1.1 404 Not Found\r\n", ""},
        {405, "HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET, HEAD\r\n"},
        {426, "HTTP/1.1 426 Upgrade Required\r\n", "Upgrade: websocket\r\n"},
        {426, "HTTP/1.1 426 Upgrade Required\r\n", "Sec-WebSocket-Version: 13\r\n"},
        {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n", ""},
        {503, "HTTP/1.1 503 Service Unavailable\r\n", ""},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        char out[HTTP_RESPONSE_MAX], length[64];
        const char *body;
        size_t size = http_refusal_response(out, cases[i].status, "why not");

        assert_true(size < sizeof(out));
        assert_int_equal(out[size], '\0');
        assert_int_equal(strlen(out), size);
        assert_memory_equal(out, cases[i].line, strlen(cases[i].line));
        assert_non_null(strstr(out, cases[i].header));
        assert_non_null(strstr(out, "\r\nConnection: close"));
        assert_non_null(strstr(out, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
        body = strstr(out, "\r\n\r\n");
        assert_non_null(body);
        assert_string_equal(body + 4, "why not\n");
        snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", strlen(body + 4));
        assert_non_null(strstr(out, length));
    }
}

static void test_a_refusal_always_fits(void **state)
{
    char text[2000], out[HTTP_RESPONSE_MAX];

    memset(text, 't', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (unsigned status = 400; status < 600; status++) {
        size_t size = http_refusal_response(out, status, text);

        assert_true(size < sizeof(out));
        assert_int_equal(strlen(out), size);
        assert_int_equal(out[size - 1], '\n');
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_ends_at_the_empty_line_in_every_cut),
        cmocka_unit_test(test_a_handshake),
        cmocka_unit_test(test_what_is_absent_is_null_and_what_is_empty_is_not),
        cmocka_unit_test(test_request_targets),
        cmocka_unit_test(test_an_absolute_url_does_not_replace_a_missing_host),
        cmocka_unit_test(test_what_is_no_request),
        cmocka_unit_test(test_nul_bytes_are_refused_everywhere),
        cmocka_unit_test(test_every_head_that_ends_early_is_refused),
        cmocka_unit_test(test_a_head_has_a_largest_size),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_tokens_may_be_spread_over_headers),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_upgrade_check),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_keys_have_16_bytes),
        cmocka_unit_test(test_accept_key_of_the_rfc),
        cmocka_unit_test(test_upgrade_response),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_refusal_always_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
