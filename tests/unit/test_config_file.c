/* The configuration file: what it may say, and how errors in it are worded. */
#include "config_helper.h"

#include "engine/config_file.h"
#include "engine/config_schema.h"

/* ---- defaults and the example ---- */

static void assert_defaults(const struct config *config)
{
    const struct settings *settings = config->settings;

    assert_string_equal(config->clients, "127.0.0.1:7480");
    assert_string_equal(config->producers, "127.0.0.1:7481");
    assert_string_equal(config->admin, "127.0.0.1:7482");
    assert_int_equal(config->shards, 0);
    assert_null(config->producers_token);
    assert_null(config->admin_token);
    assert_null(settings->producers_token);
    assert_false(settings->insecure);
    assert_true(settings->clients_on_loopback);
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

    const struct namespace_settings *rest = &settings->namespaces[0];
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
}

static void without_a_file_the_defaults_hold(void **state)
{
    struct loaded loaded = load(NULL);

    assert_int_equal(loaded.status, 0);
    assert_null(loaded.config.path);
    assert_defaults(&loaded.config);
    clear(&loaded);
}

static void a_file_that_says_nothing_is_fine(void **state)
{
    static const char *const texts[] = {
        "",           "\n\n",        "# nothing\n",  "---\n",           "{}\n",
        "---\n...\n", "null\n",      "\xef\xbb\xbf", "limits:\n",       "namespaces:\n",
        "origins:\n", "health: ~\n", "tokens: {}\n", "namespaces: []\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct loaded loaded = load_good(texts[i]);

        assert_defaults(&loaded.config);
        clear(&loaded);
    }
}

static char *read_example(void)
{
    char *text;
    size_t size;

    assert_int_equal(config_file_read(SOURCE_DIR "/scripts/shardcast.example.yaml", &text, &size),
                     0);
    text = realloc(text, size + 1);
    assert_non_null(text);
    text[size] = '\0';
    return text;
}

/* Whether the example has a line for each key of a table, at this depth. */
static void assert_documented(const char *text, const struct config_key *keys, const char *indent)
{
    char line[128], deeper[32];

    snprintf(deeper, sizeof(deeper), "%s  ", indent);
    for (; keys->name; keys++) {
        snprintf(line, sizeof(line), "\n%s%s:", indent, keys->name);
        if (keys->type == CONFIG_NAME)
            snprintf(line, sizeof(line), "\n  - name:");
        if (!strstr(text, line))
            fail_msg("the example lacks %s", line);
        if (keys->keys)
            assert_documented(text, keys->keys, keys->type == CONFIG_NAMESPACES ? "    " : deeper);
    }
}

static void the_example_has_every_key_with_its_default(void **state)
{
    char *text = read_example();
    struct loaded loaded = load_good(text);

    assert_documented(text, config_keys, "");
    assert_defaults(&loaded.config);
    clear(&loaded);
    free(text);
}

/* ---- the file ---- */

static void every_key_is_taken_over(void **state)
{
    struct loaded loaded = load_good("listen: { clients: localhost:1, producers: '[::1]:2', "
                                     "admin: 127.9.9.9:65535 }\n"
                                     "shards: 3\n"
                                     "insecure: true\n"
                                     "tokens: { producers: p-token, admin: \"a token\" }\n"
                                     "origins: [ 'https://a.example', 'http://b:8080' ]\n"
                                     "limits:\n"
                                     "  connections: 7\n"
                                     "  groups: 8\n"
                                     "  groups_per_connection: 9\n"
                                     "  message_bytes: 10\n"
                                     "  backlog_bytes: 11\n"
                                     "  recovery_bytes: 12\n"
                                     "health: { ping_seconds: 14, pong_timeout_seconds: 13 }\n"
                                     "drain_seconds: 0\n"
                                     "namespaces:\n"
                                     "  - name: room\n"
                                     "    max_members: 1\n"
                                     "    max_rate: 1000000\n"
                                     "    priority: critical\n"
                                     "    slow_consumer: latest\n"
                                     "    client_publish: true\n"
                                     "    presence: true\n"
                                     "    history: { messages: 2, seconds: 3, bytes: 4, "
                                     "position_seconds: 5 }\n");
    const struct config *config = &loaded.config;
    const struct settings *settings = config->settings;

    assert_string_equal(config->clients, "localhost:1");
    assert_string_equal(config->producers, "[::1]:2");
    assert_string_equal(config->admin, "127.9.9.9:65535");
    assert_int_equal(config->shards, 3);
    assert_true(settings->insecure);
    assert_string_equal(config->producers_token, "p-token");
    assert_string_equal(settings->producers_token, "p-token");
    assert_string_equal(config->admin_token, "a token");
    assert_int_equal(settings->origin_count, 2);
    assert_string_equal(settings->origins[1], "http://b:8080");
    assert_int_equal(settings->limits.connections, 7);
    assert_int_equal(settings->limits.groups, 8);
    assert_int_equal(settings->limits.groups_per_connection, 9);
    assert_int_equal(settings->limits.message_bytes, 10);
    assert_int_equal(settings->limits.backlog_bytes, 11);
    assert_int_equal(settings->limits.recovery_bytes, 12);
    assert_int_equal(settings->health.pong_timeout_seconds, 13);
    assert_int_equal(settings->drain_seconds, 0);
    assert_int_equal(settings->namespace_count, 2);

    const struct namespace_settings *room = &settings->namespaces[1];
    assert_string_equal(room->name, "room");
    assert_int_equal(room->max_members, 1);
    assert_int_equal(room->max_rate, 1000000);
    assert_int_equal(room->priority, PRIORITY_CRITICAL);
    assert_int_equal(room->slow_consumer, SLOW_LATEST);
    assert_true(room->client_publish);
    assert_true(room->presence);
    assert_int_equal(room->history.messages, 2);
    assert_int_equal(room->history.seconds, 3);
    assert_int_equal(room->history.bytes, 4);
    assert_int_equal(room->history.position_seconds, 5);
    clear(&loaded);
}

static void namespaces_inherit_from_the_rest_wherever_it_stands(void **state)
{
    struct loaded loaded = load_good("namespaces:\n"
                                     "  - { name: a, max_rate: 7 }\n"
                                     "  - { name: b, history: { seconds: 60 } }\n"
                                     "  - name: ''\n"
                                     "    max_members: 5\n"
                                     "    max_rate: 6\n"
                                     "    priority: low\n"
                                     "    history: { messages: 10, position_seconds: 100 }\n"
                                     "  - { name: c, max_members: 0 }\n");
    const struct namespace_settings *spaces = loaded.config.settings->namespaces;

    assert_int_equal(loaded.config.settings->namespace_count, 4);
    assert_int_equal(spaces[0].max_members, 5);
    assert_string_equal(spaces[1].name, "a");
    assert_int_equal(spaces[1].max_rate, 7);
    assert_int_equal(spaces[1].max_members, 5);
    assert_int_equal(spaces[1].priority, PRIORITY_LOW);
    assert_int_equal(spaces[2].max_rate, 6);
    assert_int_equal(spaces[2].history.seconds, 60);
    assert_int_equal(spaces[2].history.messages, 10);
    assert_int_equal(spaces[2].history.position_seconds, 100);
    assert_int_equal(spaces[2].history.bytes, 1048576);
    assert_string_equal(spaces[3].name, "c");
    assert_int_equal(spaces[3].max_members, 0);
    clear(&loaded);
}

static void yaml_in_its_other_forms(void **state)
{
    assert_good("\xef\xbb\xbfshards: 2\n");
    assert_good("---\nshards: 2\n...\n");
    assert_good("\"shards\": 2\n");
    assert_good("{\"shards\": 2, \"limits\": {\"groups\": 5}}");
    assert_good("%YAML 1.1\n---\nshards: 2\n");
    assert_good("shards: 2\r\ninsecure: TRUE\r\n");
    assert_good(
        "namespaces:\n- &a {name: a, history: &h {messages: 5}}\n- {name: b, history: *h}\n");
}

static void unknown_keys(void **state)
{
    assert_bad("port: 7480\n", "1: port");
    assert_bad("\n\nlimits:\n  groups: 5\n  grups: 5\n", "5: limits.grups");
    assert_bad("namespaces:\n  - name: a\n  - name: b\n    rate: 3\n", "4: namespaces[1].rate");
    assert_bad("namespaces:\n  - name: a\n    history:\n      byte: 3\n",
               "4: namespaces[0].history.byte");
    assert_bad("Shards: 2\n", "1: Shards");
    assert_bad("'': 2\n", "1: ");
    assert_bad("[a]: 2\n", "1: ?");
    assert_bad("\"a\\nb\": 2\n", "1: a?b");
    assert_bad("namespaces:\n- <<: {max_rate: 1}\n  name: a\n", "2: namespaces[0].<<");
}

static void the_first_error_is_told(void **state)
{
    assert_bad("shards: x\nport: 1\n", "1: shards");
    assert_bad("port: 1\nshards: x\n", "1: port");
    assert_bad("limits: { message_bytes: 5000000 }\nshards: x\n", "1: limits.message_bytes");
    assert_bad("namespaces:\n- {name: a, max_rate: x}\n- {name: '', max_rate: y}\n",
               "2: namespaces[0].max_rate");
}

static void keys_given_twice(void **state)
{
    assert_bad("shards: 1\nshards: 1\n", "2: shards");
    assert_bad("limits:\n  groups: 1\n  connections: 2\n  groups: 1\n", "4: limits.groups");
    assert_bad("limits: {}\nlimits: {}\n", "2: limits");
    assert_bad("namespaces:\n- name: a\n  name: b\n", "3: namespaces[0].name");
}

static void wrong_types(void **state)
{
    static const char *const numbers[] = {"-1",         "1.5",
                                          "1.0",        "1e3",
                                          "0x10",       "010",
                                          "1_000",      "abc",
                                          "true",       "\"5\"",
                                          "'5'",        "~",
                                          "",           "[]",
                                          "{}",         "[1]",
                                          "5 5",        "+5",
                                          ".inf",       "257",
                                          "4294967296", "99999999999999999999999",
                                          "!!str 5x",   "!x 5"};
    static const char *const bools[] = {"yes", "no", "on", "1", "0", "\"true\"", "tRue", "~", "[]"};
    char text[64];

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        snprintf(text, sizeof(text), "insecure: true\nshards: %s\n", numbers[i]);
        assert_bad(text, "2: shards");
    }
    for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++) {
        snprintf(text, sizeof(text), "insecure: %s\n", bools[i]);
        assert_bad(text, "1: insecure");
    }
    assert_bad("limits: 5\n", "1: limits");
    assert_bad("limits:\n  - groups: 5\n", "1: limits");
    assert_bad("namespaces: {name: a}\n", "1: namespaces");
    assert_bad("namespaces:\n  - a\n", "2: namespaces[0]");
    assert_bad("origins: '*'\n", "1: origins");
    assert_bad("listen: 127.0.0.1:1\n", "1: listen");
    assert_bad("tokens: { admin: [] }\n", "1: tokens.admin");
    assert_bad("tokens:\n  admin:\n", "2: tokens.admin");
    assert_bad("limits: &a {groups: *a}\n", "1: limits.groups");
}

static void what_is_no_yaml(void **state)
{
    assert_bad("hello\n", "1: yaml");
    assert_bad("\n- a\n- b\n", "2: yaml");
    assert_bad("shards: 1\n\tlimits: 2\n", "2: yaml");
    assert_bad("shards: [1\n", "1: yaml");
    assert_bad("shards: 1\n  limits: 2\n", "2: yaml");
    assert_bad("shards: 'x\n", "1: yaml");
    assert_bad("shards: 1\n---\nshards: 2\n", "2: yaml");
    assert_bad("shards: 1\n\nlimits: \xff\n", "3: yaml");
    assert_bad("shards: 1\nlimits: \x01\n", "2: yaml");
    assert_bad("shards: *nothing\n", "1: yaml");

    write_bytes("shards: 1\nx\0y: 2\n", 17);
    assert_error(load("--config", file_name, NULL), file_name);
}

static void names_of_namespaces(void **state)
{
    char text[256], name[140];

    assert_good("namespaces: [{name: a}, {name: \"\"}, {name: A}, {name: 'x!~@&'}]\n");
    assert_bad("namespaces:\n  - max_rate: 3\n", "2: namespaces[0].name");
    assert_bad("namespaces:\n  -\n    max_rate: 3\n", "3: namespaces[0].name");
    assert_bad("namespaces:\n  - {}\n", "2: namespaces[0].name");
    assert_bad("namespaces:\n  - name:\n", "2: namespaces[0].name");
    assert_bad("namespaces:\n  - name: a\n  - name: b\n  - max_rate: 1\n    name: a\n",
               "5: namespaces[2].name");
    assert_bad("namespaces:\n  - name: ''\n  - name: \"\"\n", "3: namespaces[1].name");
    assert_bad("namespaces: [{name: 'a:b'}]\n", "1: namespaces[0].name");
    assert_bad("namespaces: [{name: 'a b'}]\n", "1: namespaces[0].name");
    assert_bad("namespaces: [{name: 'a*'}]\n", "1: namespaces[0].name");
    assert_bad("namespaces: [{name: 'é'}]\n", "1: namespaces[0].name");
    assert_bad("namespaces: [{name: \"a\\0b\"}]\n", "1: namespaces[0].name");

    memset(name, 'n', sizeof(name));
    snprintf(text, sizeof(text), "namespaces: [{name: %.127s}]\n", name);
    assert_good(text);
    snprintf(text, sizeof(text), "namespaces: [{name: %.128s}]\n", name);
    assert_bad(text, "1: namespaces[0].name");
}

static void values_out_of_range(void **state)
{
    assert_bad("namespaces:\n  - name: a\n    max_rate: 1000001\n", "3: namespaces[0].max_rate");
    assert_bad("namespaces: [{name: a, priority: high}]\n", "1: namespaces[0].priority");
    assert_bad("namespaces: [{name: a, slow_consumer: drop}]\n", "1: namespaces[0].slow_consumer");
    assert_bad("limits: { groups: 0 }\n", "1: limits.groups");
    assert_bad("limits: { message_bytes: 0 }\n", "1: limits.message_bytes");
    assert_bad("limits: { message_bytes: 1073741825 }\n", "1: limits.message_bytes");
    assert_bad("health: { pong_timeout_seconds: 0 }\n", "1: health.pong_timeout_seconds");
}

static void keys_that_contradict_each_other(void **state)
{
    assert_good("limits: { message_bytes: 1048576 }\n");
    assert_bad("limits:\n  message_bytes: 1048577\n", "2: limits.message_bytes");
    assert_bad("limits:\n  backlog_bytes: 65535\n  groups: 1\n", "2: limits.backlog_bytes");
    assert_bad("limits:\n  recovery_bytes: 65535\n", "2: limits.recovery_bytes");
    assert_bad("limits:\n  backlog_bytes: 9\n  message_bytes: 10\n", "2: limits.backlog_bytes");
    assert_good("limits: { backlog_bytes: 10, recovery_bytes: 10, message_bytes: 10 }\n");

    assert_good("health: { ping_seconds: 0 }\n");
    assert_good("health: { ping_seconds: 0, pong_timeout_seconds: 100 }\n");
    assert_good("health: { ping_seconds: 11 }\n");
    assert_bad("health:\n  ping_seconds: 10\n", "2: health.ping_seconds");
    assert_bad("health:\n  ping_seconds: 5\n  pong_timeout_seconds: 5\n",
               "3: health.pong_timeout_seconds");
    assert_bad("health:\n  pong_timeout_seconds: 25\n", "2: health.pong_timeout_seconds");

#define HISTORY "namespaces:\n- name: a\n  history:\n"
    assert_good(HISTORY "    seconds: 86400\n");
    assert_good(HISTORY "    seconds: 100000\n    position_seconds: 0\n");
    assert_bad(HISTORY "    seconds: 86401\n", "4: namespaces[0].history.seconds");
    assert_bad(HISTORY "    seconds: 60\n    position_seconds: 59\n",
               "5: namespaces[0].history.position_seconds");
    assert_bad("namespaces:\n- name: ''\n  history: { position_seconds: 10 }\n- name: a\n"
               "- name: b\n  history: { seconds: 11 }\n",
               "6: namespaces[2].history.seconds");
    /* Who inherits the fault did not make it. */
    assert_bad("namespaces:\n- name: a\n- name: b\n  history: { messages: 5 }\n- name: ''\n"
               "  history: { seconds: 90000 }\n",
               "6: namespaces[2].history.seconds");
#undef HISTORY
}

static void origins(void **state)
{
    static const char *const bad[] = {
        "example.org", "http://",         "http://a/",      "http://a/b",
        "http://a:",   "http://a:x",      "http://a:65536", "://a",
        "null",        "http://a b",      "http://u@a",     "1http://a",
        "http://[::1", "http://1.2.3.256"};
    char text[128];

    assert_good("origins: ['*']\n");
    assert_good("origins: ['http://a', 'https://b.example:8443', 'HTTP://A', 'http://[::1]:80', "
                "'http://[::1]', 'chrome-extension://abcdef', 'http://10.0.0.1']\n");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "origins:\n  - http://fine\n  - '%s'\n", bad[i]);
        assert_bad(text, "3: origins[1]");
    }
    assert_bad("origins: ['*', 'http://a']\n", "1: origins[0]");
    assert_bad("origins: [[]]\n", "1: origins[0]");
}

static void files_that_are_large(void **state)
{
    size_t size = CONFIG_FILE_MAX + 1;
    char *text = malloc(size);

    assert_non_null(text);
    memset(text, '#', size);
    write_bytes(text, size - 1);
    struct loaded loaded = load("--config", file_name, NULL);
    assert_int_equal(loaded.status, 0);
    clear(&loaded);
    write_bytes(text, size);
    assert_error(load("--config", file_name, NULL), "shardcastd: --config: ");

    memset(text, '[', size);
    write_bytes(text, size - 1);
    assert_error(load("--config", file_name, NULL), file_name);

    size_t at = (size_t)sprintf(text, "origins:\n");
    for (unsigned i = 0; i < 50000; i++)
        at += (size_t)sprintf(text + at, "- &a%u http://a\n", i);
    assert_bad(text, "258: yaml");

    at = (size_t)sprintf(text, "namespaces:\n");
    for (unsigned i = 0; i <= CONFIG_NAMESPACES_MAX; i++)
        at += (size_t)sprintf(text + at, i ? "- {name: n%u}\n" : "- {name: \"\"}\n", i);
    loaded = load_text(text);
    assert_int_equal(loaded.status, 0);
    clear(&loaded);
    sprintf(text + at, "- {name: more}\n");
    assert_bad(text, "1: namespaces");
    free(text);
}

static void a_token_is_never_in_an_error(void **state)
{
    struct loaded loaded = load_text("tokens: { admin: \"se\\ncret\" }\n");

    assert_int_equal(loaded.status, ERR_CONFIG);
    assert_null(strstr(loaded.error, "cret"));
    clear(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_the_defaults_hold),
        cmocka_unit_test(a_file_that_says_nothing_is_fine),
        cmocka_unit_test(the_example_has_every_key_with_its_default),
        cmocka_unit_test(every_key_is_taken_over),
        cmocka_unit_test(namespaces_inherit_from_the_rest_wherever_it_stands),
        cmocka_unit_test(yaml_in_its_other_forms),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(the_first_error_is_told),
        cmocka_unit_test(keys_given_twice),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(what_is_no_yaml),
        cmocka_unit_test(names_of_namespaces),
        cmocka_unit_test(values_out_of_range),
        cmocka_unit_test(keys_that_contradict_each_other),
        cmocka_unit_test(origins),
        cmocka_unit_test(files_that_are_large),
        cmocka_unit_test(a_token_is_never_in_an_error),
    };

    RUN_WITH_FILE(tests);
}
