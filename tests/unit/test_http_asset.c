/* Files that browsers read, and how a request for one is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "engine/demo.h"
#include "proto/http_asset.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct http_asset page(const char *bytes)
{
    struct http_asset asset = {.path = "/page",
                               .type = "text/html; charset=utf-8",
                               .bytes = (const uint8_t *)bytes,
                               .size = strlen(bytes)};

    http_asset_tag(&asset);
    return asset;
}

static unsigned status(const struct http_asset *asset, const char *line, const char *headers)
{
    char head[1024];
    struct http_request request;
    int size = snprintf(head, sizeof(head), "%s\r\n%s\r\n", line, headers);

    assert_int_equal(http_request_parse(&request, head, (size_t)size), 0);
    return http_asset_status(asset, &request);
}

static bool matches(const char *header, const char *etag)
{
    return http_etag_matches((struct name_view){header, (uint32_t)strlen(header)}, etag);
}

static void paths_are_compared_whole(void **state)
{
    struct http_asset assets[] = {page("a"), page("b")};

    assets[1].path = "/page/script.js";
    assert_ptr_equal(http_asset_find(assets, 2, (struct name_view){"/page", 5}), &assets[0]);
    assert_ptr_equal(http_asset_find(assets, 2, (struct name_view){"/page/script.js", 15}),
                     &assets[1]);
    assert_null(http_asset_find(assets, 2, (struct name_view){"/pag", 4}));
    assert_null(http_asset_find(assets, 2, (struct name_view){"/page/", 6}));
    assert_null(http_asset_find(assets, 2, (struct name_view){"/Page", 5}));
    assert_null(http_asset_find(assets, 2, (struct name_view){NULL, 0})); /* CONNECT has no path */
    assert_null(http_asset_find(NULL, 0, (struct name_view){"/page", 5}));
}

static void the_tag_follows_from_the_bytes(void **state)
{
    struct http_asset one = page("one"), same = page("one"), other = page("two"), empty = page("");

    assert_string_equal(one.etag, same.etag);
    assert_string_not_equal(one.etag, other.etag);
    assert_int_equal(strlen(empty.etag), 18);
    assert_int_equal(one.etag[0], '"');
    assert_int_equal(one.etag[17], '"');
}

static void if_none_match_is_a_list_of_tags(void **state)
{
    assert_true(matches("\"abc\"", "\"abc\""));
    assert_true(matches("W/\"abc\"", "\"abc\""));
    assert_true(matches("\"x\", \"y\" ,W/\"abc\"", "\"abc\""));
    assert_true(matches("*", "\"abc\""));
    assert_false(matches("", "\"abc\""));
    assert_false(matches("abc", "\"abc\""));
    assert_false(matches("\"ab\"", "\"abc\""));
    assert_false(matches("\"abcd\"", "\"abc\""));
    assert_false(matches("W/", "\"abc\""));
    assert_false(matches("\"*\"", "\"abc\""));
}

static void what_is_answered(void **state)
{
    struct http_asset asset = page("text");
    char known[64], weak[64];

    snprintf(known, sizeof(known), "Host: h\r\nIf-None-Match: %s\r\n", asset.etag);
    snprintf(weak, sizeof(weak), "Host: h\r\nif-none-match: \"x\", W/%s\r\n", asset.etag);
    const struct {
        const char *line, *headers;
        unsigned status;
    } cases[] = {
        {"GET /page HTTP/1.1", "Host: h\r\n", 200},
        {"HEAD /page HTTP/1.1", "Host: h\r\n", 200},
        {"GET /page?group=a HTTP/1.1", "Host: h:7480\r\n", 200},
        {"GET /page HTTP/1.0", "", 200},
        {"GET http://h/page HTTP/1.1", "Host: h\r\n", 200},
        {"GET /page HTTP/1.1", "Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", 200},
        {"GET /page HTTP/1.1", known, 304},
        {"HEAD /page HTTP/1.1", weak, 304},
        {"GET /page HTTP/1.1", "Host: h\r\nIf-None-Match: \"x\"\r\n", 200},
        {"POST /page HTTP/1.1", "Host: h\r\nContent-Length: 3\r\n", 405},
        {"DELETE /page HTTP/1.1", known, 405},
        {"OPTIONS /page HTTP/1.1", "Host: h\r\n", 405},
        {"GET /page HTTP/1.1", "", 400},
        {"GET /page HTTP/1.1", "Host: \r\n", 400},
        {"GET /page HTTP/1.1", "Host: a\r\nHost: b\r\n", 400},
        {"POST /page HTTP/1.1", "", 400},
    };

    for (size_t i = 0; i < LENGTH(cases); i++)
        if (status(&asset, cases[i].line, cases[i].headers) != cases[i].status)
            fail_msg("%s is not answered %u", cases[i].line, cases[i].status);
}

static void assert_header(const char *head, const char *header)
{
    char line[512];

    snprintf(line, sizeof(line), "\r\n%s\r\n", header);
    if (!strstr(head, line))
        fail_msg("no \"%s\" in %s", header, head);
}

static void heads(void **state)
{
    struct http_asset asset = page("text");
    char out[HTTP_ASSET_HEAD_MAX], etag[64];

    snprintf(etag, sizeof(etag), "ETag: %s", asset.etag);
    for (unsigned i = 0; i < 2; i++) {
        size_t size = http_asset_head(out, &asset, i ? 304 : 200);

        assert_true(size < sizeof(out));
        assert_int_equal(strlen(out), size);
        assert_string_equal(out + size - 4, "\r\n\r\n");
        assert_non_null(strstr(out, "\r\nContent-Security-Policy: default-src 'none'; "));
        assert_header(out, etag);
        assert_header(out, "Cache-Control: no-cache");
        assert_header(out, "X-Content-Type-Options: nosniff");
        assert_header(out, "Connection: close");
        if (i) {
            assert_memory_equal(out, "HTTP/1.1 304 Not Modified\r\n", 27);
            assert_null(strstr(out, "Content-Length"));
        } else {
            assert_memory_equal(out, "HTTP/1.1 200 OK\r\n", 17);
            assert_header(out, "Content-Type: text/html; charset=utf-8");
            assert_header(out, "Content-Length: 4");
        }
    }
}

static void the_demo_page_is_whole(void **state)
{
    struct http_asset assets[DEMO_ASSETS];

    demo_assets(assets);
    for (unsigned i = 0; i < DEMO_ASSETS; i++) {
        const struct http_asset *asset = &assets[i];

        assert_true(asset->size > 100);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(asset->etag, assets[j].etag);
        if (!strcmp(asset->path, "/demo")) /* refers to nothing that is elsewhere */
            assert_null(memmem(asset->bytes, asset->size, "//", 2));
        if (!strcmp(asset->path, "/demo/centrifuge.js"))
            assert_memory_equal(asset->bytes, "/*!\nThe MIT License (MIT)\n", 26);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_compared_whole),
        cmocka_unit_test(the_tag_follows_from_the_bytes),
        cmocka_unit_test(if_none_match_is_a_list_of_tags),
        cmocka_unit_test(what_is_answered),
        cmocka_unit_test(heads),
        cmocka_unit_test(the_demo_page_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
