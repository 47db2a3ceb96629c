/* What finding a group by its name costs: the hash, and a look-up among so many groups, in random
 * order; and adding and removing one. A jansson object with the same names stands beside it.
 *
 *     micro_table [ROUNDS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench/micro.h"
#include "proto/group_name.h"
#include "shards/table.h"

#define KEY       0x5bd1e995u
#define NAME_ROOM 32

struct state {
    struct table table;
    json_t *peer;
    struct named **groups; /* as the engine has them: each with its name in one allocation */
    uint32_t *order;       /* a random walk over them */
    uint32_t count, at;
};

static struct named *group_new(uint32_t number)
{
    struct named *group = malloc(sizeof(*group) + NAME_ROOM);

    if (!group)
        micro_die("out of memory");
    group->name = (char *)(group + 1);
    group->size = (uint32_t)snprintf(group->name, NAME_ROOM, "experiment:%u", number);
    group->hash = group_name_hash(group->name, group->size, KEY);
    return group;
}

static void state_init(struct state *state, uint32_t count)
{
    uint64_t random = 1;

    memset(state, 0, sizeof(*state));
    state->count = count;
    state->groups = malloc(count * sizeof(struct named *));
    state->order = malloc(count * sizeof(uint32_t));
    state->peer = json_object();
    if (!state->groups || !state->order || !state->peer)
        micro_die("out of memory");
    for (uint32_t i = 0; i < count; i++) {
        state->groups[i] = group_new(i);
        if (table_add(&state->table, state->groups[i]) ||
            json_object_set_new_nocheck(state->peer, state->groups[i]->name, json_true()))
            micro_die("out of memory");
        /* A random place for the new one (Fisher-Yates). */
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t k = (uint32_t)((random >> 33) % (i + 1));
        state->order[i] = state->order[k];
        state->order[k] = i;
    }
}

static void state_free(struct state *state)
{
    table_free(&state->table);
    json_decref(state->peer);
    for (uint32_t i = 0; i < state->count; i++)
        free(state->groups[i]);
    free(state->groups);
    free(state->order);
}

static struct named *next_group(struct state *state)
{
    if (state->at == state->count)
        state->at = 0;
    return state->groups[state->order[state->at++]];
}

static void hash(void *context, uint64_t times)
{
    static const char name[] = "experiment:123456";

    for (; times; times--) {
        uint64_t value;

        micro_use(name);
        value = group_name_hash(name, sizeof(name) - 1, KEY);
        micro_use(&value);
    }
}

/* As a command does: the name comes from elsewhere, and is hashed. */
static void find(void *context, uint64_t times)
{
    struct state *state = context;

    for (; times; times--) {
        const struct named *group = next_group(state);
        uint64_t value = group_name_hash(group->name, group->size, KEY);

        if (table_find(&state->table, value, group->name, group->size) != group)
            micro_die("a group is not found");
    }
}

static void find_none(void *context, uint64_t times)
{
    struct state *state = context;

    for (; times; times--) {
        const struct named *group = next_group(state);
        uint64_t value = group_name_hash(group->name, group->size - 1, ~KEY);

        if (table_find(&state->table, value, group->name, group->size - 1))
            micro_die("a group is found that is not there");
    }
}

static void remove_and_add(void *context, uint64_t times)
{
    struct state *state = context;

    for (; times; times--) {
        struct named *group = next_group(state);

        table_remove(&state->table, group);
        if (table_add(&state->table, group))
            micro_die("out of memory");
    }
}

static void find_in_peer(void *context, uint64_t times)
{
    struct state *state = context;

    for (; times; times--) {
        const struct named *group = next_group(state);

        if (!json_object_get(state->peer, group->name))
            micro_die("jansson does not find a name");
    }
}

int main(int argc, char **argv)
{
    static const uint32_t counts[] = {100, 10000, 1000000};
    unsigned rounds = micro_rounds(argc, argv);

    micro_print_machine(rounds, "ns per operation");
    printf("peer: jansson %s\n", jansson_version_str());
    micro_print(micro_measure(hash, NULL, rounds), "hash of 17 bytes");
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct state state;

        state_init(&state, counts[i]);
        struct micro_figure own = micro_measure(find, &state, rounds);
        micro_print(own, "find: %u groups", counts[i]);
        micro_print(micro_measure(find_none, &state, rounds), "find none: %u groups", counts[i]);
        micro_print(micro_measure(remove_and_add, &state, rounds), "remove and add: %u groups",
                    counts[i]);
        micro_print_peer(micro_measure(find_in_peer, &state, rounds), own, "jansson: %u groups",
                         counts[i]);
        state_free(&state);
    }
    return 0;
}
