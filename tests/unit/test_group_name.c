/* Names of groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/group_name.h"

static bool valid(const char *name)
{
    return group_name_valid(name, strlen(name));
}

static enum group_category category(const char *name)
{
    return group_name_category(name, strlen(name));
}

static size_t namespace_of(const char *name)
{
    return group_name_namespace(name, strlen(name));
}

static void test_every_byte_alone_and_inside(void **state)
{
    for (int byte = 0; byte < 256; byte++) {
        char alone[1] = {(char)byte}, inside[3] = {'a', (char)byte, 'z'};
        bool expected = byte > ' ' && byte < 0x7F && !strchr("/?#%*,\"\\", byte);

        assert_int_equal(group_name_valid(alone, 1), expected);
        assert_int_equal(group_name_valid(inside, 3), expected);
    }
}

static void test_length(void **state)
{
    char name[GROUP_NAME_MAX + 1];

    memset(name, 'n', sizeof(name));
    assert_false(group_name_valid(name, 0));
    assert_false(group_name_valid(NULL, 0));
    assert_true(group_name_valid(name, 1));
    assert_true(group_name_valid(name, GROUP_NAME_MAX));
    assert_false(group_name_valid(name, GROUP_NAME_MAX + 1));
}

static void test_names_that_people_use(void **state)
{
    assert_true(valid("analytics_dashboard"));
    assert_true(valid("experiment:42"));
    assert_true(valid("session:abc"));
    assert_true(valid("user:U"));
    assert_true(valid("room@example.org"));
    assert_true(valid("a+b&c=d;e"));
    assert_false(valid("two words"));
    assert_false(valid("caf\xC3\xA9"));
    assert_false(valid("a\n"));
}

static void test_nobody_can_write_the_name_of_everyone(void **state)
{
    assert_false(valid(GROUP_EVERYONE));
    assert_int_equal(category(GROUP_EVERYONE), GROUP_ALL);
    assert_int_equal(strlen(GROUP_EVERYONE), GROUP_EVERYONE_BYTES);
}

static void test_category_is_that_of_the_first_part(void **state)
{
    assert_int_equal(category("experiment:42"), GROUP_EXPERIMENT);
    assert_int_equal(category("session:abc"), GROUP_SESSION);
    assert_int_equal(category("user:ann"), GROUP_USER);
    assert_int_equal(category("user:a:b"), GROUP_USER);
    assert_int_equal(category("user:"), GROUP_USER);
    assert_int_equal(category("user"), GROUP_OTHER);
    assert_int_equal(category("users:ann"), GROUP_OTHER);
    assert_int_equal(category("User:ann"), GROUP_OTHER);
    assert_int_equal(category("my:user:ann"), GROUP_OTHER);
    assert_int_equal(category(":user:"), GROUP_OTHER);
    assert_int_equal(category("experiment"), GROUP_OTHER);
    assert_int_equal(category("experimenT:1"), GROUP_OTHER);
    assert_int_equal(category("analytics_dashboard"), GROUP_OTHER);
}

static void test_namespace_ends_at_the_first_colon(void **state)
{
    assert_int_equal(namespace_of("experiment:42"), 10);
    assert_int_equal(namespace_of("a:b:c"), 1);
    assert_int_equal(namespace_of("a:"), 1);
    assert_int_equal(namespace_of(":a"), 0);
    assert_int_equal(namespace_of("plain"), 0);
    assert_int_equal(namespace_of("*"), 0);
    assert_int_equal(group_name_namespace(NULL, 0), 0);
}

static void test_hash_depends_on_name_and_key(void **state)
{
    uint64_t hash = group_name_hash("room", 4, 7);

    assert_true(hash == group_name_hash("room", 4, 7));
    assert_true(hash != group_name_hash("room", 4, 8));
    assert_true(hash != group_name_hash("roon", 4, 7));
    assert_true(hash != group_name_hash("roo", 3, 7));
}

/* Homes are hash modulo shards: numbered names must spread over them whatever the key. */
static void test_hash_spreads_numbered_names(void **state)
{
    for (uint64_t key = 0; key < 8; key++) {
        unsigned homes[16] = {0};

        for (unsigned i = 0; i < 16000; i++) {
            char name[8];

            snprintf(name, sizeof(name), "g:%05u", i);
            homes[group_name_hash(name, 7, key * 0x9E3779B97F4A7C15u) % 16]++;
        }
        for (unsigned i = 0; i < 16; i++)
            assert_in_range(homes[i], 800, 1200);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_alone_and_inside),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_names_that_people_use),
        cmocka_unit_test(test_nobody_can_write_the_name_of_everyone),
        cmocka_unit_test(test_category_is_that_of_the_first_part),
        cmocka_unit_test(test_namespace_ends_at_the_first_colon),
        cmocka_unit_test(test_hash_depends_on_name_and_key),
        cmocka_unit_test(test_hash_spreads_numbered_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
