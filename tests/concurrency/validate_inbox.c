/* A validator for the inbox: threads push batches into both queues as shards do, one thread pops
 * them and sleeps as a shard does, and everything that passes is counted, put in order and checked.
 * It fails, with a line that says how, where
 *
 *   - a batch is lost, comes twice or out of its producer's and queue's order, or changed a byte;
 *   - a batch of the normal queue comes before one of the critical queue that its producer had
 *     pushed before it;
 *   - the owner sleeps although there is something in the inbox: a wake-up was lost;
 *   - a push beyond the bounds passes, or what was taken out still counts against them at the end.
 *
 * First one producer, which waits until all is taken before it pushes again: so each push meets an
 * owner that is about to fall asleep, and no later one makes good for a wake-up that was lost. Then
 * several, as fast as they can.
 *
 *     validate_inbox [BATCHES [PRODUCERS]]     batches of each producer */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "shards/inbox.h"
#include "tests/unit/rng.h"

#define BATCHES_DEFAULT   100000
#define PRODUCERS_DEFAULT 3
#define PRODUCERS_MAX     64

#define SLOTS       64
#define BYTES_MAX   20000
#define PAYLOAD_MAX 3000 /* what a batch counts against BYTES_MAX at the most */
#define PARCELS_MAX 4    /* records of a batch */
#define FILLING_MAX 300  /* bytes behind a record */
#define BURST_MAX   16   /* batches of a turn */
#define SPINS_MAX   400  /* looks before falling asleep, or before pushing */
#define YIELD_EVERY 1000
#define WAKE_MS     20000 /* a wake-up that takes longer was lost */

/* A record: says who sent it and what came before. Its filling and checksum follow. */
struct parcel {
    struct record head;
    uint64_t checksum; /* of all behind it */
    uint64_t number;   /* of the batch, among its producer's in this queue */
    uint64_t critical; /* batches that its producer had pushed into the critical queue before */
    uint32_t producer;
    uint16_t queue;   /* enum inbox_queue */
    uint16_t place;   /* in its batch */
    uint32_t parcels; /* in its batch */
    uint32_t filling; /* bytes */
    uint8_t bytes[];
};

struct producer {
    /* immutable */
    uint32_t index;
    struct validator *validator;

    /* its thread's own */
    pthread_t thread;
    struct rng rng;
    uint64_t pushed[2]; /* by queue */
    uint64_t full;      /* pushes refused */

    /* the owner's */
    uint64_t popped[2];
};

struct validator {
    /* immutable while the threads run */
    struct inbox *inbox;
    uint64_t batches; /* of each producer */
    uint32_t producer_count;
    struct producer producers[PRODUCERS_MAX];

    /* the owner's */
    struct rng rng;
    uint64_t sleeps, largest_depth;

    _Alignas(64) atomic_uint_fast64_t popped; /* batches of all; the owner adds, anyone reads */
};

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("validate_inbox: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    _exit(1); /* the other threads are still at it */
}

static uint64_t parcel_checksum(const struct parcel *parcel)
{
    const uint8_t *from = (const uint8_t *)&parcel->number;

    return XXH3_64bits(from, (size_t)(parcel->bytes - from) + parcel->filling);
}

/* Producers */

/* `ahead` critical batches of the producer are to be pushed before it. */
static struct batch *make_batch(struct producer *producer, enum inbox_queue queue, uint32_t ahead)
{
    struct rng *rng = &producer->rng;
    struct batch *batch = batch_new(producer->index, 256);
    uint32_t parcels = 1 + (uint32_t)rng_below(rng, PARCELS_MAX);

    for (uint32_t i = 0; i < parcels; i++) {
        uint32_t filling = (uint32_t)rng_below(rng, FILLING_MAX);
        struct parcel *parcel =
            batch ? batch_add(&batch, RECORD_STATE, sizeof(*parcel), NULL, filling) : NULL;

        if (!parcel)
            fail("out of memory");
        parcel->number = producer->pushed[queue];
        parcel->critical = producer->pushed[INBOX_CRITICAL] + ahead;
        parcel->producer = producer->index;
        parcel->queue = (uint16_t)queue;
        parcel->place = (uint16_t)i;
        parcel->parcels = parcels;
        parcel->filling = filling;
        memset(parcel->bytes, (int)rng_next(rng), filling);
        parcel->checksum = parcel_checksum(parcel);
    }
    if (rng_once_in(rng, 2))
        batch->payload_bytes = (uint32_t)rng_below(rng, PAYLOAD_MAX);
    return batch;
}

/* Pushes, however long it takes. What was pushed before must not lie there unseen meanwhile. */
static void push(struct producer *producer, enum inbox_queue queue, struct batch *batch)
{
    struct inbox *inbox = producer->validator->inbox;

    while (inbox_push_mpmc(inbox, queue, batch)) {
        producer->full++;
        inbox_wake(inbox);
        sched_yield();
    }
    producer->pushed[queue]++;
}

static uint64_t pushed(const struct producer *producer)
{
    return producer->pushed[INBOX_CRITICAL] + producer->pushed[INBOX_NORMAL];
}

/* Until the owner has had time to take everything and to fall asleep, or a little less: the moment
 * at which it does is the one that matters. */
static void pause_a_little(struct producer *producer)
{
    struct timespec pause = {0, (long)rng_below(&producer->rng, 60000)};

    if (rng_once_in(&producer->rng, 2))
        sched_yield();
    else
        nanosleep(&pause, NULL);
}

/* Bursts, and batches alone, without regard to the owner. */
static void *produce(void *argument)
{
    struct producer *producer = argument;
    const struct validator *validator = producer->validator;
    struct rng *rng = &producer->rng;

    while (pushed(producer) < validator->batches) {
        uint64_t turn = rng_once_in(rng, 2) ? 1 : 1 + rng_below(rng, BURST_MAX);

        for (; turn && pushed(producer) < validator->batches; turn--) {
            enum inbox_queue queue = rng_once_in(rng, 3) ? INBOX_CRITICAL : INBOX_NORMAL;

            push(producer, queue, make_batch(producer, queue, 0));
        }
        inbox_wake(validator->inbox);
        if (rng_once_in(rng, 4))
            pause_a_little(producer);
    }
    return NULL;
}

/* Until the owner has taken everything, and a moment longer. */
static void wait_for_the_owner(struct producer *producer)
{
    const struct validator *validator = producer->validator;
    uint64_t spins = rng_below(&producer->rng, SPINS_MAX);

    for (unsigned looks = 1; atomic_load(&validator->popped) < pushed(producer); looks++)
        if (looks % YIELD_EVERY == 0) /* the owner has no core */
            sched_yield();
    while (spins--)
        atomic_signal_fence(memory_order_seq_cst); /* only so that the loop stays */
}

/* One batch, or a critical and a normal one right after it, whenever the owner has nothing. */
static void *produce_in_step(void *argument)
{
    struct producer *producer = argument;
    const struct validator *validator = producer->validator;

    while (pushed(producer) < validator->batches) {
        enum inbox_queue queue = rng_once_in(&producer->rng, 3) ? INBOX_CRITICAL : INBOX_NORMAL;
        bool pair = queue == INBOX_NORMAL && pushed(producer) + 1 < validator->batches;
        struct batch *batch = make_batch(producer, queue, pair);
        struct batch *first = pair ? make_batch(producer, INBOX_CRITICAL, 0) : NULL;

        wait_for_the_owner(producer);
        if (pair)
            push(producer, INBOX_CRITICAL, first);
        push(producer, queue, batch);
        inbox_wake(validator->inbox);
    }
    return NULL;
}

/* The owner */

static void check_parcel(struct validator *validator, const struct batch *batch,
                         const struct parcel *parcel, uint32_t place)
{
    struct producer *producer;

    if (parcel->producer >= validator->producer_count || parcel->producer != batch->source)
        fail("a batch of producer %u says that it is of %u", batch->source, parcel->producer);
    if (sizeof(*parcel) + parcel->filling > parcel->head.size ||
        parcel->checksum != parcel_checksum(parcel))
        fail("a batch of producer %u has changed", parcel->producer);
    if (parcel->place != place)
        fail("producer %u: record %u is where %u should be", parcel->producer, parcel->place,
             place);
    producer = &validator->producers[parcel->producer];
    if (parcel->number != producer->popped[parcel->queue])
        fail("producer %u, queue %u: batch %" PRIu64 " came, not %" PRIu64, parcel->producer,
             parcel->queue, parcel->number, producer->popped[parcel->queue]);
    if (parcel->critical > producer->popped[INBOX_CRITICAL])
        fail("producer %u: normal batch %" PRIu64 " overtook critical batch %" PRIu64,
             parcel->producer, parcel->number, producer->popped[INBOX_CRITICAL]);
}

static void take_batch(struct validator *validator, struct batch *batch)
{
    struct record *record = NULL;
    const struct parcel *parcel = NULL;
    uint32_t parcels = 0;

    while ((record = batch_next(batch, record))) {
        parcel = (const struct parcel *)record;
        check_parcel(validator, batch, parcel, parcels++);
    }
    if (!parcel || parcels != parcel->parcels)
        fail("a batch of producer %u has %u records", batch->source, parcels);
    validator->producers[parcel->producer].popped[parcel->queue]++;
    batch_discard(batch);
}

/* As a shard's loop: sleeps until the eventfd is readable. */
static void sleep_until_woken(struct validator *validator)
{
    struct pollfd fd = {.fd = inbox_fd(validator->inbox), .events = POLLIN};
    int ready;

    do
        ready = poll(&fd, 1, WAKE_MS);
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        fail("poll: %s", strerror(errno));
    if (!ready)
        fail("a wake-up was lost: the owner slept for %d s with %" PRIu64 " batches waiting",
             WAKE_MS / 1000, inbox_depth(validator->inbox));
    inbox_drain_wakeups(validator->inbox);
    inbox_awake(validator->inbox);
    validator->sleeps++;
}

/* The next batch. Sometimes it is looked for a while longer, so that a push meets the owner in the
 * middle of that, too. NULL: none is there. */
static struct batch *pop(struct validator *validator)
{
    uint64_t looks =
        rng_once_in(&validator->rng, 2) ? 1 : 1 + rng_below(&validator->rng, SPINS_MAX);
    struct batch *batch = NULL;

    while (!batch && looks--)
        batch = rng_once_in(&validator->rng, 8) ? inbox_pop_critical(validator->inbox)
                                                : inbox_pop(validator->inbox);
    return batch;
}

static void consume(struct validator *validator)
{
    uint64_t left = validator->batches * validator->producer_count;

    while (left) {
        struct batch *batch = pop(validator);
        uint64_t depth = inbox_depth(validator->inbox);

        if (depth > validator->largest_depth)
            validator->largest_depth = depth;
        if (batch) {
            take_batch(validator, batch);
            atomic_fetch_add(&validator->popped, 1);
            left--;
        } else if (inbox_sleep(validator->inbox)) {
            sleep_until_woken(validator);
        }
    }
}

/* All that was counted in has been counted out. */
static void check_end(struct validator *validator)
{
    struct inbox *inbox = validator->inbox;
    uint64_t full = 0;

    if (inbox_pop(inbox))
        fail("there is a batch too many");
    if (inbox_depth(inbox))
        fail("an empty inbox has a depth of %" PRIu64, inbox_depth(inbox));
    for (uint32_t i = 0; i < validator->producer_count; i++) {
        struct producer *producer = &validator->producers[i];

        full += producer->full;
        if (memcmp(producer->pushed, producer->popped, sizeof(producer->pushed)))
            fail("producer %u: not all that was pushed was popped", i);
    }
    if (full != inbox_full_count(inbox))
        fail("%" PRIu64 " pushes were refused, the inbox says %" PRIu64, full,
             inbox_full_count(inbox));
    /* The bound on messages is all there again: two batches fit that fill it, and not a byte
     * more. */
    for (uint32_t bytes = BYTES_MAX - 1, i = 0; i < 3; bytes = 1, i++) {
        struct batch *batch = batch_new(0, 64);

        if (!batch)
            fail("out of memory");
        batch->payload_bytes = bytes;
        if (!inbox_push_mpmc(inbox, INBOX_NORMAL, batch) != (i < 2))
            fail("the bound on messages has moved");
        if (i == 2)
            batch_discard(batch);
    }
}

static uint64_t argument(int argc, char **argv, int at, uint64_t otherwise, uint64_t max)
{
    char *end = NULL;
    uint64_t value = argc > at ? strtoull(argv[at], &end, 10) : otherwise;

    if (argc > 3 || value < 1 || value > max || (end && (*end || end == argv[at]))) {
        fprintf(stderr, "usage: validate_inbox [BATCHES [PRODUCERS]]\n");
        exit(2);
    }
    return value;
}

static double seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* One pass, from an empty inbox to an empty inbox. */
static void validate(const char *name, void *(*produce_how)(void *), uint64_t batches,
                     uint32_t producers)
{
    static struct validator validator;
    double from = seconds();

    memset(&validator, 0, sizeof(validator));
    validator.batches = batches;
    validator.producer_count = producers;
    validator.inbox = inbox_new(SLOTS, BYTES_MAX);
    if (!validator.inbox)
        fail("out of memory");
    for (uint32_t i = 0; i < producers; i++) {
        struct producer *producer = &validator.producers[i];

        producer->index = i;
        producer->validator = &validator;
        producer->rng.state = i + 1;
        if (pthread_create(&producer->thread, NULL, produce_how, producer))
            fail("no thread can be had");
    }
    consume(&validator);
    for (uint32_t i = 0; i < producers; i++)
        pthread_join(validator.producers[i].thread, NULL);
    printf("%s: %u x %" PRIu64 " batches in %.2f s, %" PRIu64 " sleeps, %" PRIu64
           " pushes refused, at most %" PRIu64 " waiting\n",
           name, producers, batches, seconds() - from, validator.sleeps,
           inbox_full_count(validator.inbox), validator.largest_depth);
    if (!validator.sleeps)
        fail("the owner never slept: nothing was shown about wake-ups");
    check_end(&validator);
    inbox_free(validator.inbox);
}

int main(int argc, char **argv)
{
    uint64_t batches = argument(argc, argv, 1, BATCHES_DEFAULT, UINT32_MAX);
    uint32_t producers = (uint32_t)argument(argc, argv, 2, PRODUCERS_DEFAULT, PRODUCERS_MAX);

    validate("in step", produce_in_step, batches, 1);
    validate("all at once", produce, batches, producers);
    return 0;
}
