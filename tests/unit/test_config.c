/* Flags, environment, which goes before which, what is printed, and reloads. */
#include "config_helper.h"

static void clear_environment(void)
{
    static const char *const variables[] = {
        "SHARDCAST_CONFIG", "SHARDCAST_LISTEN",          "SHARDCAST_PRODUCERS",  "SHARDCAST_ADMIN",
        "SHARDCAST_SHARDS", "SHARDCAST_PRODUCERS_TOKEN", "SHARDCAST_ADMIN_TOKEN"};

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
}

static int set_up(void **state)
{
    clear_environment();
    return 0;
}

/* ---- flags, environment, and which goes before which ---- */

static void flags_go_before_environment_before_file(void **state)
{
    struct loaded loaded;

    write_file("shards: 2\nlisten: { clients: 127.0.0.1:2, admin: 127.0.0.1:2 }\n");
    loaded = load("--config", file_name, NULL);
    assert_int_equal(loaded.config.shards, 2);
    assert_string_equal(loaded.config.clients, "127.0.0.1:2");
    assert_string_equal(loaded.config.producers, "127.0.0.1:7481");
    clear(&loaded);

    setenv("SHARDCAST_SHARDS", "3", 1);
    setenv("SHARDCAST_LISTEN", "127.0.0.1:3", 1);
    setenv("SHARDCAST_PRODUCERS", "127.0.0.1:3", 1);
    setenv("SHARDCAST_CONFIG", file_name, 1);
    setenv("SHARDCAST_ADMIN", "", 1); /* not set */
    loaded = load(NULL);
    assert_int_equal(loaded.config.shards, 3);
    assert_string_equal(loaded.config.clients, "127.0.0.1:3");
    assert_string_equal(loaded.config.producers, "127.0.0.1:3");
    assert_string_equal(loaded.config.admin, "127.0.0.1:2");
    clear(&loaded);

    setenv("SHARDCAST_CONFIG", "/nothing/there", 1);
    loaded = load("--shards", "4", "--listen=127.0.0.1:4", "--config", file_name, NULL);
    assert_int_equal(loaded.status, 0);
    assert_int_equal(loaded.config.shards, 4);
    assert_string_equal(loaded.config.clients, "127.0.0.1:4");
    assert_string_equal(loaded.config.producers, "127.0.0.1:3");
    clear(&loaded);
}

static void flags_that_ask(void **state)
{
    struct loaded loaded = load("--check", "--print-config", NULL);

    assert_true(loaded.config.check && loaded.config.print_config);
    assert_false(loaded.config.version || loaded.config.help);
    clear(&loaded);
    /* These need no configuration that is right. */
    setenv("SHARDCAST_SHARDS", "x", 1);
    loaded = load("--version", "--config", "/nothing/there", NULL);
    assert_int_equal(loaded.status, 0);
    assert_true(loaded.config.version);
    clear(&loaded);
    loaded = load("--help", NULL);
    assert_int_equal(loaded.status, 0);
    assert_true(loaded.config.help);
    clear(&loaded);
}

static void bad_flags(void **state)
{
    assert_error(load("--prot", NULL), "shardcastd: --prot: ");
    assert_error(load("--prot=7", NULL), "shardcastd: --prot: ");
    assert_error(load("-x", NULL), "shardcastd: -x: ");
    assert_error(load("--check=1", NULL), "shardcastd: --check: ");
    assert_error(load("--shards", NULL), "shardcastd: --shards: ");
    assert_error(load("--shards", "many", NULL), "shardcastd: --shards: ");
    assert_error(load("--shards", "-1", NULL), "shardcastd: --shards: ");
    assert_error(load("--shards=", NULL), "shardcastd: --shards: ");
    assert_error(load("--listen", "7480", NULL), "shardcastd: --listen: ");
    assert_error(load("--config", "/nothing/there", NULL), "shardcastd: --config: ");
    assert_error(load("--config", "/tmp", NULL), "shardcastd: --config: ");
    assert_error(load("--config", "", NULL), "shardcastd: --config: ");
    assert_error(load("engine.yaml", NULL), "shardcastd: engine.yaml: ");
    assert_error(load("--check", "--", "x", NULL), "shardcastd: x: ");
    assert_error(load("--p", "127.0.0.1:1", NULL), "shardcastd: --p: ");
}

static void bad_variables(void **state)
{
    setenv("SHARDCAST_SHARDS", "x", 1);
    assert_error(load(NULL), "shardcastd: SHARDCAST_SHARDS: ");
    clear_environment();
    setenv("SHARDCAST_ADMIN", "localhost", 1);
    assert_error(load(NULL), "shardcastd: SHARDCAST_ADMIN: ");
    clear_environment();
    setenv("SHARDCAST_CONFIG", "/nothing/there", 1);
    assert_error(load(NULL), "shardcastd: SHARDCAST_CONFIG: ");
}

static void addresses(void **state)
{
    static const char *const good[] = {"127.0.0.1:0", "[::1]:65535",  "localhost:7480",
                                       "LOCALHOST:1", "127.1.2.3:80", "[::ffff:127.0.0.1]:1"};
    static const char *const bad[] = {"",
                                      ":7480",
                                      "7480",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:-1",
                                      "127.0.0.1:a",
                                      "::1:7480",
                                      "[::1]",
                                      "[::1]x:1",
                                      "[127.0.0.1]:1",
                                      "1.2.3:1",
                                      "256.1.1.1:1",
                                      "a b:1",
                                      "*:1",
                                      "[::1:1",
                                      "-a:1",
                                      "a..b:1",
                                      "127.0.0.1: 1"};
    char begin[64];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct loaded loaded = load("--producers", good[i], NULL);

        assert_int_equal(loaded.status, 0);
        clear(&loaded);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(begin, sizeof(begin), "shardcastd: --producers: \"%s\"", bad[i]);
        assert_error(load("--producers", bad[i], NULL), begin);
    }
}

/* ---- beyond loopback ---- */

static void beyond_loopback_needs_a_token(void **state)
{
    static const char *const open[] = {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[fe80::1%eth0]:1",
                                       "example.org:1"};
    struct loaded loaded;

    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        assert_error(load("--producers", open[i], NULL), "shardcastd: --producers: ");
        assert_error(load("--check", "--admin", open[i], NULL), "shardcastd: --admin: ");
    }
    setenv("SHARDCAST_ADMIN", "0.0.0.0:1", 1);
    assert_error(load(NULL), "shardcastd: SHARDCAST_ADMIN: ");
    setenv("SHARDCAST_ADMIN_TOKEN", "***", 1); /* is no token */
    assert_error(load(NULL), "shardcastd: SHARDCAST_ADMIN: ");
    setenv("SHARDCAST_ADMIN_TOKEN", "t", 1);
    loaded = load(NULL);
    assert_int_equal(loaded.status, 0);
    assert_string_equal(loaded.config.admin_token, "t");
    clear(&loaded);
    clear_environment();

    assert_bad("shards: 1\nlisten:\n  producers: 0.0.0.0:1\n", "3: listen.producers");
    assert_bad("listen:\n  admin: 0.0.0.0:1\ntokens: { producers: x }\n", "2: listen.admin");
    assert_bad("listen:\n  admin: 0.0.0.0:1\ntokens: { admin: '***' }\n", "2: listen.admin");
    assert_good("listen:\n  admin: 0.0.0.0:1\ntokens: { admin: x }\n");
    assert_good("listen: { admin: '0.0.0.0:1', producers: '[::]:1' }\ninsecure: true\n");
    loaded = load_good("listen: { clients: 0.0.0.0:1 }\n"); /* clients may be anywhere */
    assert_false(loaded.config.settings->clients_on_loopback);
    clear(&loaded);
}

/* ---- printing ---- */

static char *print(const struct config *config)
{
    int fds[2];
    char *text = calloc(1, 65536);

    assert_non_null(text);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(config_print(config, fds[1]), 0);
    close(fds[1]);
    assert_true(read(fds[0], text, 65535) > 0);
    close(fds[0]);
    return text;
}

static void what_is_printed_reads_back_the_same(void **state)
{
    static const char *const texts[] = {
        "", "origins: ['*']\n",
        "listen: { clients: '[::]:1', admin: localhost:0 }\nshards: 7\ninsecure: true\n"
        "origins: ['http://a:1', 'https://b']\nlimits: { groups: 1, backlog_bytes: 1099511627776 "
        "}\n"
        "health: { ping_seconds: 0 }\nnamespaces: [{name: 'a', max_rate: 0, priority: low}, "
        "{name: '', slow_consumer: skip, history: {messages: 9}}, {name: 'true'}, {name: '0'}, "
        "{name: '~', client_publish: true}, {name: '!{}[]&>|'}]\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct loaded first = load_good(texts[i]);
        char *printed = print(&first.config);
        struct loaded second = load_good(printed);
        char *again = print(&second.config);

        assert_string_equal(printed, again);
        free(printed);
        free(again);
        clear(&first);
        clear(&second);
    }
}

static void tokens_are_printed_as_stars_which_are_no_token(void **state)
{
    struct loaded first = load_good("tokens: { producers: s3cret, admin: '' }\n");
    char *printed = print(&first.config);
    struct loaded second = load_good(printed);

    assert_null(strstr(printed, "s3cret"));
    assert_non_null(strstr(printed, "producers: \"***\"\n"));
    assert_non_null(strstr(printed, "admin: \"\"\n"));
    assert_null(second.config.producers_token);
    free(printed);
    clear(&first);
    clear(&second);
}

/* ---- reload ---- */

static void a_reload_takes_the_file_under_the_same_flags(void **state)
{
    struct config_changes changes;
    struct config fresh;
    char error[CONFIG_ERROR_MAX];

    write_file("drain_seconds: 1\nshards: 2\n");
    struct loaded running = load("--config", file_name, "--shards", "4", NULL);
    assert_int_equal(running.status, 0);
    write_file("drain_seconds: 9\nshards: 3\nnamespaces: [{name: a}]\n");
    assert_int_equal(config_reload(&running.config, &fresh, &changes, error), 0);
    assert_int_equal(fresh.settings->drain_seconds, 9);
    assert_int_equal(fresh.settings->namespace_count, 2);
    assert_int_equal(fresh.shards, 4);
    assert_int_equal(changes.count, 0);

    /* And again from what came of it. */
    struct config third;
    write_file("drain_seconds: 8\n");
    assert_int_equal(config_reload(&fresh, &third, &changes, error), 0);
    assert_int_equal(third.settings->drain_seconds, 8);
    assert_int_equal(third.shards, 4);
    config_clear(&third);
    config_clear(&fresh);
    clear(&running);
}

static void a_reload_keeps_what_needs_a_restart_and_names_it(void **state)
{
    static const char *const keys[] = {"listen.clients", "listen.producers", "listen.admin",
                                       "shards",         "insecure",         "tokens.producers",
                                       "tokens.admin"};
    struct config_changes changes;
    struct config fresh;
    char error[CONFIG_ERROR_MAX];
    struct loaded running = load_good("tokens: { producers: old }\n");

    write_file(
        "listen: { clients: 0.0.0.0:1, producers: 127.0.0.1:2, admin: 127.0.0.1:3 }\n"
        "shards: 5\ninsecure: true\ntokens: { producers: new, admin: new }\ndrain_seconds: 0");
    assert_int_equal(config_reload(&running.config, &fresh, &changes, error), 0);
    assert_int_equal(changes.count, CONFIG_RESTART_KEYS);
    for (unsigned i = 0; i < changes.count; i++)
        assert_string_equal(changes.keys[i], keys[i]);
    assert_string_equal(fresh.clients, "127.0.0.1:7480");
    assert_int_equal(fresh.shards, 0);
    assert_string_equal(fresh.producers_token, "old");
    assert_null(fresh.admin_token);
    assert_string_equal(fresh.settings->producers_token, "old");
    assert_false(fresh.settings->insecure);
    assert_true(fresh.settings->clients_on_loopback);
    assert_int_equal(fresh.settings->drain_seconds, 0);
    config_clear(&fresh);
    clear(&running);
}

static void a_bad_file_at_a_reload_is_told_like_at_the_start(void **state)
{
    struct config_changes changes;
    struct config fresh;
    char error[CONFIG_ERROR_MAX], expected[128];
    struct loaded running = load_good("shards: 1\n");

    write_file("shards: 1\nport: 2\n");
    assert_int_equal(config_reload(&running.config, &fresh, &changes, error), ERR_CONFIG);
    snprintf(expected, sizeof(expected), "%s:2: port: ", file_name);
    assert_memory_equal(error, expected, strlen(expected));
    config_clear(&fresh);

    unlink(file_name);
    assert_int_equal(config_reload(&running.config, &fresh, &changes, error), ERR_CONFIG);
    assert_non_null(strstr(error, "shardcastd: --config: "));
    config_clear(&fresh);
    clear(&running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(flags_go_before_environment_before_file, set_up),
        cmocka_unit_test_setup(flags_that_ask, set_up),
        cmocka_unit_test_setup(bad_flags, set_up),
        cmocka_unit_test_setup(bad_variables, set_up),
        cmocka_unit_test_setup(addresses, set_up),
        cmocka_unit_test_setup(beyond_loopback_needs_a_token, set_up),
        cmocka_unit_test_setup(what_is_printed_reads_back_the_same, set_up),
        cmocka_unit_test_setup(tokens_are_printed_as_stars_which_are_no_token, set_up),
        cmocka_unit_test_setup(a_reload_takes_the_file_under_the_same_flags, set_up),
        cmocka_unit_test_setup(a_reload_keeps_what_needs_a_restart_and_names_it, set_up),
        cmocka_unit_test_setup(a_bad_file_at_a_reload_is_told_like_at_the_start, set_up),
    };

    RUN_WITH_FILE(tests);
}
