/* What handing over a batch costs: one to eight threads push, as fast as the inbox takes it, one
 * pops and sleeps where there is nothing. The same with a mutex around a ring of the same size, and
 * the same way to sleep and wake, stands beside it.
 *
 *     micro_inbox [ROUNDS]
 *
 * Nanoseconds of CPU time per batch, of all threads together, system calls included; and of the
 * wall clock, which more threads than cores, and whatever else the machine does, draw out. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench/micro.h"
#include "shards/inbox.h"

#define SLOTS       1024
#define THREADS_MAX 8
#define ROUND_NS    20e6
#define LOOK_EVERY  32 /* batches between looks at the clock */
#define TURN        8  /* batches of a turn: one look whether to wake */

/* The peer: bounded, one lock. */
struct locked {
    pthread_mutex_t mutex;
    struct batch *ring[SLOTS];
    uint32_t first, count;
    bool sleeping;
    int fd;
};

/* A round's result, per batch. */
struct cost {
    double cpu, wall; /* ns */
};

/* Of all rounds. */
struct figures {
    struct micro_figure cpu, wall;
};

struct state {
    struct inbox *inbox; /* NULL: the peer */
    struct locked locked;
    atomic_bool go, stop;
};

static bool locked_push(struct locked *locked, struct batch *batch)
{
    pthread_mutex_lock(&locked->mutex);
    bool room = locked->count < SLOTS - 1;
    if (room)
        locked->ring[(locked->first + locked->count++) % SLOTS] = batch;
    pthread_mutex_unlock(&locked->mutex);
    return room;
}

static struct batch *locked_pop(struct locked *locked)
{
    struct batch *batch = NULL;

    pthread_mutex_lock(&locked->mutex);
    if (locked->count) {
        batch = locked->ring[locked->first];
        locked->first = (locked->first + 1) % SLOTS;
        locked->count--;
    }
    pthread_mutex_unlock(&locked->mutex);
    return batch;
}

static bool locked_sleep(struct locked *locked)
{
    pthread_mutex_lock(&locked->mutex);
    locked->sleeping = !locked->count;
    bool sleeping = locked->sleeping;
    pthread_mutex_unlock(&locked->mutex);
    return sleeping;
}

static void locked_wake(struct locked *locked)
{
    pthread_mutex_lock(&locked->mutex);
    bool wake = locked->sleeping;
    locked->sleeping = false;
    pthread_mutex_unlock(&locked->mutex);
    if (wake)
        eventfd_write(locked->fd, 1);
}

static void wake(struct state *state)
{
    if (state->inbox)
        inbox_wake(state->inbox);
    else
        locked_wake(&state->locked);
}

static bool push(struct state *state, struct batch *batch)
{
    return state->inbox ? !inbox_push_mpmc(state->inbox, INBOX_NORMAL, batch)
                        : locked_push(&state->locked, batch);
}

static struct batch *pop(struct state *state)
{
    return state->inbox ? inbox_pop(state->inbox) : locked_pop(&state->locked);
}

/* Pushes the same batch all the time: it is empty, and nobody changes it. */
static void *produce(void *context)
{
    struct state *state = context;
    struct batch *batch = batch_new(0, 8);

    if (!batch)
        micro_die("out of memory");
    while (!atomic_load(&state->go))
        sched_yield();
    for (unsigned i = 1; !atomic_load_explicit(&state->stop, memory_order_relaxed); i++) {
        bool full = !push(state, batch);

        if (full || i % TURN == 0)
            wake(state);
        if (full)
            sched_yield();
    }
    return batch;
}

/* Sleeps until there is something. */
static void wait_for_batches(struct state *state)
{
    struct pollfd fd = {.events = POLLIN};
    eventfd_t count;

    fd.fd = state->inbox ? inbox_fd(state->inbox) : state->locked.fd;
    if (!(state->inbox ? inbox_sleep(state->inbox) : locked_sleep(&state->locked)))
        return;
    poll(&fd, 1, 1);
    eventfd_read(fd.fd, &count);
    if (state->inbox)
        inbox_awake(state->inbox);
}

/* Pops for the time of a round. Returns how many. */
static uint64_t consume(struct state *state)
{
    double until = micro_now() + ROUND_NS;
    uint64_t popped = 0;

    while (micro_now() < until) {
        unsigned i = 0;

        while (i < LOOK_EVERY && pop(state))
            i++;
        popped += i;
        if (i < LOOK_EVERY)
            wait_for_batches(state);
    }
    return popped;
}

static struct cost round_of(struct state *state, unsigned threads)
{
    pthread_t ids[THREADS_MAX];
    void *pushed[THREADS_MAX];

    atomic_store(&state->go, false);
    atomic_store(&state->stop, false);
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, produce, state))
            micro_die("no thread can be had");
    double wall = micro_now(), cpu = micro_cpu();
    atomic_store(&state->go, true);
    double batches = (double)consume(state);
    wall = micro_now() - wall;
    cpu = micro_cpu() - cpu;
    atomic_store(&state->stop, true);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], &pushed[i]);
    while (pop(state))
        continue;
    for (unsigned i = 0; i < threads; i++)
        free(pushed[i]);
    return (struct cost){cpu / batches, wall / batches};
}

static struct figures measure(bool peer, unsigned threads, unsigned rounds)
{
    double cpu[MICRO_ROUNDS_MAX], wall[MICRO_ROUNDS_MAX];
    static struct state state;

    state = (struct state){.locked = {.mutex = PTHREAD_MUTEX_INITIALIZER, .fd = -1}};
    if (peer)
        state.locked.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    else
        state.inbox = inbox_new(SLOTS, 1u << 20);
    if (peer ? state.locked.fd < 0 : !state.inbox)
        micro_die("out of memory");
    round_of(&state, threads); /* warms up */
    for (unsigned i = 0; i < rounds; i++) {
        struct cost cost = round_of(&state, threads);

        cpu[i] = cost.cpu;
        wall[i] = cost.wall;
    }
    if (peer)
        close(state.locked.fd);
    inbox_free(state.inbox);

    return (struct figures){micro_summarise(cpu, rounds), micro_summarise(wall, rounds)};
}

/* One thread: what the operations cost without a contender. */
static void push_and_pop(void *context, uint64_t times)
{
    struct batch *batch = batch_new(0, 8);

    if (!batch)
        micro_die("out of memory");
    for (; times; times--)
        if (inbox_push_mpmc(context, INBOX_NORMAL, batch) || inbox_pop(context) != batch)
            micro_die("a batch did not come back");
    free(batch);
}

int main(int argc, char **argv)
{
    unsigned rounds = micro_rounds(argc, argv);
    struct inbox *inbox = inbox_new(SLOTS, 1u << 20);

    if (!inbox)
        micro_die("out of memory");
    micro_print_machine(rounds, "ns of CPU per batch");
    micro_print(micro_measure(push_and_pop, inbox, rounds), "push and pop, alone");
    inbox_free(inbox);
    for (unsigned threads = 1; threads <= THREADS_MAX; threads *= 2) {
        struct figures own = measure(false, threads, rounds);
        struct figures peer = measure(true, threads, rounds);
        const char *plural = threads > 1 ? "s" : "";

        micro_print(own.cpu, "CPU: %u thread%s push, one pops", threads, plural);
        micro_print_peer(peer.cpu, own.cpu, "CPU: the same with a mutex, %u", threads);
        micro_print(own.wall, "wall: %u thread%s push, one pops", threads, plural);
        micro_print_peer(peer.wall, own.wall, "wall: the same with a mutex, %u", threads);
    }
    return 0;
}
