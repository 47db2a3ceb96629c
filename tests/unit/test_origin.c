/* Which pages may connect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shards/origin.h"

/* A copy of just its size, so that a sanitizer sees what is read beyond; NULL stays NULL. */
static struct name_view copy_view(const char *text)
{
    struct name_view view = {NULL, 0};

    if (text) {
        char *bytes = malloc(strlen(text) ? strlen(text) : 1);

        assert_non_null(bytes);
        memcpy(bytes, text, strlen(text));
        view = (struct name_view){bytes, (uint32_t)strlen(text)};
    }
    return view;
}

static bool allowed_by(const struct settings *settings, const char *origin, const char *host)
{
    struct http_request request = {.origin = copy_view(origin), .host = copy_view(host)};
    bool allowed = origin_allowed(settings, &request);

    free((char *)request.origin.bytes);
    free((char *)request.host.bytes);
    return allowed;
}

/* With no origins configured; where clients listen beyond loopback. */
static bool allowed(const char *origin, const char *host)
{
    struct settings settings = {.clients_on_loopback = false};

    return allowed_by(&settings, origin, host);
}

static bool allowed_on_loopback(const char *origin, const char *host)
{
    struct settings settings = {.clients_on_loopback = true};

    return allowed_by(&settings, origin, host);
}

static void a_request_without_origin_comes_from_no_page(void **state)
{
    char *origins[] = {(char *)"https://example.org"};
    struct settings settings = {.origins = origins, .origin_count = 1};

    assert_true(allowed_by(&settings, NULL, "example.org"));
    assert_true(allowed(NULL, "example.org"));
    assert_true(allowed(NULL, NULL));
}

static void configured_origins_are_compared_whole_and_without_case(void **state)
{
    char *origins[] = {(char *)"https://example.org", (char *)"http://app.example.org:8080"};
    struct settings settings = {.origins = origins, .origin_count = 2, .clients_on_loopback = true};

    assert_true(allowed_by(&settings, "https://example.org", "ws.example.org"));
    assert_true(allowed_by(&settings, "HTTPS://Example.ORG", "ws.example.org"));
    assert_true(allowed_by(&settings, "http://app.example.org:8080", "ws.example.org"));
    assert_false(allowed_by(&settings, "http://example.org", "ws.example.org"));
    assert_false(allowed_by(&settings, "https://example.org:443", "ws.example.org"));
    assert_false(allowed_by(&settings, "https://example.org.evil.org", "ws.example.org"));
    assert_false(allowed_by(&settings, "https://example.or", "ws.example.org"));
    assert_false(allowed_by(&settings, "https://example.org/", "ws.example.org"));
    assert_false(allowed_by(&settings, "https://evil.org/https://example.org", "example.org"));
    assert_false(allowed_by(&settings, "http://app.example.org", "ws.example.org"));
    assert_false(allowed_by(&settings, "null", "ws.example.org"));
    assert_false(allowed_by(&settings, "", "ws.example.org"));

    /* Where a list is given nothing else is allowed: not the same host, not loopback. */
    assert_false(allowed_by(&settings, "https://ws.example.org", "ws.example.org"));
    assert_false(allowed_by(&settings, "http://localhost:3000", "localhost:7480"));
}

static void a_star_allows_any(void **state)
{
    char *origins[] = {(char *)"*"};
    struct settings settings = {.origins = origins, .origin_count = 1};

    assert_true(allowed_by(&settings, "https://example.org", "ws.example.org"));
    assert_true(allowed_by(&settings, "null", NULL));
    assert_true(allowed_by(&settings, "", ""));
}

static void a_page_of_the_same_host_and_port_is_allowed(void **state)
{
    assert_true(allowed("http://example.org:7480", "example.org:7480"));
    assert_true(allowed("http://EXAMPLE.org:7480", "example.ORG:7480"));
    assert_true(allowed("http://example.org", "example.org"));
    assert_true(allowed("https://example.org", "example.org"));
    assert_true(allowed("http://192.0.2.1:7480", "192.0.2.1:7480"));
    assert_true(allowed("http://[2001:db8::1]:7480", "[2001:db8::1]:7480"));
    assert_true(allowed("http://[2001:db8::1]", "[2001:db8::1]"));

    assert_false(allowed("http://example.org:7481", "example.org:7480"));
    assert_false(allowed("http://example.org", "example.org:7480"));
    assert_false(allowed("http://example.org:7480", "example.org"));
    assert_false(allowed("http://example.org.evil.org:7480", "example.org:7480"));
    assert_false(allowed("http://evil-example.org:7480", "example.org:7480"));
    assert_false(allowed("http://[2001:db8::2]:7480", "[2001:db8::1]:7480"));
    assert_false(allowed("http://[2001:db8::1]:7481", "[2001:db8::1]:7480"));
    assert_false(allowed("http://example.org:7480", NULL));
}

/* A port that is not written is that of the page's scheme. */
static void a_scheme_has_its_port(void **state)
{
    assert_true(allowed("http://example.org", "example.org:80"));
    assert_true(allowed("http://example.org:80", "example.org"));
    assert_true(allowed("http://example.org:80", "example.org:"));
    assert_true(allowed("https://example.org", "example.org:443"));
    assert_true(allowed("https://example.org:443", "example.org"));
    assert_true(allowed("HTTPS://example.org", "example.org:443"));
    assert_false(allowed("https://example.org", "example.org:80"));
    assert_false(allowed("http://example.org", "example.org:443"));
    assert_false(allowed("https://example.org:80", "example.org"));
}

static void loopback_pages_are_allowed_where_clients_are_on_loopback(void **state)
{
    static const char *const loopback[] = {
        "http://localhost",      "http://localhost:3000", "https://LOCALHOST:3000",
        "http://127.0.0.1:8080", "http://127.1.2.3",      "http://[::1]:3000",
        "http://[::1]",          "http://[0:0::1]:3000",
    };
    static const char *const others[] = {
        "http://example.org",
        "http://localhost.evil.org",
        "http://127.0.0.1.evil.org",
        "http://128.0.0.1",
        "http://[::2]",
        "http://[::ffff:8.8.8.8]",
        "http://evil.org:3000",
        "http://notlocalhost",
        "null",
        "file://",
        "localhost",
        "http:localhost",
        "http://",
        "",
        "://",
        "http://0.0.0.0",
        "http://127.0.0.256",
        "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
        assert_true(allowed_on_loopback(loopback[i], "127.0.0.1:7480"));
        assert_false(allowed(loopback[i], "192.0.2.1:7480"));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(allowed_on_loopback(others[i], "127.0.0.1:7480"));
}

/* No browser sends these: what is not an origin is none of ours. */
static void what_is_no_origin_is_refused(void **state)
{
    static const char *const texts[] = {
        "http://localhost:80@evil.org",
        "http://localhost@evil.org",
        "http://[::1]evil.org",
        "http://[::1",
        "http://localhost:3000/",
        "http://localhost:x",
        "http://localhost:80:90",
        "http://localhost:65536",
        "http://localhost:4294967376",
        "http://localhost/path",
        "http://[::1]:80x",
        "http://::1",
        "http://:80",
        "http://[]:80",
        "http://[]",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (allowed_on_loopback(texts[i], "localhost:80") ||
            allowed_on_loopback(texts[i], "localhost"))
            fail_msg("%s is allowed", texts[i]);
    assert_false(allowed("http://example.org:7480", "example.org:7480x"));
    assert_false(allowed("http://example.org:80", "user@example.org:80"));
    assert_false(allowed("http://:80", ":80"));
}

/* The port's digits end where the header does: what lies behind it in memory is not the port's. */
static void a_port_ends_with_its_header(void **state)
{
    struct settings settings = {.clients_on_loopback = false};
    char origin[] = "http://example.org:80", host[] = "example.org:8080";
    struct http_request request = {
        .origin = {origin, sizeof(origin) - 1},
        .host = {host, sizeof(host) - 3},
    };

    assert_true(origin_allowed(&settings, &request));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_without_origin_comes_from_no_page),
        cmocka_unit_test(configured_origins_are_compared_whole_and_without_case),
        cmocka_unit_test(a_star_allows_any),
        cmocka_unit_test(a_page_of_the_same_host_and_port_is_allowed),
        cmocka_unit_test(a_scheme_has_its_port),
        cmocka_unit_test(loopback_pages_are_allowed_where_clients_are_on_loopback),
        cmocka_unit_test(what_is_no_origin_is_refused),
        cmocka_unit_test(a_port_ends_with_its_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
