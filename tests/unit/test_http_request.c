/* A client's request head and the WebSocket handshake. */
#include "http_request_helper.h"

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
