#include "shards/shard.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "shards/disconnects.h"
#include "shards/listener.h"
#include "shards/lws_adapter.h"
#include "shards/shard_turn.h"

/* Fds that a shard needs besides its clients' (loop, listeners, producers, what main had open). */
#define FDS_RESERVED 256

/* Clients beyond the limits that may be there at once, to be answered 503. */
#define REFUSED_MAX 1024

uint64_t shard_clock(const struct shard *shard)
{
    (void)shard;
    return uv_hrtime();
}

uint32_t shard_random(struct shard *shard)
{
    /* xorshift64: only for spreading things out in time. */
    shard->random ^= shard->random << 13;
    shard->random ^= shard->random >> 7;
    shard->random ^= shard->random << 17;
    return (uint32_t)(shard->random >> 32);
}

/* Takes one of at most `limit` (0: any number). Exact, whoever else takes at the same time. */
static bool take_one(atomic_uint_fast64_t *taken, uint64_t limit)
{
    uint64_t now = atomic_load_explicit(taken, memory_order_relaxed);

    while (!limit || now < limit)
        if (atomic_compare_exchange_weak_explicit(taken, &now, now + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

bool shard_take_group(struct shard *shard)
{
    return take_one(&shard->world->groups, shard->settings->limits.groups);
}

void shard_give_group(struct shard *shard)
{
    atomic_fetch_sub_explicit(&shard->world->groups, 1, memory_order_relaxed);
}

/* Accepting */

static bool client_accepted(struct shard *shard, int fd)
{
    bool counted, over;

    shard_turn_begins(shard);
    shard_between_events(shard);
    counted = take_one(&shard->world->sockets, shard->settings->limits.connections);
    over = !counted || shard->sockets >= shard->socket_max;
    connection_accept(shard, fd, over, counted);
    return shard->sockets < shard->socket_max + REFUSED_MAX;
}

static bool command_accepted(struct shard *shard, int fd)
{
    shard_turn_begins(shard);
    return producer_accept(shard, fd);
}

/* Starting */

/* A private fd table: RLIMIT_NOFILE then counts per shard, fd numbers stay dense, and no core waits
 * for another's accepts and closes. What is open already (the eventfds) has the same numbers. */
static void own_fd_table(struct shard *shard)
{
    struct rlimit limit;
    uint32_t sharers = 1;

#if defined(__SANITIZE_THREAD__)
    /* ThreadSanitizer tells files apart by their numbers alone, which are private here. */
    sharers = shard->world->shards;
#else
    if (unshare(CLONE_FILES)) {
        fprintf(stderr, "level=warning shard=%u msg=\"no fd table of its own: %s\"\n", shard->index,
                strerror(errno));
        sharers = shard->world->shards;
    }
#endif
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > UINT32_MAX)
        limit.rlim_cur = 1024;
    uint32_t share = (uint32_t)limit.rlim_cur / sharers;
    uint32_t reserved = FDS_RESERVED + REFUSED_MAX;
    shard->socket_max = share > 2 * reserved ? share - reserved : share / 2;
}

static int init_memory(struct shard *shard)
{
    struct world *world = shard->world;

    shard->magic = SHARD_MAGIC;
    shard->settling = true; /* until the first turn's end */
    shard->counters = world->counters[shard->index];
    shard->random = world->seed + shard->index + 1;
    shard->input_budget = SHARD_INPUT_BUDGET;
    shard->now_ns = shard_clock(shard);
    wheel_init(&shard->wheel);
    connection_table_init(&shard->connections);
    shard->outbox = outbox_new(shard->index, world->shards, world->inboxes);
    if (!shard->outbox || producer_table_init(&shard->producers) ||
        group_table_init(&shard->groups, shard) ||
        home_init(&shard->home, shard, world->seed ^ ((uint64_t)shard->index << 48)))
        return ERR_NOMEM;
    return 0;
}

static int init_listeners(struct shard *shard, char error[256])
{
    struct world *world = shard->world;
    bool first = shard->index == 0;
    const char *what = "clients";
    int failed = listener_new(&shard->clients, shard, &world->clients, world->clients_bytes, first,
                              client_accepted);

    if (!failed) {
        what = "producers";
        failed = listener_new(&shard->commands, shard, &world->producers, world->producers_bytes,
                              first, command_accepted);
    }
    if (failed)
        snprintf(error, 256, "cannot listen for %s: %s", what,
                 failed == ERR_SYS ? strerror(errno) : error_text(failed));
    return failed;
}

static void free_memory(struct shard *shard)
{
    home_free(&shard->home);
    group_table_free(&shard->groups);
    disconnects_free(shard->disconnects);
    connection_table_free(&shard->connections);
    producer_table_free(&shard->producers);
    outbox_free(shard->outbox);
    settings_unref(shard->settings);
}

struct start {
    struct shard *shard;
    char *error; /* 256 bytes */
    int result;
    uv_sem_t done;
};

static int init_all(struct shard *shard, char error[256])
{
    int failed = init_memory(shard);

    own_fd_table(shard);
    if (!failed && uv_loop_init(&shard->loop))
        failed = ERR_SYS;
    if (!failed && !(shard->lws = lws_adapter_new(shard)))
        failed = ERR_NOMEM;
    if (!failed)
        failed = shard_turn_init(shard);
    if (failed) {
        snprintf(error, 256, "shard %u cannot start: %s", shard->index, error_text(failed));
        return failed;
    }
    return init_listeners(shard, error);
}

static void run(struct shard *shard)
{
    while (!shard->quit)
        uv_run(&shard->loop, UV_RUN_DEFAULT);
}

/* Closes what is left of loop and sockets. */
static void end_loop(struct shard *shard)
{
    shard->settling = true; /* nothing is done between events any more */
    listener_close(shard->clients);
    listener_close(shard->commands);
    connection_cut_all(shard);
    producer_close_all(shard);
    shard_turn_end(shard);
    lws_adapter_stop(shard->lws);
    uv_run(&shard->loop, UV_RUN_DEFAULT);
    lws_adapter_free(shard->lws);
    int busy = uv_loop_close(&shard->loop);
    assert(!busy);
    (void)busy;
}

static void *thread_main(void *argument)
{
    struct start *start = argument;
    struct shard *shard = start->shard;
    char name[16];

    snprintf(name, sizeof(name), "shard-%u", shard->index);
    pthread_setname_np(pthread_self(), name);
    int failed = start->result = init_all(shard, start->error);
    uv_sem_post(&start->done); /* `start` is gone from here on */
    if (!failed)
        run(shard);
    if (shard->lws)
        end_loop(shard);
    free_memory(shard);
    return NULL;
}

int shard_start(struct shard *shard, char error[256])
{
    struct start start = {.shard = shard, .error = error};
    sigset_t all, before;

    uv_sem_init(&start.done, 0);
    /* Signals are the main thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&shard->thread, NULL, thread_main, &start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        snprintf(error, 256, "shard %u: no thread: %s", shard->index, strerror(failed));
        uv_sem_destroy(&start.done);
        settings_unref(shard->settings);
        return ERR_SYS;
    }
    uv_sem_wait(&start.done);
    uv_sem_destroy(&start.done);
    if (start.result)
        pthread_join(shard->thread, NULL);
    return start.result;
}

void shard_join(struct shard *shard)
{
    pthread_join(shard->thread, NULL);
}
