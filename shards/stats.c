#include "shards/stats.h"

#include <stdlib.h>
#include <string.h>

struct stats *stats_new(uint32_t shard_count)
{
    struct stats *stats =
        calloc(1, sizeof(*stats) + (size_t)shard_count * sizeof(struct stats_block));

    if (stats)
        stats->shard_count = shard_count;
    return stats;
}

static void read_all(uint64_t *to, const counter *from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        to[i] = counter_read(&from[i]);
}

static void read_histogram(struct stats_histogram *to, const struct histogram *from)
{
    read_all(to->buckets, from->buckets, HISTOGRAM_BUCKETS);
    to->sum_ns = counter_read(&from->sum_ns);
}

/* Orders what is read afterwards behind this. Partner: the release store in counter_add(). */
static uint64_t read_first(const counter *from)
{
    return atomic_load_explicit(from, memory_order_acquire);
}

/* Where messages and connections end. */
static void read_ends(struct stats_block *to, const struct counters *from)
{
    to->deliveries = read_first(&from->deliveries);
    for (unsigned i = 0; i < DROP_COUNT; i++)
        to->drops[i] = read_first(&from->drops[i]);
    for (unsigned i = 0; i < CLOSE_REASON_COUNT; i++)
        to->connections_closed[i] = read_first(&from->connections_closed[i]);
}

/* All the rest, and so where they begin. */
static void read_beginnings(struct stats_block *to, const struct counters *from)
{
    to->messages_routed = counter_read(&from->messages_routed);
    to->connections_opened = counter_read(&from->connections_opened);
    to->connections = counter_read(&from->connections);
    to->group_connections = counter_read(&from->group_connections);
    to->experiment_connections = counter_read(&from->experiment_connections);
    to->session_connections = counter_read(&from->session_connections);
    to->bytes_out = counter_read(&from->bytes_out);
    to->messages_in_producer = counter_read(&from->messages_in_producer);
    to->messages_in_client = counter_read(&from->messages_in_client);
    to->active_groups = counter_read(&from->active_groups);
    to->active_experiments = counter_read(&from->active_experiments);
    to->active_sessions = counter_read(&from->active_sessions);
    to->active_users = counter_read(&from->active_users);
    to->inbox_full = counter_read(&from->inbox_full);
    read_all(to->connections_refused, from->connections_refused, CONNECTION_REFUSAL_COUNT);
    read_all(to->refused, from->refused, REFUSAL_COUNT);
    to->refused[REFUSAL_NONE] = 0;
    read_histogram(&to->turn_seconds, &from->turn_seconds);
    read_histogram(&to->delivery_seconds, &from->delivery_seconds);
}

/* A block is nothing but numbers of one type, so that adding two needs no list of names. */
static void add_block(struct stats_block *sum, const struct stats_block *block)
{
    _Static_assert(sizeof(struct stats_block) % sizeof(uint64_t) == 0, "all members are uint64_t");
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)block;

    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
        to[i] += from[i];
}

void stats_gather(struct stats *stats, const struct counters *const *counters,
                  const uint32_t *inbox_depths)
{
    /* A home counts a message before it hands it over, so who sees it delivered on any shard sees
     * it routed. All ends come before all beginnings: the two are on different shards. */
    for (uint32_t i = 0; i < stats->shard_count; i++)
        read_ends(&stats->shards[i], counters[i]);

    memset(&stats->sum, 0, sizeof(stats->sum));
    for (uint32_t i = 0; i < stats->shard_count; i++) {
        read_beginnings(&stats->shards[i], counters[i]);
        stats->shards[i].inbox_depth = inbox_depths ? inbox_depths[i] : 0;
        add_block(&stats->sum, &stats->shards[i]);
    }
}

/* ---- the tree ---- */

/* A number of the tree. messages_in alone is made of two counters. */
struct stats_key {
    const char *name;
    size_t at, and_at; /* offsets in struct stats_block; and_at 0: none */
};

#define AT(member) offsetof(struct stats_block, member)

static const struct stats_key keys[] = {
    {"total_connections", AT(connections), 0},
    {"group_connections", AT(group_connections), 0},
    {"experiment_connections", AT(experiment_connections), 0},
    {"session_connections", AT(session_connections), 0},
    {"active_groups", AT(active_groups), 0},
    {"active_experiments", AT(active_experiments), 0},
    {"active_sessions", AT(active_sessions), 0},
    {"active_users", AT(active_users), 0},
    {"messages_in", AT(messages_in_producer), AT(messages_in_client)},
    {"messages_routed", AT(messages_routed), 0},
    {"deliveries", AT(deliveries), 0},
    {"bytes_out", AT(bytes_out), 0},
};

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))
#define MAP_COUNT 4

static int write_number(const struct stats_writer *writer, const char *name, uint64_t value)
{
    int error = writer->key(writer->ctx, name);

    return error ? error : writer->number(writer->ctx, value);
}

static int write_key(const struct stats_writer *writer, const struct stats_block *block,
                     const struct stats_key *key)
{
    const char *base = (const char *)block;
    uint64_t value = *(const uint64_t *)(base + key->at);

    if (key->and_at)
        value += *(const uint64_t *)(base + key->and_at);
    return write_number(writer, key->name, value);
}

static const char *drop_name(int i)
{
    return drop_reason_name((enum drop_reason)i);
}

static const char *refused_name(int i)
{
    return refusal_name((enum refusal)i);
}

static const char *connection_refused_name(int i)
{
    return connection_refusal_name((enum connection_refusal)i);
}

static const char *closed_name(int i)
{
    return close_reason_name((enum close_reason)i);
}

/* A map by reason, of the reasons from `first` on. */
static int write_reasons(const struct stats_writer *writer, const char *name,
                         const uint64_t *values, int first, int end, const char *(*reason)(int))
{
    int error = writer->key(writer->ctx, name);

    if (!error)
        error = writer->begin_map(writer->ctx, (uint32_t)(end - first));
    for (int i = first; !error && i < end; i++)
        error = write_number(writer, reason(i), values[i]);
    return error ? error : writer->end_map(writer->ctx);
}

/* The pairs of one block, without the map around them. */
static int write_block(const struct stats_writer *writer, const struct stats_block *block)
{
    int error = 0;

    for (size_t i = 0; !error && i < KEY_COUNT; i++)
        error = write_key(writer, block, &keys[i]);
    if (!error)
        error = write_reasons(writer, "drops", block->drops, 0, DROP_COUNT, drop_name);
    if (!error)
        error = write_reasons(writer, "refused", block->refused, REFUSAL_NONE + 1, REFUSAL_COUNT,
                              refused_name);
    if (!error)
        error = write_reasons(writer, "connections_refused", block->connections_refused, 0,
                              CONNECTION_REFUSAL_COUNT, connection_refused_name);
    if (!error)
        error = write_reasons(writer, "connections_closed", block->connections_closed, 0,
                              CLOSE_REASON_COUNT, closed_name);
    return error;
}

int stats_write(const struct stats *stats, const struct stats_writer *writer)
{
    int error = writer->begin_map(writer->ctx, KEY_COUNT + MAP_COUNT + 1);

    if (!error)
        error = write_block(writer, &stats->sum);
    if (!error)
        error = writer->key(writer->ctx, "shards");
    if (!error)
        error = writer->begin_array(writer->ctx, stats->shard_count);
    for (uint32_t i = 0; !error && i < stats->shard_count; i++) {
        error = writer->begin_map(writer->ctx, KEY_COUNT + MAP_COUNT);
        if (!error)
            error = write_block(writer, &stats->shards[i]);
        if (!error)
            error = writer->end_map(writer->ctx);
    }
    if (!error)
        error = writer->end_array(writer->ctx);
    return error ? error : writer->end_map(writer->ctx);
}

/* ---- the producers' answer ---- */

static int msgpack_map(void *ctx, uint32_t count)
{
    return answer_map(ctx, count);
}

static int msgpack_array(void *ctx, uint32_t count)
{
    return answer_array(ctx, count);
}

static int msgpack_str(void *ctx, const char *text)
{
    return answer_str(ctx, text);
}

static int msgpack_uint(void *ctx, uint64_t value)
{
    return answer_uint(ctx, value);
}

/* msgpack has counts in front and no ends. */
static int msgpack_end(void *ctx)
{
    return 0;
}

int stats_answer(struct buffer *out, uint64_t id, const struct stats *stats)
{
    const struct stats_writer writer = {
        .ctx = out,
        .begin_map = msgpack_map,
        .end_map = msgpack_end,
        .begin_array = msgpack_array,
        .end_array = msgpack_end,
        .key = msgpack_str,
        .number = msgpack_uint,
    };
    static const uint8_t yes = 0xc3; /* true */
    size_t before = out->size;
    int error = answer_map(out, 3);

    if (!error)
        error = write_number(&writer, "id", id);
    if (!error)
        error = answer_str(out, "ok");
    if (!error)
        error = buffer_append(out, &yes, 1);
    if (!error)
        error = answer_str(out, "stats");
    if (!error)
        error = stats_write(stats, &writer);
    if (error)
        out->size = before;
    return error;
}
