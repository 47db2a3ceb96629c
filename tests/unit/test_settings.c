/* The settings' snapshot: the defaults of the contract, inheritance, and a group's namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shards/settings.h"

static struct settings *new_settings(void)
{
    struct settings *settings = settings_new();

    assert_non_null(settings);
    return settings;
}

static struct namespace_settings *add(struct settings *settings, const char *name)
{
    struct namespace_settings *added = settings_add_namespace(settings, name);

    assert_non_null(added);
    return added;
}

static void defaults_are_the_contracts(void **state)
{
    struct settings *settings = new_settings();
    const struct namespace_settings *rest = &settings->namespaces[0];

    assert_false(settings->insecure);
    assert_null(settings->producers_token);
    assert_int_equal(settings->origin_count, 0);
    assert_int_equal(settings->limits.connections, 0);
    assert_int_equal(settings->limits.groups, 1000000);
    assert_int_equal(settings->limits.groups_per_connection, 128);
    assert_int_equal(settings->limits.message_bytes, 65536);
    assert_int_equal(settings->limits.backlog_bytes, 1048576);
    assert_int_equal(settings->limits.recovery_bytes, 1048576);
    assert_int_equal(settings->health.ping_seconds, 25);
    assert_int_equal(settings->health.pong_timeout_seconds, 10);
    assert_int_equal(settings->drain_seconds, 5);

    assert_int_equal(settings->namespace_count, 1);
    assert_string_equal(rest->name, "");
    assert_int_equal(rest->max_members, 1000);
    assert_int_equal(rest->max_rate, 100);
    assert_int_equal(rest->priority, PRIORITY_NORMAL);
    assert_int_equal(rest->slow_consumer, SLOW_CLOSE);
    assert_false(rest->client_publish);
    assert_false(rest->presence);
    assert_int_equal(rest->history.messages, 0);
    assert_int_equal(rest->history.seconds, 0);
    assert_int_equal(rest->history.bytes, 1048576);
    assert_int_equal(rest->history.position_seconds, 86400);
    settings_unref(settings);
}

static void a_namespace_inherits_what_it_does_not_name(void **state)
{
    struct settings *settings = new_settings();

    settings->namespaces[0].max_members = 7;
    settings->namespaces[0].slow_consumer = SLOW_SKIP;
    settings->namespaces[0].history.messages = 9;
    add(settings, "experiment")->max_rate = 5;
    add(settings, "session"); /* from "", not from the one before */

    const struct namespace_settings *experiment = &settings->namespaces[1],
                                    *session = &settings->namespaces[2];
    assert_string_equal(experiment->name, "experiment");
    assert_int_equal(experiment->max_members, 7);
    assert_int_equal(experiment->max_rate, 5);
    assert_int_equal(experiment->slow_consumer, SLOW_SKIP);
    assert_int_equal(experiment->history.messages, 9);
    assert_string_equal(session->name, "session");
    assert_int_equal(session->max_rate, 100);
    assert_string_equal(settings->namespaces[0].name, "");
    assert_int_equal(settings->namespaces[0].max_rate, 100);
    settings_unref(settings);
}

/* The name of the namespace that holds for a group, whose bytes end where its size says. */
static const char *namespace_of(const struct settings *settings, const char *group)
{
    size_t size = strlen(group);
    char *copy = malloc(size ? size : 1);
    const char *name;

    assert_non_null(copy);
    memcpy(copy, group, size);
    name = settings_namespace(settings, copy, size)->name;
    free(copy);
    return name;
}

static void a_group_has_the_namespace_before_the_first_colon(void **state)
{
    struct settings *settings = new_settings();

    add(settings, "experiment");
    add(settings, "user");
    add(settings, "a");
    assert_string_equal(namespace_of(settings, "experiment:42"), "experiment");
    assert_string_equal(namespace_of(settings, "experiment:"), "experiment");
    assert_string_equal(namespace_of(settings, "user:ann"), "user");
    assert_string_equal(namespace_of(settings, "a:user:b"), "a");

    assert_string_equal(namespace_of(settings, "experiment"), "");
    assert_string_equal(namespace_of(settings, "experiments:42"), "");
    assert_string_equal(namespace_of(settings, "experimen:42"), "");
    assert_string_equal(namespace_of(settings, "Experiment:42"), "");
    assert_string_equal(namespace_of(settings, "b:user:ann"), "");
    assert_string_equal(namespace_of(settings, ":user"), "");
    assert_string_equal(namespace_of(settings, "user"), "");
    assert_string_equal(namespace_of(settings, GROUP_EVERYONE), "");
    assert_string_equal(namespace_of(settings, "analytics_dashboard"), "");
    settings_unref(settings);
}

#define HOLDERS 4
#define ROUNDS  20000

static void *hold(void *argument)
{
    struct settings *settings = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct settings *held = settings_ref(settings);

        if (strcmp(settings_namespace(held, "user:ann", 8)->name, "user"))
            abort();
        settings_unref(held);
    }
    settings_unref(settings);
    return NULL;
}

/* A sanitizer sees a use after the last one has let go, or that nobody freed it. */
static void the_last_holder_frees_it(void **state)
{
    struct settings *settings = new_settings();
    pthread_t threads[HOLDERS];

    settings->origins = calloc(1, sizeof(*settings->origins));
    assert_non_null(settings->origins);
    settings->origins[0] = strdup("https://example.org");
    settings->origin_count = 1;
    settings->producers_token = strdup("secret");
    add(settings, "user");
    for (unsigned i = 0; i < HOLDERS; i++) {
        settings_ref(settings);
        assert_int_equal(pthread_create(&threads[i], NULL, hold, settings), 0);
    }
    settings_unref(settings);
    for (unsigned i = 0; i < HOLDERS; i++)
        pthread_join(threads[i], NULL);
    settings_unref(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_contracts),
        cmocka_unit_test(a_namespace_inherits_what_it_does_not_name),
        cmocka_unit_test(a_group_has_the_namespace_before_the_first_colon),
        cmocka_unit_test(the_last_holder_frees_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
