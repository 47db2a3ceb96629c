/* What a raw client asks for with its URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/ws_target.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define GROUPS_MAX    3

struct answer {
    enum ws_target_fault fault;
    struct ws_target target;
    char text[160];
};

static struct name_view copy_of(const char *bytes, size_t size)
{
    char *copy = malloc(size ? size : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return (struct name_view){copy, (uint32_t)size};
}

/* `url` is a path, maybe with '?' and a query. Path and query lie in memory of just their size, so
 * that a sanitizer sees what is read beyond; what comes back must not point into them. */
static struct answer parse(const char *url)
{
    struct answer answer;
    const char *mark = strchr(url, '?');
    struct name_view path = copy_of(url, mark ? (size_t)(mark - url) : strlen(url));
    struct name_view query = {NULL, 0};

    if (mark)
        query = copy_of(mark + 1, strlen(mark + 1));
    assert_int_equal(ws_path_kind(path), WS_PATH_RAW);
    memset(&answer, 0x5A, sizeof(answer));
    answer.fault = ws_target_parse(&answer.target, path, query, GROUPS_MAX, answer.text);
    free((void *)path.bytes);
    free((void *)query.bytes);
    assert_non_null(memchr(answer.text, '\0', sizeof(answer.text)));
    for (const char *at = answer.text; *at; at++)
        assert_in_range(*at, ' ', '~');
    assert_int_equal(answer.text[0] == '\0', answer.fault == WS_TARGET_OK);
    return answer;
}

static void expect_fault(const char *url, enum ws_target_fault fault)
{
    struct answer answer = parse(url);

    if (answer.fault != fault)
        fail_msg("%s: %d, not %d (%s)", url, answer.fault, fault, answer.text);
    ws_target_clear(&answer.target);
    assert_int_equal(answer.target.group_count, 0);
    assert_null(answer.target.groups);
}

/* `groups` are separated by spaces. */
static void expect_groups(const char *url, const char *groups)
{
    struct answer answer = parse(url);
    char have[GROUPS_MAX * (GROUP_NAME_MAX + 1) + 1] = "";

    if (answer.fault)
        fail_msg("%s: %s", url, answer.text);
    for (uint32_t i = 0; i < answer.target.group_count; i++) {
        const struct ws_target_name *name = &answer.target.groups[i];

        assert_int_equal(strlen(name->bytes), name->size);
        if (i)
            strcat(have, " ");
        strcat(have, name->bytes);
    }
    assert_string_equal(have, groups);
    ws_target_clear(&answer.target);
}

static enum ws_path kind(const char *path)
{
    return ws_path_kind((struct name_view){path, (uint32_t)strlen(path)});
}

static void test_paths(void **state)
{
    static const char *const raw[] = {"/ws", "/ws/", "/ws/a", "/ws/a/b", "/ws//", "/ws/connection"};
    static const char *const none[] = {"",
                                       "/",
                                       "/w",
                                       "/wsx",
                                       "/ws%2Fa",
                                       "/WS",
                                       "/WS/a",
                                       "ws",
                                       "//ws",
                                       "/ws;a",
                                       "/connection",
                                       "/connection/websocket/",
                                       "/connection/websocket/x",
                                       "/connection/websockets",
                                       "/Connection/websocket",
                                       "/healthz",
                                       "*"};

    for (size_t i = 0; i < LENGTH(raw); i++)
        assert_int_equal(kind(raw[i]), WS_PATH_RAW);
    for (size_t i = 0; i < LENGTH(none); i++)
        assert_int_equal(kind(none[i]), WS_PATH_NONE);
    assert_int_equal(kind("/connection/websocket"), WS_PATH_CENTRIFUGE);
    assert_int_equal(ws_path_kind((struct name_view){NULL, 0}), WS_PATH_NONE);
}

static void test_groups_in_path_and_query(void **state)
{
    expect_groups("/ws/a", "a");
    expect_groups("/ws/a?", "a");
    expect_groups("/ws?group=a", "a");
    expect_groups("/ws/?group=a", "a");
    expect_groups("/ws?group=a&group=b", "a b");
    expect_groups("/ws/a?group=b&group=c", "a b c");
    expect_groups("/ws?group=c&group=a&group=b", "c a b");
    expect_groups("/ws/experiment:42", "experiment:42");
    expect_groups("/ws/a?&&group=b&&", "a b");
}

static void test_a_name_given_twice_counts_once(void **state)
{
    expect_groups("/ws/a?group=a", "a");
    expect_groups("/ws?group=a&group=b&group=a&group=b&group=c&group=%61", "a b c");
}

static void test_names_are_decoded_once(void **state)
{
    expect_groups("/ws/caf%65", "cafe");
    expect_groups("/ws/%61%62%63", "abc");
    expect_groups("/ws?group=a%3Ab%3ac", "a:b:c");
    expect_groups("/ws/a%26b", "a&b");
    expect_groups("/ws?group=a%26b%3Dc", "a&b=c");
    expect_groups("/ws/a+b", "a+b");
    expect_groups("/ws?group=a+b", "a+b");
    expect_groups("/ws?group=a=b", "a=b"); /* the first '=' is the one */
    expect_groups("/ws?%67roup=a", "a");
    expect_fault("/ws/a%2561", WS_TARGET_BAD_GROUP); /* a%61 has a '%' */
}

static void test_names_that_are_none(void **state)
{
    static const char *const names[] = {
        "a/b", "a%2Fb", "a%2fb", "/",   "a%20b", "a%3Fb", "a%23b", "a%25b",  "a*",       "*", "%2A",
        "a,b", "a%22",  "%5C",   "%00", "a%00",  "%0A",   "%7F",   "%C3%A9", "\xC3\xA9", "%", "%4",
        "a%",  "a%6",   "%zz",   "%g1", "%1g",   "a%-1",  "%%41",  "% 41",   "%+4",
    };

    for (size_t i = 0; i < LENGTH(names); i++) {
        char url[64];

        snprintf(url, sizeof(url), "/ws/%s", names[i]);
        if (!strchr(names[i], '?'))
            expect_fault(url, WS_TARGET_BAD_GROUP);
        snprintf(url, sizeof(url), "/ws/good?group=%s", names[i]);
        expect_fault(url, WS_TARGET_BAD_GROUP);
        snprintf(url, sizeof(url), "/ws/good?user=%s", names[i]);
        expect_fault(url, WS_TARGET_BAD_GROUP);
    }
    expect_fault("/ws?group=", WS_TARGET_BAD_GROUP);
    expect_fault("/ws?group", WS_TARGET_BAD_GROUP);
    expect_fault("/ws/good?group=", WS_TARGET_BAD_GROUP);
}

static void test_lengths_of_names(void **state)
{
    for (size_t size = 1; size <= 300; size++) {
        char url[1024] = "/ws/", user[1024] = "/ws?user=", coded[1024] = "/ws?group=";

        for (size_t i = 0; i < size; i++) {
            strcat(url, "n");
            strcat(user, "u");
            strcat(coded, "%6e");
        }
        expect_fault(url, size <= 128 ? WS_TARGET_OK : WS_TARGET_BAD_GROUP);
        expect_fault(coded, size <= 128 ? WS_TARGET_OK : WS_TARGET_BAD_GROUP);
        expect_fault(user, size <= 123 ? WS_TARGET_OK : WS_TARGET_BAD_GROUP);
    }
}

static void test_too_many_groups(void **state)
{
    expect_groups("/ws?group=a&group=b&group=c&user=u", "a b c"); /* the user's is not counted */
    expect_fault("/ws?group=a&group=b&group=c&group=d", WS_TARGET_TOO_MANY);
    expect_fault("/ws/a?group=b&group=c&group=d", WS_TARGET_TOO_MANY);
    expect_fault("/ws?group=a&group=b&group=c&group=d&group=a%20", WS_TARGET_BAD_GROUP);
}

static void test_as_many_groups_as_there_is_room_for(void **state)
{
    char query[8192] = "";
    struct ws_target target;
    char text[160];
    struct name_view path = {"/ws", 3};

    for (unsigned i = 0; i < 500; i++)
        sprintf(query + strlen(query), "group=g%u&", i);
    struct name_view view = {query, (uint32_t)strlen(query)};
    assert_int_equal(ws_target_parse(&target, path, view, 500, text), WS_TARGET_OK);
    assert_int_equal(target.group_count, 500);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(atoi(target.groups[i].bytes + 1), i);
    ws_target_clear(&target);
    assert_int_equal(ws_target_parse(&target, path, view, 499, text), WS_TARGET_TOO_MANY);
    assert_string_equal(text, "more than 499 groups");
    ws_target_clear(&target);
}

static void test_users(void **state)
{
    struct answer answer = parse("/ws?user=ann");

    assert_int_equal(answer.fault, WS_TARGET_OK);
    assert_true(answer.target.has_user);
    assert_string_equal(answer.target.user, "ann");
    assert_int_equal(answer.target.group_count, 0);
    ws_target_clear(&answer.target);

    answer = parse("/ws/a?user=%61nn%3Ab");
    assert_string_equal(answer.target.user, "ann:b");
    ws_target_clear(&answer.target);

    answer = parse("/ws/a");
    assert_false(answer.target.has_user);
    ws_target_clear(&answer.target);

    expect_fault("/ws?user=", WS_TARGET_BAD_GROUP);
    expect_fault("/ws/a?user=", WS_TARGET_BAD_GROUP);
    expect_fault("/ws/a?user", WS_TARGET_BAD_GROUP);
    expect_fault("/ws/a?user=a%20b", WS_TARGET_BAD_GROUP);
}

static void test_neither_group_nor_user(void **state)
{
    expect_fault("/ws", WS_TARGET_NO_GROUP);
    expect_fault("/ws/", WS_TARGET_NO_GROUP);
    expect_fault("/ws?", WS_TARGET_NO_GROUP);
    expect_fault("/ws/?hello=1", WS_TARGET_NO_GROUP);
    expect_fault("/ws?groups=a&Group=b&users=c", WS_TARGET_NO_GROUP);
    expect_fault("/ws?since=now", WS_TARGET_NO_GROUP);
}

static void test_users_groups_cannot_be_joined_by_name(void **state)
{
    expect_fault("/ws/user:ann", WS_TARGET_USER_GROUP);
    expect_fault("/ws?group=user%3Aann", WS_TARGET_USER_GROUP);
    expect_fault("/ws/user:", WS_TARGET_USER_GROUP);
    expect_fault("/ws/user:ann?user=ann", WS_TARGET_USER_GROUP);
    expect_fault("/ws/a?group=b&group=user:ann", WS_TARGET_USER_GROUP);
    expect_groups("/ws/users:ann", "users:ann");
    expect_groups("/ws/user", "user");
}

static void test_what_is_wrong_comes_before_what_is_not_allowed(void **state)
{
    expect_fault("/ws/user:ann?group=%20", WS_TARGET_BAD_GROUP);
    expect_fault("/ws/user:ann?user=", WS_TARGET_BAD_GROUP);
    expect_fault("/ws/user:ann?user=a&user=b", WS_TARGET_REPEATED);
    expect_fault("/ws/user:ann?since=x", WS_TARGET_BAD_SINCE);
    expect_fault("/ws/user:ann?since=now&echo=0", WS_TARGET_BAD_SINCE);
    expect_fault("/ws/user:a?group=b&group=c&group=d", WS_TARGET_TOO_MANY);
    expect_fault("/ws?user=a&user=b&since=x&group=", WS_TARGET_BAD_GROUP);
}

static void test_hello_and_echo(void **state)
{
    static const struct {
        const char *url;
        bool hello, no_echo;
    } cases[] = {
        {"/ws/a", false, false},
        {"/ws/a?hello=1", true, false},
        {"/ws/a?hello=%31", true, false},
        {"/ws/a?hello=0", false, false},
        {"/ws/a?hello=", false, false},
        {"/ws/a?hello", false, false},
        {"/ws/a?hello=true", false, false},
        {"/ws/a?hello=11", false, false},
        {"/ws/a?Hello=1", false, false},
        {"/ws/a?echo=0", false, true},
        {"/ws/a?echo=1", false, false},
        {"/ws/a?echo=00", false, false},
        {"/ws/a?echo=%", false, false},
        {"/ws/a?hello=1&echo=0&user=u", true, true},
        {"/ws/a?hello=0&hello=1", true, false},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct answer answer = parse(cases[i].url);

        assert_int_equal(answer.fault, WS_TARGET_OK);
        assert_int_equal(answer.target.hello, cases[i].hello);
        assert_int_equal(answer.target.no_echo, cases[i].no_echo);
        assert_int_equal(answer.target.since, WS_SINCE_NONE);
        ws_target_clear(&answer.target);
    }
}

static void test_unknown_parameters_are_ignored(void **state)
{
    expect_groups("/ws/a?token=x&_=123&utm_source=%zz&%zz=1&=&==&%&x", "a");
    expect_groups("/ws/a?grou=b&group2=c&user2=d&since2=e", "a");
    expect_groups(
        "/ws/a?a-key-of-more-than-128-bytes-0123456789012345678901234567890123456789012345"
        "67890123456789012345678901234567890123456789012345678901234567890=b",
        "a");
}

static void test_positions(void **state)
{
    static const struct {
        const char *since, *epoch;
        uint64_t offset;
    } cases[] = {
        {"e:0", "e", 0},
        {"abc-DEF_123:42", "abc-DEF_123", 42},
        {"e%3A12", "e", 12},
        {"%65:1%32", "e", 12},
        {"0123456789abcdef0123456789abcdef:7", "0123456789abcdef0123456789abcdef", 7},
        {"e:18446744073709551615", "e", UINT64_MAX},
        {"e:007", "e", 7},
        {"now:3", "now", 3},
        {":0", "", 0},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        char url[128];

        snprintf(url, sizeof(url), "/ws/a?hello=1&since=%s", cases[i].since);
        struct answer answer = parse(url);
        if (answer.fault)
            fail_msg("%s: %s", url, answer.text);
        assert_int_equal(answer.target.since, WS_SINCE_POSITION);
        assert_string_equal(answer.target.epoch, cases[i].epoch);
        assert_true(answer.target.offset == cases[i].offset);
        ws_target_clear(&answer.target);
    }
    struct answer now = parse("/ws?since=now&group=a");
    assert_int_equal(now.fault, WS_TARGET_OK);
    assert_int_equal(now.target.since, WS_SINCE_NOW);
    ws_target_clear(&now.target);
}

static void test_positions_that_are_none(void **state)
{
    static const char *const values[] = {
        "",
        "e",
        "e:",
        ":1",
        ":",
        "e:x",
        "e:1x",
        "e:-1",
        "e:+1",
        "e: 1",
        "e:1:2",
        "e 1:2",
        "e.f:1",
        "e:18446744073709551616",
        "Now",
        "now%00",
        "e:1%00",
        "e:%",
        "%zz:1",
        "caf%C3%A9:1",
        "e:99999999999999999999999999",
        "0123456789abcdef0123456789abcdef0:7",
    };

    for (size_t i = 0; i < LENGTH(values); i++) {
        char url[128];

        snprintf(url, sizeof(url), "/ws/a?since=%s", values[i]);
        expect_fault(url, WS_TARGET_BAD_SINCE);
    }
    expect_fault("/ws/a?since", WS_TARGET_BAD_SINCE);
}

static void test_a_position_is_of_one_group_alone(void **state)
{
    expect_fault("/ws/a?since=now&user=ann", WS_TARGET_BAD_SINCE);
    expect_fault("/ws?since=now&user=ann", WS_TARGET_BAD_SINCE);
    expect_fault("/ws/a?since=now&echo=0", WS_TARGET_BAD_SINCE);
    expect_fault("/ws/a?since=now&group=b", WS_TARGET_BAD_SINCE);
    expect_fault("/ws/a?group=b&since=e:1", WS_TARGET_BAD_SINCE);
    expect_groups("/ws/a?group=a&since=now&echo=1&hello=1", "a");
}

static void test_user_and_since_once_at_most(void **state)
{
    expect_fault("/ws/a?user=ann&user=bob", WS_TARGET_REPEATED);
    expect_fault("/ws/a?user=ann&user=ann", WS_TARGET_REPEATED);
    expect_fault("/ws/a?since=now&since=now", WS_TARGET_REPEATED);
    expect_fault("/ws/a?since=now&since=x", WS_TARGET_REPEATED);
}

static void test_texts_name_what_is_wrong(void **state)
{
    struct answer answer = parse("/ws/a%20b");

    assert_non_null(strstr(answer.text, "a%20b"));
    ws_target_clear(&answer.target);

    answer = parse("/ws/\x01\xFF\x1B[2J");
    assert_non_null(strstr(answer.text, "\\x01\\xff\\x1b[2J"));
    ws_target_clear(&answer.target);

    char url[1024] = "/ws/";
    for (size_t i = 0; i < 900; i++)
        strcat(url, i % 2 ? "\xFF" : "x");
    answer = parse(url);
    assert_non_null(strstr(answer.text, "...\""));
    ws_target_clear(&answer.target);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_groups_in_path_and_query),
        cmocka_unit_test(test_a_name_given_twice_counts_once),
        cmocka_unit_test(test_names_are_decoded_once),
        cmocka_unit_test(test_names_that_are_none),
        cmocka_unit_test(test_lengths_of_names),
        cmocka_unit_test(test_too_many_groups),
        cmocka_unit_test(test_as_many_groups_as_there_is_room_for),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_neither_group_nor_user),
        cmocka_unit_test(test_users_groups_cannot_be_joined_by_name),
        cmocka_unit_test(test_what_is_wrong_comes_before_what_is_not_allowed),
        cmocka_unit_test(test_hello_and_echo),
        cmocka_unit_test(test_unknown_parameters_are_ignored),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_positions_that_are_none),
        cmocka_unit_test(test_a_position_is_of_one_group_alone),
        cmocka_unit_test(test_user_and_since_once_at_most),
        cmocka_unit_test(test_texts_name_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
