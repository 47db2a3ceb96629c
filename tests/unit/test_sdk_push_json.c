/* Pushes of the Centrifuge client protocol in JSON: what a payload becomes there. */
#include "tests/unit/sdk_payload_helper.h"

#include <stdio.h>

#include <jansson.h>

#include "proto/json_scan.h"
#include "proto/sdk_push.h"

/* The payload becomes `data` in a publication without a position. Gives it back. */
static void check_data(struct payload *payload, const char *data, size_t size)
{
    static const char before[] = "{\"push\":{\"channel\":\"a:b\",\"pub\":{\"data\":";
    size_t begin = strlen(before), bytes = begin + size + 3;
    char *body = malloc(bytes + 1);

    assert_non_null(body);
    memcpy(body, before, begin);
    memcpy(body + begin, data, size);
    memcpy(body + begin + size, "}}}", 3);
    check_frame(sdk_push_publication(SDK_JSON, view_of("a:b"), payload, 0), FRAME_TEXT, body,
                bytes);
    payload_unref(payload);
    free(body);
}

static void check_text(const char *text, const char *data)
{
    check_data(text_of(text), data, strlen(data));
}

static void json_is_embedded_as_it_stands(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        "0",
        "-0.0e5",
        "\"\"",
        " [1, 2] ",
        "{\"a\" :\t1}\r",
        "123456789012345678901234567890",
        "{\"a\":1,\"a\":2}",
        "\"\\u0000\\ud800\"",
        "\"gr\xc3\xbc\xc3\x9f\x65\"",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check_text(texts[i], texts[i]);
}

static void newlines_between_tokens_are_removed(void **state)
{
    check_text("\n", "\"\\n\""); /* which is no JSON */
    check_text("\n{\n\n\"a\\n\":\n[1,\n2]}\n", "{\"a\\n\":[1,2]}");
    check_text("1\n", "1");
}

static void other_text_is_a_string(void **state)
{
    check_text("", "\"\"");
    check_text("hello", "\"hello\"");
    check_text("{\"a\":1", "\"{\\\"a\\\":1\"");
    check_text("1 2", "\"1 2\"");
    check_text("{} {}", "\"{} {}\"");
    check_text("a\nb\r\t\b\f\x01\x1f\x7f\\/\"", "\"a\\nb\\r\\t\\b\\f\\u0001\\u001f\x7f\\\\/\\\"\"");
    check_text("gr\xc3\xbc\xc3\x9f\x65 \xe2\x80\xa8 \xf0\x9f\x90\x98",
               "\"gr\xc3\xbc\xc3\x9f\x65 \xe2\x80\xa8 \xf0\x9f\x90\x98\"");
    check_data(payload_of(PAYLOAD_TEXT, "a\0b", 3), "\"a\\u0000b\"", 10);
}

static void json_of_too_many_levels_is_a_string(void **state)
{
    char text[2 * JSON_SCAN_LEVELS_MAX + 3], data[sizeof(text) + 2];

    for (unsigned levels = JSON_SCAN_LEVELS_MAX; levels <= JSON_SCAN_LEVELS_MAX + 1; levels++) {
        memset(text, '[', levels);
        memset(text + levels, ']', levels);
        text[2 * levels] = '\0';
        snprintf(data, sizeof(data), levels > JSON_SCAN_LEVELS_MAX ? "\"%s\"" : "%s", text);
        check_text(text, data);
    }
}

static void bytes_are_base64_with_padding(void **state)
{
    check_data(payload_of(PAYLOAD_BINARY, "", 0), "\"\"", 2);
    check_data(payload_of(PAYLOAD_BINARY, "f", 1), "\"Zg==\"", 6);
    check_data(payload_of(PAYLOAD_BINARY, "fo", 2), "\"Zm8=\"", 6);
    check_data(payload_of(PAYLOAD_BINARY, "{}\n", 3), "\"e30K\"", 6);
    check_data(payload_of(PAYLOAD_BINARY, "\x00\xff\xfe\xfb", 4), "\"AP/++w==\"", 10);
}

static void transcoded_values_are_themselves(void **state)
{
    check_data(payload_of(PAYLOAD_JSON, "{\"a\":[1.0,\"x\"]}", 15), "{\"a\":[1.0,\"x\"]}", 15);
    check_data(payload_of(PAYLOAD_JSON, "\"x\"", 3), "\"x\"", 3);
}

static void offsets_and_publishers(void **state)
{
    static const char positioned[] = "{\"push\":{\"channel\":\"g\",\"pub\":{\"data\":1,\"offset\":"
                                     "18446744073709551615}}}",
                      published[] = "{\"push\":{\"channel\":\"g\",\"pub\":{\"data\":1,\"info\":{"
                                    "\"user\":\"ann\",\"client\":\"c-1\"},\"offset\":5}}}",
                      nobody[] = "{\"push\":{\"channel\":\"g\",\"pub\":{\"data\":1,\"info\":{"
                                 "\"user\":\"\",\"client\":\"c-1\"}}}}";
    struct publisher publisher = publisher_of("c-1", "ann");
    struct payload *payload = text_of("1");

    check_frame(sdk_push_publication(SDK_JSON, view_of("g"), payload, UINT64_MAX), FRAME_TEXT,
                positioned, strlen(positioned));
    payload_unref(payload);

    payload = payload_new_published(PAYLOAD_TEXT, 1, &publisher);
    assert_non_null(payload);
    payload_body(payload)[0] = '1';
    check_frame(sdk_push_publication(SDK_JSON, view_of("g"), payload, 5), FRAME_TEXT, published,
                strlen(published));
    payload_unref(payload);

    publisher = publisher_of("c-1", "");
    payload = payload_new_published(PAYLOAD_TEXT, 1, &publisher);
    assert_non_null(payload);
    payload_body(payload)[0] = '1';
    check_frame(sdk_push_publication(SDK_JSON, view_of("g"), payload, 0), FRAME_TEXT, nobody,
                strlen(nobody));
    payload_unref(payload);
}

static void joins_and_leaves(void **state)
{
    static const char join[] = "{\"push\":{\"channel\":\"g\",\"join\":{\"info\":{\"user\":\"ann\","
                               "\"client\":\"c\"}}}}",
                      leave[] = "{\"push\":{\"channel\":\"g\",\"leave\":{\"info\":{\"user\":\"\","
                                "\"client\":\"c\"}}}}";
    struct publisher client = publisher_of("c", "ann");

    check_frame(sdk_push_join(SDK_JSON, view_of("g"), &client), FRAME_TEXT, join, strlen(join));
    client.user = (struct name_view){NULL, 0};
    check_frame(sdk_push_leave(SDK_JSON, view_of("g"), &client), FRAME_TEXT, leave, strlen(leave));
}

/* Whatever the text, somebody else's parser finds it in one line again. */
static void any_ascii_text_comes_back(void **state)
{
    char text[258];

    for (unsigned length = 1; length < 257; length++) {
        for (unsigned i = 0; i < length; i++)
            text[i] = (char)(1 + (i * 7 + length) % 127);
        text[length] = '\0';
        struct payload *payload = text_of(text);
        struct payload *push = sdk_push_publication(SDK_JSON, view_of("g"), payload, 1);
        const char *body = (const char *)payload_body(push), *found;

        assert_null(memchr(body, '\n', push->body_bytes));
        json_t *json = json_loadb(body, push->body_bytes, 0, NULL);
        assert_int_equal(json_unpack(json, "{s{s{s:s}}}", "push", "pub", "data", &found), 0);
        assert_string_equal(found, text);
        json_decref(json);
        payload_unref(push);
        payload_unref(payload);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_embedded_as_it_stands),
        cmocka_unit_test(newlines_between_tokens_are_removed),
        cmocka_unit_test(other_text_is_a_string),
        cmocka_unit_test(json_of_too_many_levels_is_a_string),
        cmocka_unit_test(bytes_are_base64_with_padding),
        cmocka_unit_test(transcoded_values_are_themselves),
        cmocka_unit_test(offsets_and_publishers),
        cmocka_unit_test(joins_and_leaves),
        cmocka_unit_test(any_ascii_text_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
