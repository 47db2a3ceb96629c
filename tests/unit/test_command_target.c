/* Whom a command is for: the six ways to say it, and names that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/command_helper.h"

#define BROADCAST "op", "broadcast", "data", "x"

/* A broadcast to `format` and what follows it; the key is part of it. */
#define TO(format, ...) decode("{ss ss " format "}", BROADCAST, __VA_ARGS__)
#define NOT(word, ...)  check_refused(TO(__VA_ARGS__), REFUSAL_BAD_COMMAND, word, __FILE__, __LINE__)
#define NO_GROUP(word, ...) \
    check_refused(TO(__VA_ARGS__), REFUSAL_BAD_GROUP, word, __FILE__, __LINE__)

static void assert_one(struct decoded decoded, const char *name)
{
    assert_int_equal(decoded.error, 0);
    assert_int_equal(decoded.command.name_count, 1);
    assert_int_equal(decoded.command.name.size, strlen(name));
    assert_string_equal(decoded.command.name.bytes, name);
    assert_null(decoded.command.names);
    assert_false(decoded.command.all);
    assert_false(decoded.command.groups);
    decoded_free(&decoded);
}

static void one_group_has_a_full_name(void **state)
{
    assert_one(TO("ss", "group", "analytics_dashboard"), "analytics_dashboard");
    assert_one(TO("ss", "group", "user:ann"), "user:ann");
    assert_one(TO("ss", "experiment", "42"), "experiment:42");
    assert_one(TO("ss", "session", "abc"), "session:abc");
    assert_one(TO("ss", "user", "ann"), "user:ann");
    assert_one(TO("ss", "user", "a:b"), "user:a:b");
    assert_one(TO("ss", "user", ""), "user:");
}

static void integers_stand_for_their_decimal_form(void **state)
{
    assert_one(TO("si", "experiment", 42), "experiment:42");
    assert_one(TO("si", "session", 0), "session:0");
    assert_one(TO("si", "user", -5), "user:-5");
    assert_one(TO("su", "user", UINT64_MAX), "user:18446744073709551615");
    assert_one(TO("sl", "user", INT64_MIN), "user:-9223372036854775808");
    /* However wide the encoding. */
    assert_one(TO("sr", "user", "\xd3\x00\x00\x00\x00\x00\x00\x00\x07", 9), "user:7");
    assert_one(TO("sr", "user", "\xcf\x00\x00\x00\x00\x00\x00\x00\x07", 9), "user:7");
    assert_one(TO("sr", "user", "\xd3\xff\xff\xff\xff\xff\xff\xff\xfb", 9), "user:-5");
}

static void types_that_are_no_names_are_bad_commands(void **state)
{
    NOT("group: must be a string, not an integer", "si", "group", 42);
    NOT("group", "sn", "group");
    NOT("group", "sb", "group", "g", 1);
    NOT("group", "s[s]", "group", "g");
    NOT("experiment: must be a string or an integer, not a float", "sd", "experiment", 42.0);
    NOT("session", "st", "session");
    NOT("user", "sn", "user");
    NOT("user", "sb", "user", "ann", 3);
    NOT("user", "s{}", "user");
}

static void there_is_exactly_one_target(void **state)
{
    BAD("no target", "{ss ss}", BROADCAST);
    BAD("no target", "{ss}", "op", "disconnect");
    NOT("more than one", "ss ss", "group", "a", "experiment", "b");
    NOT("more than one", "ss s[s]", "group", "a", "groups", "a");
    NOT("more than one", "ss st", "group", "a", "all");
    NOT("more than one", "ss sx", "group", "a", "all");
    NOT("more than one", "si si", "user", 1, "session", 2);
    NOT("more than one", "ss sn", "group", "a", "user");
}

static void all_can_only_be_true(void **state)
{
    struct decoded decoded = TO("st", "all");
    assert_int_equal(decoded.error, 0);
    assert_true(decoded.command.all);
    assert_int_equal(decoded.command.name_count, 0);
    decoded_free(&decoded);

    NOT("all", "sx", "all");
    NOT("all", "sn", "all");
    NOT("all", "si", "all", 1);
    NOT("all", "ss", "all", "true");
}

static void bad_names_are_told(void **state)
{
    char name[200];

    NO_GROUP("\"\"", "ss", "group", "");
    NO_GROUP("\"a b\"", "ss", "group", "a b");
    NO_GROUP("\"a\\x00\"", "sS", "group", "a\0", 2);
    NO_GROUP("\"gr\\xc3\\xbc\\xc3\\x9fe\"", "ss", "group", "gr\xc3\xbc\xc3\x9f\x65");
    NO_GROUP("user \"a b\"", "ss", "user", "a b");
    NO_GROUP("experiment", "ss", "experiment", "\n");
    NO_GROUP("\"*\"", "ss", "group", "*");
    for (const char *bad = " /?#%*,\"\\\x7f\x1f"; *bad; bad++) {
        snprintf(name, sizeof(name), "a%cb", *bad);
        NO_GROUP("a name is", "ss", "group", name);
    }
    memset(name, 'x', sizeof(name));
    NO_GROUP("xxx...\"", "sS", "group", name, 129);
    NO_GROUP("xxx\": a name with its namespace is", "sS", "experiment", name, 118);
    NO_GROUP("xxx...\"", "sS", "session", name, 200);

    NOT("group: not UTF-8", "sS", "group", "a\xff", 2);
    NOT("session: not UTF-8", "sS", "session", "\xe2\x82", 2);
    memset(name, 0xff, sizeof(name));
    NOT("user: not UTF-8", "sS", "user", name, 200);
}

static void names_may_have_128_bytes(void **state)
{
    char name[GROUP_NAME_MAX + 1];

    memset(name, 'x', GROUP_NAME_MAX);
    name[GROUP_NAME_MAX] = '\0';
    assert_one(TO("ss", "group", name), name);
    memcpy(name, "experiment:", 11);
    assert_one(TO("ss", "experiment", name + 11), name);
}

static void groups_are_distinct_and_in_order(void **state)
{
    struct decoded decoded = TO("s[sssss]", "groups", "b", "a", "b", "c", "a");
    static const char *const names[] = {"b", "a", "c"};

    assert_int_equal(decoded.error, 0);
    assert_true(decoded.command.groups);
    assert_int_equal(decoded.command.name_count, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(decoded.command.names[i].bytes, names[i]);
    decoded_free(&decoded);
}

static void one_name_in_groups_is_still_groups(void **state)
{
    struct decoded decoded = TO("s[sss]", "groups", "a", "a", "a");

    assert_int_equal(decoded.error, 0);
    assert_true(decoded.command.groups);
    assert_int_equal(decoded.command.name_count, 1);
    assert_string_equal(decoded.command.name.bytes, "a");
    assert_null(decoded.command.names);
    decoded_free(&decoded);
}

static void one_bad_name_refuses_all(void **state)
{
    NO_GROUP("groups \"b b\"", "s[sss]", "groups", "a", "b b", "c");
    NO_GROUP("groups \"\"", "s[ss]", "groups", "a", "");
    NOT("groups: must be strings, not an integer", "s[sis]", "groups", "a", 42, "c");
    NOT("groups: must be strings, not an array", "s[s[s]]", "groups", "a", "b");
    NOT("groups: must be strings, not binary", "s[sb]", "groups", "a", "b", 1);
    NOT("groups: not UTF-8", "s[sS]", "groups", "a", "\xff", 1);
    NOT("groups: must not be empty", "s[]", "groups");
    NOT("groups: must be an array, not a string", "ss", "groups", "a");
    NOT("groups: must be an array, not a map", "s{ss}", "groups", "a", "b");
}

static void put(uint8_t **at, const void *bytes, size_t size)
{
    memcpy(*at, bytes, size);
    *at += size;
}

/* A broadcast to `count` names, NUMBER % `distinct`, then `last` where it is not NULL. */
static struct decoded decode_many(uint32_t count, uint32_t distinct, const char *last)
{
    static const char head[] = "\x83\xa2op\xa9"
                               "broadcast\xa4"
                               "data\xa1x\xa6groups\xdd";
    struct packed packed = {.bytes = malloc(64 + (size_t)count * 16)};
    uint32_t total = count + (last != NULL);
    uint8_t *at = packed.bytes;
    char text[16];

    put(&at, head, sizeof(head) - 1);
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(total >> shift);
    for (uint32_t i = 0; i < total; i++) {
        snprintf(text, sizeof(text), "g%u", (unsigned)(i % distinct));
        const char *name = last && i == count ? last : text;
        *at++ = (uint8_t)(0xa0 | strlen(name));
        put(&at, name, strlen(name));
    }
    packed.size = (size_t)(at - packed.bytes);
    return decode_packed(packed, MESSAGE_BYTES);
}

static void so_many_groups_are_taken_and_no_more(void **state)
{
    struct decoded decoded = decode_many(COMMAND_GROUPS_MAX, COMMAND_GROUPS_MAX, NULL);
    assert_int_equal(decoded.error, 0);
    assert_int_equal(decoded.command.name_count, COMMAND_GROUPS_MAX);
    for (unsigned i = 0; i < COMMAND_GROUPS_MAX; i++) {
        char text[16];
        snprintf(text, sizeof(text), "g%u", i);
        assert_string_equal(decoded.command.names[i].bytes, text);
    }
    decoded_free(&decoded);

    /* Repeated names count once. */
    decoded = decode_many(5 * COMMAND_GROUPS_MAX, COMMAND_GROUPS_MAX, NULL);
    assert_int_equal(decoded.error, 0);
    assert_int_equal(decoded.command.name_count, COMMAND_GROUPS_MAX);
    decoded_free(&decoded);

    decoded = decode_many(COMMAND_GROUPS_MAX, COMMAND_GROUPS_MAX, "g7");
    assert_int_equal(decoded.error, 0);
    decoded_free(&decoded);

    check_refused(decode_many(COMMAND_GROUPS_MAX + 1, COMMAND_GROUPS_MAX + 1, NULL),
                  REFUSAL_TOO_LARGE, "groups", __FILE__, __LINE__);
    check_refused(decode_many(1000, 1000, "a b"), REFUSAL_BAD_GROUP, "\"a b\"", __FILE__, __LINE__);
}

static void every_count_around_the_small_set_works(void **state)
{
    for (uint32_t count = 1; count < 140; count++) {
        for (uint32_t distinct = 1; distinct <= count; distinct += 1 + distinct / 4) {
            struct decoded decoded = decode_many(count, distinct, NULL);
            assert_int_equal(decoded.error, 0);
            assert_int_equal(decoded.command.name_count, distinct);
            decoded_free(&decoded);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_group_has_a_full_name),
        cmocka_unit_test(integers_stand_for_their_decimal_form),
        cmocka_unit_test(types_that_are_no_names_are_bad_commands),
        cmocka_unit_test(there_is_exactly_one_target),
        cmocka_unit_test(all_can_only_be_true),
        cmocka_unit_test(bad_names_are_told),
        cmocka_unit_test(names_may_have_128_bytes),
        cmocka_unit_test(groups_are_distinct_and_in_order),
        cmocka_unit_test(one_name_in_groups_is_still_groups),
        cmocka_unit_test(one_bad_name_refuses_all),
        cmocka_unit_test(so_many_groups_are_taken_and_no_more),
        cmocka_unit_test(every_count_around_the_small_set_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
