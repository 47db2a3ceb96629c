/* One core's world: a thread with its own libuv loop, sockets, connections and groups.
 *
 * A shard shares nothing that changes with the others but their inboxes: what it tells them are
 * records in batches. It runs in turns of its loop:
 *
 *   read sockets -> drain the inbox (within a budget) -> act as home -> append to logs -> flush
 *   members -> hand over batches and wake -> sleep, if there is nothing to do
 *
 * Everything declared here belongs to the shard's thread, except where it says otherwise. */
#ifndef SHARDCAST_SHARDS_SHARD_H
#define SHARDCAST_SHARDS_SHARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "shards/connection.h"
#include "shards/counters.h"
#include "shards/group.h"
#include "shards/home.h"
#include "shards/inbox.h"
#include "shards/outbox.h"
#include "shards/producer.h"
#include "shards/settings.h"
#include "shards/wheel.h"

struct http_asset;

#define SHARD_MAGIC 0x73686172u

/* What all shards know of the whole; immutable once the threads run, but for the two atomics, which
 * only accepting and the birth and death of groups touch. Made by the engine, outlives the
 * shards. */
struct world {
    uint32_t shards;
    struct inbox **inboxes;     /* shards + 1: the last is the main thread's */
    struct counters **counters; /* one block per shard */
    uint64_t hash_key;          /* of names; nobody else knows it */
    uint64_t client_key;        /* of clients' ids; likewise, and nothing else depends on it */
    uint64_t seed;              /* of epochs, which show it */
    const char *version;
    const struct http_asset *assets; /* what browsers may read on the client port */
    uint32_t asset_count;
    struct sockaddr_storage clients, producers; /* to listen on; port 0 until the first shard has */
    socklen_t clients_bytes, producers_bytes;
    _Alignas(64) atomic_uint_fast64_t sockets; /* accepted clients, for limits.connections */
    _Alignas(64) atomic_uint_fast64_t groups;  /* that homes know, for limits.groups */
};

/* How far a shard has got; told to the main thread by RECORD_STATE. */
enum shard_state {
    SHARD_STARTING,
    SHARD_RUNNING,
    SHARD_INTAKE_STOPPED, /* draining: every command that was taken has been answered */
    SHARD_CLOSED          /* draining: no client is left */
};

struct lws_adapter;
struct listener;

struct shard {
    /* immutable */
    uint32_t magic;
    uint32_t index;
    struct world *world;
    struct counters *counters; /* its own block */
    uint32_t socket_max;       /* clients that its fd table has room for */

    /* the thread's own */
    pthread_t thread;
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_poll_t wake;
    uv_timer_t tick, retry; /* every 250 ms; 1 ms after a full inbox */
    struct settings *settings;
    struct outbox *outbox;
    struct home home;
    struct group_table groups;
    struct connection_table connections;
    struct producer_table producers;
    struct disconnect *disconnects; /* that wait for homes; see shards/disconnects.h */
    struct wheel wheel;
    struct lws_adapter *lws;
    struct listener *clients, *commands;

    uint64_t random;
    uint64_t now_ns;        /* when the turn began; shard_clock() is exact */
    uint64_t turn_began;    /* first event of the turn; 0: it has only slept */
    uint64_t settled_ns;    /* … or when something else was last done between two of its events */
    uint64_t slice_ns;      /* when the work under way last looked whether something else waits */
    uint64_t share_ns;      /* so long it may go on while nothing but sockets waits … */
    uint64_t share_ends_ns; /* … until then */
    uint64_t under_way;     /* bytes of commands that have not been answered yet */
    uint32_t input_budget;  /* bytes of commands that may still be read this turn */
    uint32_t sockets;       /* accepted clients */
    bool settling;          /* is doing what follows from the events */
    bool idling;            /* the next turn begins at once */
    bool stops_intake;      /* is to do so at the turn's end */
    bool cuts_all;          /* likewise */
    bool draining;          /* takes in no more */
    bool closing_all;       /* clients have been told to go */
    bool running;           /* the turn's handles are on the loop */
    bool quit;
    uint8_t told; /* enum shard_state that the main thread knows of */
};

/* Bytes of commands that a shard has under way before it stops reading from producers, and that it
 * reads in one turn. */
#define SHARD_UNDER_WAY_MAX (8u << 20)
#define SHARD_INPUT_BUDGET  (128u << 10)

/* Bytes of commands that one producer may have read in a turn while a flush is under way. */
#define SHARD_INPUT_LITTLE 4096u

/* Creates the shard's thread and waits until it serves or has failed. `shard` is zeroed but for
 * index, world and settings (one reference, the shard's from now on). On failure returns a negative
 * error and fills `error` with a sentence. Main thread; one shard at a time. */
int shard_start(struct shard *shard, char error[256]) MUST_CHECK;

/* Waits for the thread's end, after RECORD_QUIT. Main thread. */
void shard_join(struct shard *shard);

/* Nanoseconds of the monotonic clock, now. */
uint64_t shard_clock(const struct shard *shard);

/* A pseudo-random number, for spreading things out. */
uint32_t shard_random(struct shard *shard);

/* Which shard is the home of a group. */
static inline uint32_t shard_home(const struct shard *shard, uint64_t hash)
{
    return (uint32_t)(((unsigned __int128)hash * shard->world->shards) >> 64);
}

/* Takes one of `limits.groups`, if there is one left; and gives it back. */
bool shard_take_group(struct shard *shard) MUST_CHECK;
void shard_give_group(struct shard *shard);

/* Called by whatever is the first event of a turn: notes when it began. */
void shard_turn_begins(struct shard *shard);

/* Before a socket's event is taken, behind shard_turn_begins(): libuv hands out those of up to 48
 * times 1024 sockets before a turn goes on, which is long when very many connect or leave at once.
 * So what is due to others is done between two of them every so often. No connection is freed by
 * it, though it may be DEAD. */
void shard_between_events(struct shard *shard);

/* Asks for another turn without a sleep. */
void shard_again(struct shard *shard);

/* Work that may be long is done in slices: shard_must_make_way() says whether the one under way has
 * had its time and something waits for the shard, a socket or what is critical in the inbox. */
void shard_slice_begins(struct shard *shard);
bool shard_must_make_way(struct shard *shard);

/* Whether commands have to wait: too much is under way, or an inbox is full. */
static inline bool shard_congested(const struct shard *shard)
{
    return shard->under_way > SHARD_UNDER_WAY_MAX || outbox_waiting(shard->outbox);
}

/* Sends a message on its way to its group's home. Takes over the payload. */
void shard_publish(struct shard *shard, const struct named *group, struct payload *payload,
                   enum command_priority priority, struct command_ref command,
                   struct slot_ref sender);

/* Gives the answer to a command, or to a client's frame, of this shard (RECORD_ANSWER). */
void shard_answered(struct shard *shard, const struct record_answer *answer);

#endif
