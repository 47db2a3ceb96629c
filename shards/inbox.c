#include "shards/inbox.h"

#include <assert.h>
#include <ck_ring.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SPINS_MAX 128 /* more than a producer that has its core takes from reserve to commit */

struct queue {
    ck_ring_t ring;
    ck_ring_buffer_t *slots;
    _Alignas(64) atomic_uint_fast64_t bytes; /* of messages in it */
};

struct inbox {
    /* immutable */
    int fd;
    uint64_t bytes_max;

    /* the owner's own */
    struct batch *held; /* popped from the normal queue, waits for what is critical before it */

    /* shared: written by senders and owner */
    _Alignas(64) atomic_uint_fast64_t full; /* pushes refused */
    _Alignas(64) atomic_bool sleeping;
    _Alignas(64) struct queue queues[2];
};

_Static_assert(offsetof(struct inbox, sleeping) - offsetof(struct inbox, full) >= 64,
               "each shared field has a cache line of its own");

struct inbox *inbox_new(uint32_t slots, uint64_t bytes_max)
{
    struct inbox *inbox = aligned_alloc(64, (sizeof(*inbox) + 63) & ~(size_t)63);

    if (!inbox)
        return NULL;
    inbox->held = NULL;
    inbox->bytes_max = bytes_max;
    atomic_init(&inbox->full, 0);
    atomic_init(&inbox->sleeping, false);
    inbox->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        inbox->queues[i].slots = calloc(slots, sizeof(ck_ring_buffer_t));
        ck_ring_init(&inbox->queues[i].ring, slots);
        atomic_init(&inbox->queues[i].bytes, 0);
    }
    if (inbox->fd < 0 || !inbox->queues[0].slots || !inbox->queues[1].slots) {
        inbox_free(inbox);
        return NULL;
    }
    return inbox;
}

void inbox_free(struct inbox *inbox)
{
    struct batch *batch;

    if (!inbox)
        return;
    if (inbox->queues[0].slots && inbox->queues[1].slots)
        while ((batch = inbox_pop(inbox)))
            batch_discard(batch);
    for (int i = 0; i < 2; i++)
        free(inbox->queues[i].slots);
    if (inbox->fd >= 0)
        close(inbox->fd);
    free(inbox);
}

/* ThreadSanitizer does not see ck's barriers, which are inline assembly: these two say to it what
 * the ring's release and acquire order, namely the batch's bytes. */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define RING_RELEASE(queue) __tsan_release(queue)
#define RING_ACQUIRE(queue) __tsan_acquire(queue)
#else
#define RING_RELEASE(queue) (void)(queue)
#define RING_ACQUIRE(queue) (void)(queue)
#endif

/* Waits for another producer: it needs a moment, or else its core, which is then given to it. */
static void wait_a_little(unsigned *spins)
{
    if (++*spins % SPINS_MAX)
        ck_pr_stall();
    else
        sched_yield();
}

/* Producers commit in the order in which they reserved, so one that loses its core between the two
 * holds up all behind it, and those that wait lose theirs in turn: with more threads than cores
 * that does not end by itself. So nobody queues up behind one that is between the two; only those
 * that come at the very same time, never more than there are cores, wait for each other. */
static bool queue_push(struct queue *queue, struct batch *batch)
{
    const ck_ring_t *ring = &queue->ring;
    unsigned ticket, spins = 0;
    void **slot;

    while (ck_pr_load_uint(&ring->p_head) != ck_pr_load_uint(&ring->p_tail))
        wait_a_little(&spins);
    slot = ck_ring_enqueue_reserve_mpmc(&queue->ring, queue->slots, &ticket);
    if (!slot)
        return false;
    ck_pr_store_ptr(slot, (void *)batch);
    RING_RELEASE(queue);
    while (ck_pr_load_uint(&ring->p_tail) != ticket)
        wait_a_little(&spins);
    ck_ring_enqueue_commit_mpmc(&queue->ring, ticket);
    return true;
}

static struct batch *queue_pop(struct queue *queue)
{
    void *batch;

    if (!ck_ring_dequeue_mpmc(&queue->ring, queue->slots, &batch))
        return NULL;
    RING_ACQUIRE(queue);
    uint32_t bytes = ((struct batch *)batch)->payload_bytes;
    if (bytes)
        atomic_fetch_sub_explicit(&queue->bytes, bytes, memory_order_relaxed);
    return batch;
}

static int inbox_refuse(struct inbox *inbox, struct queue *queue, uint32_t bytes)
{
    atomic_fetch_sub_explicit(&queue->bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&inbox->full, 1, memory_order_relaxed);
    return ERR_FULL;
}

int inbox_push_mpmc(struct inbox *inbox, enum inbox_queue which, struct batch *batch)
{
    struct queue *queue = &inbox->queues[which];
    uint32_t bytes = batch->payload_bytes;

    /* Relaxed: a bound on memory, nothing is ordered by it. A batch larger than the bound passes
     * when nothing else is under way. */
    if (bytes) {
        uint64_t before = atomic_fetch_add_explicit(&queue->bytes, bytes, memory_order_relaxed);
        if (before && before + bytes > inbox->bytes_max)
            return inbox_refuse(inbox, queue, bytes);
    }
    if (!queue_push(queue, batch))
        return inbox_refuse(inbox, queue, bytes);
    return 0;
}

void inbox_wake(struct inbox *inbox)
{
    /* Partner: the fence in inbox_sleep(). Either this thread sees `sleeping`, or the owner sees
     * the batch: the enqueue is ordered before the look at the flag. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&inbox->sleeping, memory_order_relaxed) &&
        atomic_exchange_explicit(&inbox->sleeping, false, memory_order_relaxed)) {
        uint64_t one = 1;
        ssize_t written = write(inbox->fd, &one, sizeof(one));

        (void)written; /* EAGAIN: the counter is full, the owner is awake in any case */
    }
}

static bool queue_empty(const struct queue *queue)
{
    return ck_ring_size(&queue->ring) == 0;
}

struct batch *inbox_pop_critical(struct inbox *inbox)
{
    return queue_pop(&inbox->queues[INBOX_CRITICAL]);
}

bool inbox_has_critical(const struct inbox *inbox)
{
    return !queue_empty(&inbox->queues[INBOX_CRITICAL]);
}

struct batch *inbox_pop(struct inbox *inbox)
{
    struct batch *batch = queue_pop(&inbox->queues[INBOX_CRITICAL]);

    if (!batch && !inbox->held) {
        inbox->held = queue_pop(&inbox->queues[INBOX_NORMAL]);
        /* Whoever pushed this one pushed what is critical first: it is visible by now. */
        if (inbox->held)
            batch = queue_pop(&inbox->queues[INBOX_CRITICAL]);
    }
    if (!batch) {
        batch = inbox->held;
        inbox->held = NULL;
    }
    return batch;
}

bool inbox_sleep(struct inbox *inbox)
{
    atomic_store_explicit(&inbox->sleeping, true, memory_order_relaxed);
    /* Partner: the fence in inbox_wake(). The flag is ordered before the look at the queues. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!inbox->held && queue_empty(&inbox->queues[0]) && queue_empty(&inbox->queues[1]))
        return true;
    atomic_store_explicit(&inbox->sleeping, false, memory_order_relaxed);
    return false;
}

void inbox_awake(struct inbox *inbox)
{
    atomic_store_explicit(&inbox->sleeping, false, memory_order_relaxed);
}

void inbox_drain_wakeups(struct inbox *inbox)
{
    uint64_t count;
    ssize_t got = read(inbox->fd, &count, sizeof(count));
    (void)got; /* EAGAIN: nobody wrote it */
}

int inbox_fd(const struct inbox *inbox)
{
    return inbox->fd;
}

uint64_t inbox_depth(const struct inbox *inbox)
{
    return ck_ring_size(&inbox->queues[0].ring) + ck_ring_size(&inbox->queues[1].ring);
}

uint64_t inbox_full_count(const struct inbox *inbox)
{
    return atomic_load_explicit(&inbox->full, memory_order_relaxed);
}
