/* What a message costs its group's home: it takes a position and goes to every shard that has a
 * member, and the reader gets its answer, all through outbox and inboxes, which are emptied as the
 * shards would. One thread, so that it is the work that is measured and not who waits for whom.
 * Beside it stands what the least would cost where all shards shared one table: to lock it, find
 * the group, count, and unlock, with nobody else there and nothing delivered.
 *
 *     micro_home [ROUNDS] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/micro.h"
#include "proto/group_name.h"
#include "shards/shard.h"

#define SHARDS_MAX 8
#define HOME       0 /* the shard whose home it is, and which reads the producers, too */
#define NAME       "analytics_dashboard"
#define BODY_BYTES 128

struct state {
    struct world world;
    struct shard shard;
    struct counters counters;
    struct inbox *inboxes[SHARDS_MAX + 1];
    struct record_publish *publish;
    uint32_t messages; /* of a turn */

    pthread_mutex_t mutex; /* of the peer */
    struct table table;
    struct named named;
    uint64_t offset;
};

static void *make_record(size_t fixed)
{
    struct record *record = calloc(1, fixed + sizeof(NAME));

    if (!record)
        micro_die("out of memory");
    record->size = (uint16_t)((fixed + sizeof(NAME) - 1 + 7) & ~(size_t)7);
    record->name_bytes = sizeof(NAME) - 1;
    record->hash = group_name_hash(NAME, sizeof(NAME) - 1, 1);
    memcpy((char *)record + fixed, NAME, sizeof(NAME) - 1);
    return record;
}

/* What the shards do with a batch, as far as it is needed to go on. */
static void take(struct state *state, struct batch *batch)
{
    for (struct record *record = NULL; (record = batch_next(batch, record));)
        if (record->type == RECORD_DELIVER)
            payload_unref(((struct record_deliver *)record)->payload);
    outbox_recycle(state->shard.outbox, batch);
}

static void end_turn(struct state *state)
{
    struct batch *batch;

    if (outbox_hand_over(state->shard.outbox))
        micro_die("an inbox is full");
    while ((batch = outbox_take_own(state->shard.outbox)))
        take(state, batch);
    for (uint32_t i = 0; i < state->world.shards; i++)
        while ((batch = inbox_pop(state->inboxes[i])))
            take(state, batch);
}

static void turns(void *context, uint64_t times)
{
    struct state *state = context;

    while (times) {
        uint64_t messages = times < state->messages ? times : state->messages;

        for (uint64_t i = 0; i < messages; i++) {
            payload_ref(state->publish->payload, 1);
            home_publish(&state->shard.home, HOME, state->publish);
        }
        end_turn(state);
        times -= messages;
    }
}

static void locked(void *context, uint64_t times)
{
    struct state *state = context;

    for (; times; times--) {
        pthread_mutex_lock(&state->mutex);
        if (!table_find(&state->table, state->named.hash, NAME, sizeof(NAME) - 1))
            micro_die("the group is not found");
        state->offset++;
        micro_use(&state->offset);
        pthread_mutex_unlock(&state->mutex);
    }
}

static void join_everywhere(struct state *state)
{
    struct record_join *join = make_record(sizeof(*join));

    for (uint32_t i = 0; i < state->world.shards; i++)
        home_join(&state->shard.home, i, join);
    free(join);
    end_turn(state);
}

static struct state *state_new(uint32_t shards, uint32_t history)
{
    struct state *state = aligned_alloc(64, sizeof(*state));

    if (!state)
        micro_die("out of memory");
    memset(state, 0, sizeof(*state));
    for (uint32_t i = 0; i <= shards; i++)
        if (!(state->inboxes[i] = inbox_new(64, 1u << 30)))
            micro_die("out of memory");
    state->world.shards = shards;
    state->world.inboxes = state->inboxes;
    state->shard.index = HOME;
    state->shard.world = &state->world;
    state->shard.counters = &state->counters;
    state->shard.settings = settings_new();
    state->shard.outbox = outbox_new(HOME, shards, state->inboxes);
    state->shard.now_ns = (uint64_t)micro_now();
    state->publish = make_record(sizeof(*state->publish));
    state->publish->payload = payload_new(PAYLOAD_TEXT, BODY_BYTES);
    if (!state->shard.settings || !state->shard.outbox || !state->publish->payload ||
        home_init(&state->shard.home, &state->shard, 1))
        micro_die("out of memory");
    memset(payload_body(state->publish->payload), 'x', BODY_BYTES);
    state->publish->sender.slot = NO_SLOT;
    state->publish->priority = PRIORITY_NORMAL;
    state->shard.settings->namespaces[0].max_rate = 0;
    state->shard.settings->namespaces[0].history.messages = history;
    pthread_mutex_init(&state->mutex, NULL);
    state->named = record_name(state->publish, state->publish->name);
    if (table_add(&state->table, &state->named))
        micro_die("out of memory");
    join_everywhere(state);
    return state;
}

static void state_free(struct state *state)
{
    table_free(&state->table);
    pthread_mutex_destroy(&state->mutex);
    payload_unref(state->publish->payload);
    free(state->publish);
    home_free(&state->shard.home);
    outbox_free(state->shard.outbox);
    settings_unref(state->shard.settings);
    for (uint32_t i = 0; i <= state->world.shards; i++)
        inbox_free(state->inboxes[i]);
    free(state);
}

static struct micro_figure measure(uint32_t shards, uint32_t messages, uint32_t history,
                                   unsigned rounds)
{
    struct state *state = state_new(shards, history);
    struct micro_figure figure;

    state->messages = messages;
    figure = micro_measure(turns, state, rounds);
    state_free(state);
    return figure;
}

int main(int argc, char **argv)
{
    static const uint32_t counts[] = {1, 2, 4, 8};
    unsigned rounds = micro_rounds(argc, argv);
    struct micro_figure one = {0};
    struct state *peer = state_new(1, 0);

    micro_print_machine(rounds, "ns per message");
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        const char *plural = counts[i] > 1 ? "s" : "";

        micro_print(measure(counts[i], 1, 0, rounds), "publish: %u shard%s, 1 a turn", counts[i],
                    plural);
        struct micro_figure many = measure(counts[i], 30, 0, rounds);
        micro_print(many, "publish: %u shard%s, 30 a turn", counts[i], plural);
        if (i == 0)
            one = many;
    }
    micro_print(measure(1, 30, 100, rounds), "publish, history of 100: 1 shard, 30 a turn");
    micro_print_peer(micro_measure(locked, peer, rounds), one, "a shared table with a lock");
    state_free(peer);
    return 0;
}
