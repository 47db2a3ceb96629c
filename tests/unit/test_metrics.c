/* The Prometheus text: every metric of the contract, and a text that Prometheus can read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/metrics.h"

#define SHARDS 2

static const struct metrics_namespace namespaces[] = {{"", 5}, {"room", 7}, {"odd\"\\\nname", 1}};

/* A text of two shards; the caller frees it. */
static char *make_text(void)
{
    static const uint32_t depths[SHARDS] = {0, 4};
    struct counters *counters = aligned_alloc(64, SHARDS * sizeof(*counters));
    const struct counters *pointers[SHARDS] = {counters, counters ? counters + 1 : NULL};
    struct stats *stats = stats_new(SHARDS);
    size_t size;

    assert_true(counters && stats);
    memset(counters, 0, SHARDS * sizeof(*counters));
    counter_add(&counters[0].connections, 3);
    counter_add(&counters[1].connections, 4);
    counter_add(&counters[1].connections_opened, 9);
    counter_add(&counters[0].connections_closed[CLOSE_NO_PONG], 2);
    counter_add(&counters[0].connections_refused[CONNECTION_BAD_REQUEST], 6);
    counter_add(&counters[0].active_groups, 10);
    counter_add(&counters[0].active_experiments, 1);
    counter_add(&counters[0].active_users, 50);
    counter_add(&counters[0].messages_in_producer, 11);
    counter_add(&counters[0].messages_in_client, 12);
    counter_add(&counters[0].refused[REFUSAL_RATE_LIMITED], 13);
    counter_add(&counters[0].messages_routed, 14);
    counter_add(&counters[0].deliveries, 15);
    counter_add(&counters[0].drops[DROP_LOW], 16);
    counter_add(&counters[0].bytes_out, 17);
    counter_add(&counters[1].inbox_full, 18);
    histogram_add(&counters[0].turn_seconds, 500);           /* under 1 us */
    histogram_add(&counters[0].turn_seconds, 1000);          /* a bound is part of its bucket */
    histogram_add(&counters[0].turn_seconds, 1001);          /* the next */
    histogram_add(&counters[0].turn_seconds, 3000000000000); /* beyond all */
    histogram_add(&counters[1].delivery_seconds, 200000);
    stats_gather(stats, pointers, depths);
    char *text = metrics_write(stats, namespaces, 3, &size);
    assert_non_null(text);
    assert_int_equal(size, strlen(text));
    free(stats);
    free(counters);
    return text;
}

static void assert_lines(const char *text, const char *const *lines, size_t count)
{
    char line[256];

    for (size_t i = 0; i < count; i++) {
        snprintf(line, sizeof(line), "\n%s\n", lines[i]);
        if (!strstr(text, line))
            fail_msg("no line %s", lines[i]);
    }
}

static void every_metric_of_the_contract_is_there(void **state)
{
    static const char *const lines[] = {
        "# TYPE shardcast_connections gauge",
        "shardcast_connections 7",
        "# TYPE shardcast_groups gauge",
        "shardcast_groups 11",
        "# TYPE shardcast_group_members gauge",
        "shardcast_group_members{namespace=\"\"} 5",
        "shardcast_group_members{namespace=\"room\"} 7",
        "shardcast_group_members{namespace=\"odd\\\"\\\\\\nname\"} 1",
        "# TYPE shardcast_messages_received_total counter",
        "shardcast_messages_received_total{source=\"producer\"} 11",
        "shardcast_messages_received_total{source=\"client\"} 12",
        "# TYPE shardcast_messages_refused_total counter",
        "shardcast_messages_refused_total{reason=\"bad_command\"} 0",
        "shardcast_messages_refused_total{reason=\"rate_limited\"} 13",
        "shardcast_messages_refused_total{reason=\"unauthorized\"} 0",
        "shardcast_messages_routed_total 14",
        "shardcast_deliveries_total 15",
        "shardcast_drops_total{reason=\"closed\"} 0",
        "shardcast_drops_total{reason=\"low\"} 16",
        "shardcast_sent_bytes_total 17",
        "shardcast_connections_opened_total 9",
        "shardcast_connections_refused_total{reason=\"bad_request\"} 6",
        "shardcast_connections_refused_total{reason=\"shutting_down\"} 0",
        "shardcast_connections_closed_total{reason=\"no_pong\"} 2",
        "shardcast_connections_closed_total{reason=\"insufficient_state\"} 0",
        "# TYPE shardcast_inbox_depth gauge",
        "shardcast_inbox_depth{shard=\"0\"} 0",
        "shardcast_inbox_depth{shard=\"1\"} 4",
        "shardcast_inbox_full_total{shard=\"1\"} 18",
    };
    char *text = make_text();

    /* The first line has no newline before it; the rest are searched with one. */
    assert_int_equal(strncmp(text, "# HELP shardcast_connections ", 29), 0);
    assert_lines(text, lines, sizeof(lines) / sizeof(lines[0]));
    assert_null(strstr(text, "reason=\"none\""));
    free(text);
}

static void histograms_are_cumulative_and_in_seconds(void **state)
{
    static const char *const lines[] = {
        "# TYPE shardcast_turn_seconds histogram",
        "shardcast_turn_seconds_bucket{shard=\"0\",le=\"1e-06\"} 2",
        "shardcast_turn_seconds_bucket{shard=\"0\",le=\"2e-06\"} 3",
        "shardcast_turn_seconds_bucket{shard=\"0\",le=\"0.262144\"} 3",
        "shardcast_turn_seconds_bucket{shard=\"0\",le=\"+Inf\"} 4",
        "shardcast_turn_seconds_sum{shard=\"0\"} 3000.000002501",
        "shardcast_turn_seconds_count{shard=\"0\"} 4",
        "shardcast_turn_seconds_count{shard=\"1\"} 0",
        "# TYPE shardcast_delivery_seconds histogram",
        "shardcast_delivery_seconds_bucket{le=\"0.000128\"} 0",
        "shardcast_delivery_seconds_bucket{le=\"0.000256\"} 1",
        "shardcast_delivery_seconds_sum 0.000200000",
        "shardcast_delivery_seconds_count 1",
    };
    char *text = make_text();

    assert_lines(text, lines, sizeof(lines) / sizeof(lines[0]));
    free(text);
}

/* Lines as the format has them: comments, or a name, labels and one value. */
static void every_line_is_well_formed_and_announced(void **state)
{
    char *text = make_text(), family[128] = "", *rest = NULL;

    assert_int_equal(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[128];

        if (!strncmp(line, "# HELP ", 7)) {
            assert_int_equal(sscanf(line, "# HELP %127s", family), 1);
            continue;
        }
        if (!strncmp(line, "# TYPE ", 7)) {
            assert_int_equal(sscanf(line, "# TYPE %127s", name), 1);
            assert_string_equal(name, family);
            continue;
        }
        assert_int_equal(strncmp(line, family, strlen(family)), 0);
        const char *value = strrchr(line, ' ');
        assert_non_null(value);
        char *end;
        strtod(value + 1, &end);
        assert_true(end > value + 1 && !*end);
    }
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_of_the_contract_is_there),
        cmocka_unit_test(histograms_are_cumulative_and_in_seconds),
        cmocka_unit_test(every_line_is_well_formed_and_announced),
    };

    /* test_metrics --print | promtool check metrics */
    if (argc > 1 && !strcmp(argv[1], "--print")) {
        char *text = make_text();

        fputs(text, stdout);
        free(text);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
