/* Msgpack values as JSON text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "proto/json.h"
#include "proto/json_scan.h"
#include "tests/unit/pack_format.h"

/* Packs a value, writes it and frees what was packed. */
struct written {
    int error;
    const char *why;
    struct json_text text;
};

static void write_packed(struct written *written, struct packed packed, uint64_t max)
{
    const uint8_t *at = packed.bytes;
    struct value value;

    assert_int_equal(value_next(&value, &at, packed.bytes + packed.size), 0);
    written->error =
        json_write(&written->text, &value, packed.bytes + packed.size, max, &written->why);
    free(packed.bytes);
}

static void check_text(struct packed packed, const char *expected)
{
    struct written written;

    write_packed(&written, packed, 65536);
    assert_int_equal(written.error, 0);
    assert_int_equal(written.text.size, strlen(expected));
    assert_memory_equal(written.text.bytes, expected, written.text.size);
    assert_true(json_valid(written.text.bytes, written.text.size));
    json_text_free(&written.text);
}

static void check_refused(struct packed packed, const char *why)
{
    struct written written;

    write_packed(&written, packed, 65536);
    assert_int_equal(written.error, ERR_PROTOCOL);
    assert_string_equal(written.why, why);
    json_text_free(&written.text);
}

#define TEXT(expected, ...) check_text(pack_format(__VA_ARGS__), expected)
#define BAD(why, ...)       check_refused(pack_format(__VA_ARGS__), why)

static void scalars(void **state)
{
    TEXT("null", "n");
    TEXT("true", "t");
    TEXT("false", "x");
    TEXT("0", "i", 0);
    TEXT("-1", "i", -1);
    TEXT("\"\"", "s", "");
}

static void integers_keep_all_64_bits(void **state)
{
    TEXT("18446744073709551615", "u", UINT64_MAX);
    TEXT("9223372036854775808", "u", (uint64_t)INT64_MAX + 1);
    TEXT("9223372036854775807", "l", INT64_MAX);
    TEXT("-9223372036854775808", "l", INT64_MIN);
    TEXT("9007199254740993", "l", (INT64_C(1) << 53) + 1);
    TEXT("[0,127,128,255,256,65535,65536,4294967295,4294967296]", "[iiiiiiiul]", 0, 127, 128, 255,
         256, 65535, 65536, (uint64_t)UINT32_MAX, INT64_C(1) << 32);
    TEXT("[-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649]", "[iiiiiiill]", -1, -32,
         -33, -128, -129, -32768, -32769, (int64_t)INT32_MIN, (int64_t)INT32_MIN - 1);
}

static void floats_keep_their_value(void **state)
{
    TEXT("[0.1,1.0,-0.0,1e+300,5e-324]", "[ddddd]", 0.1, 1.0, -0.0, 1e300, 4.9406564584124654e-324);
    TEXT("[0.1,16777216.0,-2.5]", "[fff]", 0.1, 16777216.0, -2.5);
}

static void what_is_no_number_is_null(void **state)
{
    TEXT("[null,null,null]", "[ddd]", (double)NAN, (double)INFINITY, -(double)INFINITY);
    TEXT("[null,null,null]", "[fff]", (double)NAN, (double)INFINITY, -(double)INFINITY);
}

static void strings_are_escaped_where_they_must_be(void **state)
{
    TEXT("\"a\\\"b\\\\c/d\"", "s", "a\"b\\c/d");
    TEXT("\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u001b\x7f\"", "s", "\b\f\n\r\t\x01\x1f\x1b\x7f");
    TEXT("\"a\\u0000b\"", "S", "a\0b", 3);
    TEXT("\"gr\xc3\xbc\xc3\x9f \xe2\x80\xa8\xe2\x80\xa9 \xf0\x9f\x90\x98\"", "s",
         "gr\xc3\xbc\xc3\x9f \xe2\x80\xa8\xe2\x80\xa9 \xf0\x9f\x90\x98");
    TEXT("{\"\\\"\\n\":1}", "{si}", "\"\n", 1);
}

static void bytes_are_base64_with_padding(void **state)
{
    TEXT("\"\"", "b", "", 0);
    TEXT("\"Zg==\"", "b", "f", 1);
    TEXT("\"Zm8=\"", "b", "fo", 2);
    TEXT("\"Zm9v\"", "b", "foo", 3);
    TEXT("[\"Zm9vYg==\",\"+/+/\"]", "[bb]", "foob", 4, "\xfb\xff\xbf", 3);
}

static void containers(void **state)
{
    TEXT("[]", "[]");
    TEXT("{}", "{}");
    TEXT("[[],{},[{}]]", "[[]{}[{}]]");
    TEXT("{\"a\":[1,{\"b\":null}],\"c\":{}}", "{s[i{sn}]s{}}", "a", 1, "b", "c");
    /* Order and repeated keys are the producer's affair. */
    TEXT("{\"b\":1,\"a\":2,\"b\":3}", "{sisisi}", "b", 1, "a", 2, "b", 3);
}

static void what_has_no_json_is_refused(void **state)
{
    BAD("an extension type has no JSON", "e", 1);
    BAD("an extension type has no JSON", "e", 12); /* a timestamp would be type -1 */
    BAD("an extension type has no JSON", "[{se}]", "a", 100);
    BAD("a key in it is no string", "{ii}", 1, 1);
    BAD("a key in it is no string", "[{si bi}]", "a", 1, "b", 1, 1);
    BAD("a key in it is no string", "{nn}");
    BAD("a key in it is no string", "{[]n}");
    BAD("a string in it is not UTF-8", "s", "\xff");
    BAD("a string in it is not UTF-8", "[s]", "cut \xe2\x82");
    BAD("a string in it is not UTF-8", "{sn}", "\xc0\x80");
    BAD("a string in it is not UTF-8", "[s]", "\xed\xa0\x80");
    BAD("it is cut short", "r", "\x92\x01", 2);
    BAD("it is cut short", "r", "\x81\xa1", 2);
    BAD("it is cut short", "r", "\x81\xa1k", 3);
    BAD("it is cut short", "r", "\x91\xc1", 2);
    BAD("it is cut short", "r", "\xdd\xff\xff\xff\xff\x01", 6);
}

static struct packed nested(size_t levels, uint8_t open, const char *inner)
{
    struct packed packed = {.size = 0, .bytes = malloc(levels * 3 + 16)};

    for (size_t i = 0; i < levels; i++) {
        packed.bytes[packed.size++] = open;
        if (open == 0x81) {
            packed.bytes[packed.size++] = 0xa1;
            packed.bytes[packed.size++] = 'k';
        }
    }
    memcpy(packed.bytes + packed.size, inner, strlen(inner));
    packed.size += strlen(inner);
    return packed;
}

static void thirty_two_levels_and_no_more(void **state)
{
    char expected[256] = "";

    for (int i = 0; i < 32; i++)
        expected[i] = '[';
    strcat(expected, "7");
    for (int i = 0; i < 32; i++)
        strcat(expected, "]");
    check_text(nested(32, 0x91, "\x07"), expected);
    check_text(nested(0, 0x91, "\xa1x"), "\"x\"");

    check_refused(nested(32, 0x91, "\x90"), "it is more than 32 levels deep");
    check_refused(nested(33, 0x91, "\x07"), "it is more than 32 levels deep");
    check_refused(nested(33, 0x81, "\x07"), "it is more than 32 levels deep");
    check_refused(nested(32, 0x81, "\x80"), "it is more than 32 levels deep");
    /* Nor does any depth take stack. */
    check_refused(nested(1000000, 0x91, "\x07"), "it is more than 32 levels deep");
}

static void breadth_has_no_limit_but_size(void **state)
{
    uint8_t *bytes = malloc(5 + 20000);
    struct written written;

    memcpy(bytes, "\xdd\x00\x00\x4e\x20", 5);
    memset(bytes + 5, 1, 20000);
    write_packed(&written, (struct packed){bytes, 5 + 20000}, 65536);
    assert_int_equal(written.error, 0);
    assert_int_equal(written.text.size, 40001);
    json_text_free(&written.text);
}

static void stops_at_the_limit(void **state)
{
    static const char expected[] =
        "{\"a\":[1,2.5,\"\\n\\u0001\"],\"b\":{},\"c\":\"AQI=\",\"d\":null}";

    for (uint64_t max = 0; max <= sizeof(expected); max++) {
        struct written written;

        write_packed(
            &written,
            pack_format("{s[ids]s{}sb sn}", "a", 1, 2.5, "\n\x01", "b", "c", "\x01\x02", 2, "d"),
            max);
        assert_int_equal(written.error, max < sizeof(expected) - 1 ? ERR_TOO_LARGE : 0);
        assert_true(written.text.size <= max);
        json_text_free(&written.text);
    }
}

/* Escapes make six bytes of one: memory stays within the limit all the same. */
static void grows_within_the_limit(void **state)
{
    size_t size = 100000;
    char *text = malloc(size);
    struct written written;

    memset(text, 1, size);
    write_packed(&written, pack_format("[S]", text, (int)size), 6 * size + 4);
    assert_int_equal(written.error, 0);
    assert_int_equal(written.text.size, 6 * size + 4);
    json_text_free(&written.text);

    write_packed(&written, pack_format("[S]", text, (int)size), 6 * size + 3);
    assert_int_equal(written.error, ERR_TOO_LARGE);
    json_text_free(&written.text);

    write_packed(&written, pack_format("[S]", text, (int)size), size);
    assert_int_equal(written.error, ERR_TOO_LARGE);
    assert_ptr_equal(written.text.bytes, written.text.small);
    json_text_free(&written.text);
    free(text);
}

/* A random value, packed by msgpack-c and at the same time written as the JSON that it should
 * become. */
struct pair {
    msgpack_packer packer;
    msgpack_sbuffer packed;
    char json[1 << 20];
    size_t size;
    uint32_t random;
};

static uint32_t next_random(struct pair *pair)
{
    pair->random = pair->random * 1664525 + 1013904223;
    return pair->random >> 8;
}

static void expect(struct pair *pair, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    pair->size += (size_t)vsnprintf(pair->json + pair->size, sizeof(pair->json) - pair->size,
                                    format, arguments);
    va_end(arguments);
}

static void add_string(struct pair *pair)
{
    static const struct {
        const char *text, *json;
    } pieces[] = {{"a", "a"},
                  {"xyz", "xyz"},
                  {"\"", "\\\""},
                  {"\\", "\\\\"},
                  {"\n", "\\n"},
                  {"\x02", "\\u0002"},
                  {"/", "/"},
                  {"\xc3\xa9", "\xc3\xa9"},
                  {"\xe2\x82\xac", "\xe2\x82\xac"},
                  {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"}};
    char text[512] = "";

    expect(pair, "\"");
    for (uint32_t i = next_random(pair) % 60; i; i--) {
        size_t piece = next_random(pair) % (sizeof(pieces) / sizeof(pieces[0]));
        strcat(text, pieces[piece].text);
        expect(pair, "%s", pieces[piece].json);
    }
    expect(pair, "\"");
    msgpack_pack_str_with_body(&pair->packer, text, strlen(text));
}

static void add_number(struct pair *pair)
{
    uint64_t bits =
        (uint64_t)next_random(pair) << 40 ^ (uint64_t)next_random(pair) << 20 ^ next_random(pair);
    bits >>= next_random(pair) % 64;

    if (next_random(pair) & 1) {
        msgpack_pack_uint64(&pair->packer, bits);
        expect(pair, "%llu", (unsigned long long)bits);
    } else {
        msgpack_pack_int64(&pair->packer, -(int64_t)(bits >> 1));
        expect(pair, "%lld", -(long long)(bits >> 1));
    }
}

static void add_value(struct pair *pair, int depth)
{
    uint32_t kind = next_random(pair) % (depth < 6 ? 8 : 5);
    uint32_t count = next_random(pair) % 7;

    switch (kind) {
    case 0:
        msgpack_pack_nil(&pair->packer);
        expect(pair, "null");
        break;
    case 1:
        msgpack_pack_true(&pair->packer);
        expect(pair, "true");
        break;
    case 2:
    case 3:
        add_number(pair);
        break;
    case 4:
        add_string(pair);
        break;
    default:
        if (kind == 5)
            msgpack_pack_map(&pair->packer, count);
        else
            msgpack_pack_array(&pair->packer, count);
        expect(pair, kind == 5 ? "{" : "[");
        for (uint32_t i = 0; i < count; i++) {
            if (i)
                expect(pair, ",");
            if (kind == 5) {
                add_string(pair);
                expect(pair, ":");
            }
            add_value(pair, depth + 1);
        }
        expect(pair, kind == 5 ? "}" : "]");
    }
}

static void random_values_survive(void **state)
{
    struct pair *pair = malloc(sizeof(*pair));
    size_t total = 0;

    for (uint32_t round = 0; round < 3000; round++) {
        struct packed packed;

        msgpack_sbuffer_init(&pair->packed);
        msgpack_packer_init(&pair->packer, &pair->packed, msgpack_sbuffer_write);
        pair->random = round;
        pair->size = 0;
        add_value(pair, 0);
        assert_true(pair->size < sizeof(pair->json));
        total += pair->size;
        packed.size = pair->packed.size;
        packed.bytes = (uint8_t *)msgpack_sbuffer_release(&pair->packed);

        struct written written;
        write_packed(&written, packed, sizeof(pair->json));
        assert_int_equal(written.error, 0);
        assert_int_equal(written.text.size, pair->size);
        assert_memory_equal(written.text.bytes, pair->json, pair->size);
        assert_true(json_valid(written.text.bytes, written.text.size));

        /* And to a parser that is not ours it is JSON. */
        json_t *json = json_loadb(written.text.bytes, written.text.size,
                                  JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
        assert_non_null(json);
        json_decref(json);
        json_text_free(&written.text);
    }
    assert_true(total > 100000);
    free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars),
        cmocka_unit_test(integers_keep_all_64_bits),
        cmocka_unit_test(floats_keep_their_value),
        cmocka_unit_test(what_is_no_number_is_null),
        cmocka_unit_test(strings_are_escaped_where_they_must_be),
        cmocka_unit_test(bytes_are_base64_with_padding),
        cmocka_unit_test(containers),
        cmocka_unit_test(what_has_no_json_is_refused),
        cmocka_unit_test(thirty_two_levels_and_no_more),
        cmocka_unit_test(breadth_has_no_limit_but_size),
        cmocka_unit_test(stops_at_the_limit),
        cmocka_unit_test(grows_within_the_limit),
        cmocka_unit_test(random_values_survive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
