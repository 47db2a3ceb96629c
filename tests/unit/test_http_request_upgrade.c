/* The WebSocket handshake, and what refuses it. */
#include "http_request_helper.h"

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
        cmocka_unit_test(test_upgrade_check),         cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_keys_have_16_bytes),    cmocka_unit_test(test_accept_key_of_the_rfc),
        cmocka_unit_test(test_upgrade_response),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_refusal_always_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
