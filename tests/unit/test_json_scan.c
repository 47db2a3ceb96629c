/* What is JSON, and what only looks like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/json_scan.h"

/* In memory that ends where the text ends. */
static bool valid(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);

    memcpy(copy, text, size);
    bool result = json_valid(copy, size);
    free(copy);
    return result;
}

static void json_is_taken(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        " [ ] ",
        "\t\r\n{ } \n",
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1234567890123456789012345678901234567890",
        "1.5",
        "-0.0e0",
        "1E5",
        "1e+999",
        "1e-05",
        "\"\"",
        "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00fF\"",
        "\"\\ud800\"",
        "\"gr\xc3\xbc\xc3\x9f\x7f\"",
        "[1,2,[3,{\"a\":[]}],\"x\"]",
        "{\"a\":1,\"a\":2}",
        "{ \"a\" : { \"b\" : [ 1 , 2 ] } , \"c\" : null }",
        "[[[[]]],{}]",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(valid(texts[i], strlen(texts[i])));
}

static void what_is_not_json_is_not(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[}",
        "{]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "nul",
        "nulll",
        "True",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x10",
        "1 2",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "'a'",
        "\"\n\"",
        "\"\x1f\"",
        "[] []",
        "{}{}",
        "force disconnect",
        "slow",
        "\xef\xbb\xbf{}",
        "[1]x",
        "\xc2\xa0[]",
        "[1],",
        "[]]",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(valid(texts[i], strlen(texts[i])));
    assert_false(valid("\"\0\"", 3));
    assert_false(valid("1\0", 2));
    assert_false(valid("\"\\\0\"", 4));
}

static void depth_is_limited(void **state)
{
    static const char *const kinds[][2] = {{"[", "]"}, {"{\"k\":", "}"}, {"[{\"k\":", "}]"}};

    for (int kind = 0; kind < 3; kind++) {
        size_t step = strlen(kinds[kind][0]), levels = kind == 2 ? 2 : 1;
        for (size_t depth = 120; depth <= 136; depth += levels) {
            char text[4096];
            size_t size = 0;

            for (size_t i = 0; i < depth / levels; i++, size += step)
                memcpy(text + size, kinds[kind][0], step);
            text[size++] = '1';
            for (size_t i = 0; i < depth / levels; i++, size += levels)
                memcpy(text + size, kinds[kind][1], levels);
            assert_int_equal(valid(text, size), depth <= JSON_SCAN_LEVELS_MAX);
            assert_false(valid(text, size - 1));
        }
    }

    size_t size = 1000000;
    char *text = malloc(size);
    memset(text, '[', size);
    assert_false(json_valid(text, size));
    free(text);
}

/* Random texts from JSON's own characters: jansson says the same. */
static void agrees_with_another_parser(void **state)
{
    static const char *const pieces[] = {"[",    "]",     "{",  "}",  ",",      ":",  "\"a\"",
                                         "1",    "0",     "-",  ".5", "e1",     " ",  "true",
                                         "null", "\"\\n", "\"", "\\", "\"b\":", "[]", "{}"};
    uint32_t random = 7, taken = 0;

    for (int round = 0; round < 200000; round++) {
        char text[256] = "";

        random = random * 1664525 + 1013904223;
        for (uint32_t left = 1 + (random >> 24) % 9; left; left--) {
            random = random * 1664525 + 1013904223;
            strcat(text, pieces[(random >> 16) % (sizeof(pieces) / sizeof(pieces[0]))]);
        }
        json_t *json = json_loadb(text, strlen(text), JSON_DECODE_ANY, NULL);
        assert_int_equal(valid(text, strlen(text)), json != NULL);
        taken += json != NULL;
        json_decref(json);
    }
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_taken),
        cmocka_unit_test(what_is_not_json_is_not),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(agrees_with_another_parser),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
