#include "engine/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAUGE     "gauge"
#define COUNTER   "counter"
#define HISTOGRAM "histogram"

static void begin(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP shardcast_%s %s\n# TYPE shardcast_%s %s\n", name, help, name, type);
}

static void single(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    begin(out, name, type, help);
    fprintf(out, "shardcast_%s %" PRIu64 "\n", name, value);
}

/* A label's value: backslash, quote and newline are escaped. */
static void label_value(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '\\' || *text == '"')
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void labelled(FILE *out, const char *name, const char *label, const char *text,
                     uint64_t value)
{
    fprintf(out, "shardcast_%s{%s=\"", name, label);
    label_value(out, text);
    fprintf(out, "\"} %" PRIu64 "\n", value);
}

/* ---- counters by reason ---- */

static void refused(FILE *out, const struct stats_block *sum)
{
    begin(out, "messages_refused_total", COUNTER,
          "Commands and client frames refused, by error code.");
    for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
        labelled(out, "messages_refused_total", "reason", refusal_name((enum refusal)i),
                 sum->refused[i]);
}

static void drops(FILE *out, const struct stats_block *sum)
{
    begin(out, "drops_total", COUNTER, "Messages routed to a member and not delivered, by reason.");
    for (int i = 0; i < DROP_COUNT; i++)
        labelled(out, "drops_total", "reason", drop_reason_name((enum drop_reason)i),
                 sum->drops[i]);
}

static void connections_refused(FILE *out, const struct stats_block *sum)
{
    begin(out, "connections_refused_total", COUNTER,
          "Client connections that did not become members, by reason.");
    for (int i = 0; i < CONNECTION_REFUSAL_COUNT; i++)
        labelled(out, "connections_refused_total", "reason",
                 connection_refusal_name((enum connection_refusal)i), sum->connections_refused[i]);
}

static void connections_closed(FILE *out, const struct stats_block *sum)
{
    begin(out, "connections_closed_total", COUNTER, "Client connections closed, by reason.");
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        labelled(out, "connections_closed_total", "reason", close_reason_name((enum close_reason)i),
                 sum->connections_closed[i]);
}

/* ---- by shard ---- */

static void inboxes(FILE *out, const struct stats *stats)
{
    begin(out, "inbox_depth", GAUGE, "Batches that wait in a shard's inbox.");
    for (uint32_t i = 0; i < stats->shard_count; i++)
        fprintf(out, "shardcast_inbox_depth{shard=\"%" PRIu32 "\"} %" PRIu64 "\n", i,
                stats->shards[i].inbox_depth);
    begin(out, "inbox_full_total", COUNTER, "Times that a shard's inbox had no room for a sender.");
    for (uint32_t i = 0; i < stats->shard_count; i++)
        fprintf(out, "shardcast_inbox_full_total{shard=\"%" PRIu32 "\"} %" PRIu64 "\n", i,
                stats->shards[i].inbox_full);
}

/* One histogram; `labels` is "" or one label with a comma behind it. Count and the bucket of
 * +Inf are the same sum, so they agree whatever the shards count meanwhile. */
static void histogram(FILE *out, const char *name, const char *labels,
                      const struct stats_histogram *values)
{
    uint64_t count = 0;
    int bare = *labels ? (int)strlen(labels) - 1 : 0;

    for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        count += values->buckets[i];
        fprintf(out, "shardcast_%s_bucket{%sle=\"%.9g\"} %" PRIu64 "\n", name, labels,
                (double)(UINT64_C(1) << i) / 1e6, count);
    }
    count += values->buckets[HISTOGRAM_BUCKETS - 1];
    fprintf(out, "shardcast_%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, count);
    fprintf(out, "shardcast_%s_sum%s%.*s%s %.9f\n", name, bare ? "{" : "", bare, labels,
            bare ? "}" : "", (double)values->sum_ns / 1e9);
    fprintf(out, "shardcast_%s_count%s%.*s%s %" PRIu64 "\n", name, bare ? "{" : "", bare, labels,
            bare ? "}" : "", count);
}

static void histograms(FILE *out, const struct stats *stats)
{
    char labels[32];

    begin(out, "turn_seconds", HISTOGRAM, "How long one turn of a shard's loop takes.");
    for (uint32_t i = 0; i < stats->shard_count; i++) {
        snprintf(labels, sizeof(labels), "shard=\"%" PRIu32 "\",", i);
        histogram(out, "turn_seconds", labels, &stats->shards[i].turn_seconds);
    }
    begin(out, "delivery_seconds", HISTOGRAM,
          "From a command read to its last write on a shard that delivers it.");
    histogram(out, "delivery_seconds", "", &stats->sum.delivery_seconds);
}

/* ---- all ---- */

static void connections(FILE *out, const struct stats_block *sum)
{
    single(out, "connections", GAUGE, "Client connections.", sum->connections);
    single(out, "connections_opened_total", COUNTER, "Client connections that became members.",
           sum->connections_opened);
    connections_refused(out, sum);
    connections_closed(out, sum);
}

static void groups(FILE *out, const struct stats_block *sum,
                   const struct metrics_namespace *namespaces, uint32_t count)
{
    single(out, "groups", GAUGE, "Groups and experiments with a member.",
           sum->active_groups + sum->active_experiments);
    begin(out, "group_members", GAUGE, "Memberships, by configured namespace.");
    for (uint32_t i = 0; i < count; i++)
        labelled(out, "group_members", "namespace", namespaces[i].name, namespaces[i].members);
}

static void messages(FILE *out, const struct stats_block *sum)
{
    begin(out, "messages_received_total", COUNTER, "Messages accepted, by source.");
    labelled(out, "messages_received_total", "source", "producer", sum->messages_in_producer);
    labelled(out, "messages_received_total", "source", "client", sum->messages_in_client);
    refused(out, sum);
    single(out, "messages_routed_total", COUNTER, "Pairs of a message and a member it is for.",
           sum->messages_routed);
    single(out, "deliveries_total", COUNTER, "Messages handed in full to a member's socket.",
           sum->deliveries);
    drops(out, sum);
    single(out, "sent_bytes_total", COUNTER, "Bytes of message frames sent, with their headers.",
           sum->bytes_out);
}

char *metrics_write(const struct stats *stats, const struct metrics_namespace *namespaces,
                    uint32_t namespace_count, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);

    if (!out)
        return NULL;
    connections(out, &stats->sum);
    groups(out, &stats->sum, namespaces, namespace_count);
    messages(out, &stats->sum);
    inboxes(out, stats);
    histograms(out, stats);

    bool failed = ferror(out);
    if (fclose(out) || failed) {
        free(text);
        return NULL;
    }
    return text;
}
