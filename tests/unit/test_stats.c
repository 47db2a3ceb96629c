/* The statistics tree: what is summed, what is in it, and what it never shows at a busy moment. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <msgpack.h>

#include "engine/stats_json.h"
#include "shards/stats.h"

#define SHARDS 3

/* The contract's keys, in its order. */
static const char *const numbers[] = {
    "total_connections",   "group_connections", "experiment_connections",
    "session_connections", "active_groups",     "active_experiments",
    "active_sessions",     "active_users",      "messages_in",
    "messages_routed",     "deliveries",        "bytes_out",
};
static const char *const refusals[] = {"bad_command", "unknown_op",    "bad_group",
                                       "too_large",   "rate_limited",  "insufficient_state",
                                       "overloaded",  "shutting_down", "unauthorized"};
static const char *const drop_reasons[] = {"closed", "slow", "skip", "latest", "low"};
static const char *const connection_refusals[] = {
    "bad_group",  "bad_request", "not_allowed",       "no_such_path", "connection_limit",
    "group_full", "overloaded",  "handshake_timeout", "shutting_down"};
static const char *const closes[] = {"client",  "lost",         "no_pong",
                                     "slow",    "disconnected", "protocol_error",
                                     "too_big", "not_allowed",  "insufficient_state",
                                     "shutdown"};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Counters of as many shards, all different. */
static struct counters *make_counters(const struct counters *pointers[SHARDS])
{
    struct counters *counters = aligned_alloc(64, SHARDS * sizeof(*counters));

    assert_non_null(counters);
    memset(counters, 0, SHARDS * sizeof(*counters));
    for (uint64_t i = 0; i < SHARDS; i++) {
        counter_add(&counters[i].connections, 10 + i);
        counter_add(&counters[i].connections_opened, 20 + i);
        counter_add(&counters[i].group_connections, 100 * (i + 1));
        counter_add(&counters[i].experiment_connections, 1 + i);
        counter_add(&counters[i].session_connections, 2 + i);
        counter_add(&counters[i].deliveries, 1000 + i);
        counter_add(&counters[i].drops[DROP_SKIP], 3 + i);
        counter_add(&counters[i].messages_routed, 2000 + i);
        counter_add(&counters[i].messages_in_producer, 30 + i);
        counter_add(&counters[i].messages_in_client, 40 + i);
        counter_add(&counters[i].refused[REFUSAL_UNAUTHORIZED], 5 + i);
        counter_add(&counters[i].connections_refused[CONNECTION_LIMIT], 6 + i);
        counter_add(&counters[i].connections_closed[CLOSE_SHUTDOWN], 7 + i);
        counter_add(&counters[i].active_groups, 8 + i);
        counter_add(&counters[i].active_users, 9 + i);
        counter_add(&counters[i].bytes_out, UINT64_C(1) << 40);
        counter_add(&counters[i].inbox_full, 4 + i);
        histogram_add(&counters[i].turn_seconds, 1000);
        histogram_add(&counters[i].turn_seconds, 3000);
        pointers[i] = &counters[i];
    }
    return counters;
}

static void sums_are_of_what_the_shards_say(void **state)
{
    const struct counters *pointers[SHARDS];
    const uint32_t depths[SHARDS] = {1, 0, 5};
    struct counters *counters = make_counters(pointers);
    struct stats *stats = stats_new(SHARDS);

    assert_non_null(stats);
    stats_gather(stats, pointers, depths);
    stats_gather(stats, pointers, depths); /* nothing is left of the time before */
    assert_int_equal(stats->sum.connections, 10 + 11 + 12);
    assert_int_equal(stats->sum.deliveries, 3003);
    assert_int_equal(stats->sum.messages_routed, 6003);
    assert_int_equal(stats->sum.drops[DROP_SKIP], 3 + 4 + 5);
    assert_int_equal(stats->sum.bytes_out, UINT64_C(3) << 40);
    assert_int_equal(stats->sum.inbox_depth, 6);
    assert_int_equal(stats->sum.inbox_full, 4 + 5 + 6);
    assert_int_equal(stats->sum.turn_seconds.buckets[0], 3);
    assert_int_equal(stats->sum.turn_seconds.buckets[2], 3);
    assert_int_equal(stats->sum.turn_seconds.sum_ns, 12000);
    assert_int_equal(stats->shards[2].connections, 12);
    assert_int_equal(stats->shards[2].inbox_depth, 5);
    free(stats);
    free(counters);
}

/* ---- JSON ---- */

static void assert_map(const json_t *map, const char *const *keys, size_t count)
{
    assert_true(json_is_object(map));
    assert_int_equal(json_object_size(map), count);
    for (size_t i = 0; i < count; i++)
        assert_true(json_is_integer(json_object_get(map, keys[i])));
}

static void assert_block(const json_t *block)
{
    for (size_t i = 0; i < LENGTH(numbers); i++)
        assert_true(json_is_integer(json_object_get(block, numbers[i])));
    assert_map(json_object_get(block, "drops"), drop_reasons, LENGTH(drop_reasons));
    assert_map(json_object_get(block, "refused"), refusals, LENGTH(refusals));
    assert_map(json_object_get(block, "connections_refused"), connection_refusals,
               LENGTH(connection_refusals));
    assert_map(json_object_get(block, "connections_closed"), closes, LENGTH(closes));
}

static json_int_t at(const json_t *map, const char *key)
{
    return json_integer_value(json_object_get(map, key));
}

static void the_tree_has_every_key_and_every_reason(void **state)
{
    const struct counters *pointers[SHARDS];
    struct counters *counters = make_counters(pointers);
    struct stats *stats = stats_new(SHARDS);
    size_t size;

    stats_gather(stats, pointers, NULL);
    char *text = stats_json(stats, &size);
    assert_non_null(text);
    assert_int_equal(size, strlen(text));
    assert_int_equal(text[size - 1], '\n');
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *shards = json_object_get(json, "shards");

    assert_block(json);
    assert_int_equal(json_object_size(json), LENGTH(numbers) + 4 + 1);
    assert_int_equal(json_array_size(shards), SHARDS);
    for (size_t i = 0; i < SHARDS; i++) {
        assert_block(json_array_get(shards, i));
        assert_int_equal(json_object_size(json_array_get(shards, i)), LENGTH(numbers) + 4);
        assert_int_equal(at(json_array_get(shards, i), "total_connections"), 10 + i);
    }
    assert_int_equal(at(json, "group_connections"), 600);
    assert_int_equal(at(json, "messages_in"), 30 + 31 + 32 + 40 + 41 + 42);
    assert_int_equal(at(json, "bytes_out"), UINT64_C(3) << 40);
    assert_int_equal(at(json_object_get(json, "refused"), "unauthorized"), 5 + 6 + 7);
    assert_int_equal(at(json_object_get(json, "connections_refused"), "connection_limit"), 21);
    assert_int_equal(at(json_object_get(json, "connections_closed"), "shutdown"), 24);
    json_decref(json);
    free(text);
    free(stats);
    free(counters);
}

/* ---- msgpack ---- */

static const msgpack_object *find(const msgpack_object *map, const char *key)
{
    assert_int_equal(map->type, MSGPACK_OBJECT_MAP);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_str *name = &map->via.map.ptr[i].key.via.str;

        assert_int_equal(map->via.map.ptr[i].key.type, MSGPACK_OBJECT_STR);
        if (name->size == strlen(key) && !memcmp(name->ptr, key, name->size))
            return &map->via.map.ptr[i].val;
    }
    fail_msg("no %s", key);
    return NULL;
}

/* The same tree in both. */
static void assert_same(const json_t *json, const msgpack_object *object)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_object(json)) {
        assert_int_equal(object->via.map.size, json_object_size(json));
        json_object_foreach((json_t *)json, key, value) assert_same(value, find(object, key));
    } else if (json_is_array(json)) {
        assert_int_equal(object->type, MSGPACK_OBJECT_ARRAY);
        assert_int_equal(object->via.array.size, json_array_size(json));
        json_array_foreach(json, i, value) assert_same(value, &object->via.array.ptr[i]);
    } else {
        assert_int_equal(object->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
        assert_int_equal(object->via.u64, json_integer_value(json));
    }
}

static void producers_are_answered_the_same(void **state)
{
    const struct counters *pointers[SHARDS];
    struct counters *counters = make_counters(pointers);
    struct stats *stats = stats_new(SHARDS);
    struct buffer buffer = {0};
    msgpack_unpacked unpacked;
    size_t size, offset = 0;

    stats_gather(stats, pointers, NULL);
    assert_int_equal(stats_answer(&buffer, UINT64_MAX, stats), 0);
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(
        msgpack_unpack_next(&unpacked, (const char *)buffer.bytes, buffer.size, &offset),
        MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(offset, buffer.size);
    assert_int_equal(unpacked.data.via.map.size, 3);
    assert_int_equal(find(&unpacked.data, "id")->via.u64, UINT64_MAX);
    assert_int_equal(find(&unpacked.data, "ok")->type, MSGPACK_OBJECT_BOOLEAN);
    assert_true(find(&unpacked.data, "ok")->via.boolean);

    char *text = stats_json(stats, &size);
    json_t *json = json_loads(text, 0, NULL);
    assert_same(json, find(&unpacked.data, "stats"));
    json_decref(json);
    free(text);
    msgpack_unpacked_destroy(&unpacked);
    buffer_free(&buffer);
    free(stats);
    free(counters);
}

/* ---- a busy moment ---- */

/* A home that routes and hands over, and a shard that delivers what it was handed. */
struct busy {
    struct counters *counters;
    atomic_uint_fast64_t handed;
    atomic_bool stop;
};

static void *home(void *arg)
{
    struct busy *busy = arg;

    while (!atomic_load_explicit(&busy->stop, memory_order_relaxed)) {
        counter_add(&busy->counters[0].messages_routed, 1);
        counter_add(&busy->counters[0].connections_opened, 1);
        counter_add(&busy->counters[0].connections_closed[CLOSE_LOST], 1);
        atomic_fetch_add_explicit(&busy->handed, 1, memory_order_release);
    }
    return NULL;
}

static void *member(void *arg)
{
    struct busy *busy = arg;
    uint64_t done = 0;

    while (!atomic_load_explicit(&busy->stop, memory_order_relaxed)) {
        if (done == atomic_load_explicit(&busy->handed, memory_order_acquire))
            continue;
        counter_add(
            done % 3 ? &busy->counters[1].deliveries : &busy->counters[1].drops[DROP_LATEST], 1);
        done++;
    }
    return NULL;
}

static void nobody_sees_more_delivered_than_routed(void **state)
{
    const struct counters *pointers[SHARDS];
    struct busy busy = {.counters = aligned_alloc(64, SHARDS * sizeof(struct counters))};
    struct stats *stats = stats_new(SHARDS);
    pthread_t threads[2];

    assert_non_null(busy.counters);
    memset(busy.counters, 0, SHARDS * sizeof(struct counters));
    for (unsigned i = 0; i < SHARDS; i++)
        pointers[i] = &busy.counters[i];
    pthread_create(&threads[0], NULL, home, &busy);
    pthread_create(&threads[1], NULL, member, &busy);
    /* Often, and until the others have got going. */
    for (unsigned i = 0; i < 20000 || !stats->sum.deliveries; i++) {
        stats_gather(stats, pointers, NULL);
        assert_true(stats->sum.deliveries + stats->sum.drops[DROP_LATEST] <=
                    stats->sum.messages_routed);
        assert_true(stats->sum.connections_closed[CLOSE_LOST] <= stats->sum.connections_opened);
    }
    atomic_store(&busy.stop, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    free(stats);
    free(busy.counters);
}

/* ---- writers that fail ---- */

struct failing {
    unsigned left;
};

static int fail_later(struct failing *failing)
{
    return failing->left-- ? 0 : ERR_NOMEM;
}

static int fail_count(void *ctx, uint32_t count)
{
    return fail_later(ctx);
}

static int fail_end(void *ctx)
{
    return fail_later(ctx);
}

static int fail_key(void *ctx, const char *name)
{
    return fail_later(ctx);
}

static int fail_number(void *ctx, uint64_t value)
{
    return fail_later(ctx);
}

static void a_writer_that_fails_ends_the_walk(void **state)
{
    struct failing failing;
    const struct stats_writer writer = {&failing, fail_count, fail_end,   fail_count,
                                        fail_end, fail_key,   fail_number};
    struct stats *stats = stats_new(SHARDS);

    for (unsigned i = 0;; i++) {
        failing.left = i;
        if (!stats_write(stats, &writer))
            break;                                  /* all of the calls were good */
        assert_int_equal(failing.left, UINT32_MAX); /* nothing was called behind the error */
    }
    free(stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_of_what_the_shards_say),
        cmocka_unit_test(the_tree_has_every_key_and_every_reason),
        cmocka_unit_test(producers_are_answered_the_same),
        cmocka_unit_test(nobody_sees_more_delivered_than_routed),
        cmocka_unit_test(a_writer_that_fails_ends_the_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
