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
#define BATCHES     60000 /* of a round, all threads together */
#define TURN        8     /* batches of a turn: one look whether to wake */

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

struct state {
    struct inbox *inbox; /* NULL: the peer */
    struct locked locked;
    uint64_t each; /* batches of each thread */
    atomic_bool go;
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

/* The batch is empty and nobody changes it, so that one serves for all pushes of a thread. */
static void push(struct state *state, struct batch *batch)
{
    while (state->inbox ? inbox_push_mpmc(state->inbox, INBOX_NORMAL, batch) != 0
                        : !locked_push(&state->locked, batch)) {
        wake(state);
        sched_yield();
    }
}

static void *produce(void *context)
{
    struct state *state = context;
    struct batch *batch = batch_new(0, 8);

    if (!batch)
        micro_die("out of memory");
    while (!atomic_load(&state->go))
        sched_yield();
    for (uint64_t i = 1; i <= state->each; i++) {
        push(state, batch);
        if (i % TURN == 0 || i == state->each)
            wake(state);
    }
    return batch;
}

static void consume(struct state *state, uint64_t batches)
{
    struct pollfd fd = {.events = POLLIN};

    fd.fd = state->inbox ? inbox_fd(state->inbox) : state->locked.fd;
    while (batches) {
        eventfd_t count;

        if (state->inbox ? inbox_pop(state->inbox) : locked_pop(&state->locked)) {
            batches--;
        } else if (state->inbox ? inbox_sleep(state->inbox) : locked_sleep(&state->locked)) {
            poll(&fd, 1, -1);
            eventfd_read(fd.fd, &count);
            if (state->inbox)
                inbox_awake(state->inbox);
        }
    }
}

static struct cost round_of(struct state *state, unsigned threads)
{
    pthread_t ids[THREADS_MAX];

    state->each = BATCHES / threads;
    atomic_store(&state->go, false);
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, produce, state))
            micro_die("no thread can be had");
    double wall = micro_now(), cpu = micro_cpu();
    atomic_store(&state->go, true);
    consume(state, state->each * threads);
    wall = micro_now() - wall;
    for (unsigned i = 0; i < threads; i++) {
        void *batch;

        pthread_join(ids[i], &batch);
        free(batch);
    }
    cpu = micro_cpu() - cpu;

    double batches = (double)(state->each * threads);
    return (struct cost){cpu / batches, wall / batches};
}

/* Prints both figures. Returns the median of CPU time. */
static double measure(bool peer, unsigned threads, unsigned rounds)
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

    struct micro_figure figure = micro_summarise(cpu, rounds);
    micro_print(figure);
    printf("  wall");
    micro_print(micro_summarise(wall, rounds));
    return figure.median;
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
    printf("alone: push and pop");
    micro_print(micro_measure(push_and_pop, inbox, rounds));
    printf("\n");
    inbox_free(inbox);
    for (unsigned threads = 1; threads <= THREADS_MAX; threads *= 2) {
        printf("%u threads push: inbox", threads);
        double own = measure(false, threads, rounds);
        printf("  mutex");
        double peer = measure(true, threads, rounds);
        printf("  ratio %.2f\n", own / peer);
    }
    return 0;
}
