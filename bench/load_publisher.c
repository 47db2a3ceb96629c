#define _GNU_SOURCE
#include "bench/load_publisher.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_thread.h"

#define BATCH_BYTES 65536           /* one write takes at most this, or one burst */
#define SPIN_NS     50000           /* a sleep ends this much early: timers are not exact */
#define LATE_MAX_NS (NS_PER_S / 10) /* by how much a schedule may overrun its end */

struct publisher {
    struct pool *pool;
    struct producer *producer;
    uint64_t *sequences; /* last sent, by group */
    uint64_t sequence_everyone;
    uint8_t *batch;
    size_t batch_size;

    struct recorder *recorder; /* NULL: nothing is written down */

    struct schedule schedule;
    struct publish_result result;
    uint64_t base;    /* the pool's progress when the schedule began */
    uint64_t free_ns; /* when the server last let go on after it had held up */
    uint32_t turn;    /* which group is next, from schedule.first */
    pthread_t thread;
    bool running;
    atomic_bool done;
    atomic_bool stop;
    _Atomic uint64_t sent;
};

struct publisher *publisher_new(struct pool *pool, struct producer *producer)
{
    struct publisher *publisher = calloc(1, sizeof(*publisher));

    if (!publisher)
        return NULL;
    publisher->pool = pool;
    publisher->producer = producer;
    publisher->batch_size = BATCH_BYTES + producer_message_max(producer);
    publisher->batch = malloc(publisher->batch_size);
    publisher->sequences = calloc(pool->config.groups->count, sizeof(*publisher->sequences));
    if (!publisher->batch || !publisher->sequences) {
        publisher_free(publisher);
        return NULL;
    }
    return publisher;
}

void publisher_free(struct publisher *publisher)
{
    if (!publisher)
        return;
    if (publisher->running)
        publisher_end(publisher);
    free(publisher->batch);
    free(publisher->sequences);
    free(publisher);
}

static size_t encode_next(struct publisher *publisher, uint8_t *out, uint64_t intended_ns)
{
    const struct schedule *schedule = &publisher->schedule;
    struct stamp stamp = {.group = STAMP_EVERYONE,
                          .run = publisher->pool->config.run,
                          .phase = (uint16_t)schedule->phase,
                          .intended_ns = intended_ns};
    size_t size;

    if (schedule->groups == 0) {
        stamp.sequence = ++publisher->sequence_everyone;
    } else {
        stamp.group = schedule->first + publisher->turn;
        stamp.sequence = ++publisher->sequences[stamp.group];
        if (++publisher->turn == schedule->groups)
            publisher->turn = 0;
        publisher->free_ns = 0;
    }
    size = producer_encode(publisher->producer, out, &stamp);
    if (publisher->recorder && schedule->phase == PHASE_MEASURE)
        recorder_add(publisher->recorder, intended_ns - publisher->result.began_ns, out, size);
    return size;
}

/* Waits until `more` messages fit into the window. False: they did not until `deadline`, or the
 * connection broke. */
static bool wait_window(struct publisher *publisher, uint64_t more, uint64_t deadline)
{
    struct pool *pool = publisher->pool;
    uint64_t ahead = publisher->result.sent + more, since, ignored;
    uint64_t target;
    bool fits;

    if (!publisher->schedule.window || ahead <= publisher->schedule.window)
        return true;
    target = publisher->base + ahead - publisher->schedule.window;
    if (pool_progress(pool) >= target)
        return true;
    since = monotonic_ns();
    for (;;) {
        struct pollfd wait[2] = {{.fd = pool->publisher_fd, .events = POLLIN},
                                 {.fd = producer_fd(publisher->producer), .events = POLLIN}};

        atomic_store(&pool->wanted, target);
        fits = pool_progress(pool) >= target;
        if (fits || monotonic_ns() >= deadline)
            break;
        (void)poll(wait, 2, 10);
        if (wait[0].revents)
            (void)!read(pool->publisher_fd, &ignored, sizeof(ignored));
        if (wait[1].revents && producer_answers(publisher->producer) < 0)
            break;
    }
    atomic_store(&pool->wanted, 0);
    publisher->free_ns = monotonic_ns();
    publisher->result.windowed_ns += publisher->free_ns - since;
    return fits;
}

static int send_batch(struct publisher *publisher, size_t size, uint64_t messages)
{
    struct publish_result *result = &publisher->result;
    uint64_t blocked = result->blocked_ns;

    if (producer_send(publisher->producer, publisher->batch, size, &result->blocked_ns) < 0) {
        result->failed = true;
        return -1;
    }
    result->sent += messages;
    result->ended_ns = monotonic_ns();
    if (result->blocked_ns > blocked)
        publisher->free_ns = result->ended_ns;
    atomic_store_explicit(&publisher->sent, result->sent, memory_order_relaxed);
    return 0;
}

/* Sleeps short of `when` and spins the rest: what is late here would be charged to the server. */
static void wait_until(uint64_t when)
{
    uint64_t now = monotonic_ns();

    if (when > now + SPIN_NS)
        sleep_until_ns(when - SPIN_NS);
    while (monotonic_ns() < when)
        ;
}

static bool stopped(const struct publisher *publisher)
{
    return atomic_load_explicit(&publisher->stop, memory_order_relaxed);
}

/* All that is due goes out in one write, up to a batch. */
static void run_open_loop(struct publisher *publisher)
{
    const struct schedule *schedule = &publisher->schedule;
    struct publish_result *result = &publisher->result;
    double interval = 1e9 * schedule->burst / schedule->rate;
    uint64_t deadline = result->began_ns + (uint64_t)(schedule->seconds * 1e9);
    uint64_t queued = 0;

    while (queued < result->due) {
        uint64_t due = result->began_ns + (uint64_t)(interval * (double)(queued / schedule->burst));
        uint64_t now, batch = 0;
        size_t size = 0;

        wait_until(due);
        now = monotonic_ns();
        if (stopped(publisher) || now > deadline + LATE_MAX_NS ||
            !wait_window(publisher, schedule->burst, deadline + LATE_MAX_NS))
            break;
        /* While the server holds up, lateness is not this side's fault. */
        now = monotonic_ns();
        latency_add(&result->lag, now - (due > publisher->free_ns ? due : publisher->free_ns));
        do {
            size += encode_next(publisher, publisher->batch + size, due);
            batch++;
            if (++queued % schedule->burst == 0)
                due = result->began_ns + (uint64_t)(interval * (double)(queued / schedule->burst));
        } while (queued < result->due && size < BATCH_BYTES &&
                 (queued % schedule->burst != 0 || due <= now));
        if (send_batch(publisher, size, batch) < 0)
            break;
    }
}

/* A quarter of the window at a time: enough for one write to carry many, and for the next to be on
 * its way before the members have run dry. */
static void run_flat_out(struct publisher *publisher)
{
    const struct schedule *schedule = &publisher->schedule;
    struct publish_result *result = &publisher->result;
    uint64_t deadline = result->began_ns + (uint64_t)(schedule->seconds * 1e9);
    uint64_t chunk = schedule->window ? (schedule->window + 3) / 4 : UINT64_MAX;

    while (!result->due || result->sent < result->due) {
        uint64_t now, batch = 0;
        size_t size = 0;

        if (!wait_window(publisher, chunk == UINT64_MAX ? 0 : chunk, deadline))
            break;
        now = monotonic_ns();
        if (stopped(publisher) || now >= deadline)
            break;
        while (batch < chunk && size < BATCH_BYTES &&
               (!result->due || result->sent + batch < result->due)) {
            size += encode_next(publisher, publisher->batch + size, now);
            batch++;
        }
        if (send_batch(publisher, size, batch) < 0)
            break;
    }
}

/* Commands as they were recorded; all that are due go out in one write, up to a batch. */
static void run_replay(struct publisher *publisher)
{
    const struct recording *recording = publisher->schedule.recording;
    struct expected *expected = publisher->schedule.expected;
    struct publish_result *result = &publisher->result;
    size_t next = 0;

    atomic_store_explicit(&expected->began_ns, result->began_ns, memory_order_relaxed);
    while (next < recording->count) {
        const struct recording_entry *entry = &recording->entries[next];
        uint64_t due = result->began_ns + (uint64_t)((double)entry->ns / expected->speed);
        uint64_t now, batch = 0;
        size_t size = 0;

        wait_until(due);
        now = monotonic_ns();
        latency_add(&result->lag, now - (due > publisher->free_ns ? due : publisher->free_ns));
        do {
            memcpy(publisher->batch + size, entry->command, entry->size);
            size += entry->size;
            batch++;
            entry = &recording->entries[++next];
            if (next < recording->count)
                due = result->began_ns + (uint64_t)((double)entry->ns / expected->speed);
        } while (next < recording->count && due <= now && size < BATCH_BYTES);
        if (send_batch(publisher, size, batch) < 0)
            break;
    }
}

static void *publisher_main(void *arg)
{
    struct publisher *publisher = arg;
    struct publish_result *result = &publisher->result;

    /* It has little to do, but on time. */
    if (publisher->pool->config.urgent)
        thread_goes_first();
    else
        thread_hurries();
    (void)prctl(PR_SET_TIMERSLACK, 1000ul);
    result->began_ns = monotonic_ns() + NS_PER_MS;
    if (publisher->schedule.recording) {
        run_replay(publisher);
    } else if (publisher->schedule.rate > 0) {
        run_open_loop(publisher);
    } else {
        wait_until(result->began_ns);
        run_flat_out(publisher);
    }
    if (producer_answers(publisher->producer) < 0)
        result->failed = true;
    result->cpu_ns = thread_cpu_ns();
    atomic_store_explicit(&publisher->done, true, memory_order_release);
    return NULL;
}

void publisher_record(struct publisher *publisher, struct recorder *recorder)
{
    publisher->recorder = recorder;
}

int publisher_begin(struct publisher *publisher, const struct schedule *schedule)
{
    publisher->schedule = *schedule;
    if (publisher->schedule.burst == 0)
        publisher->schedule.burst = 1;
    memset(&publisher->result, 0, sizeof(publisher->result));
    publisher->result.due = schedule->messages;
    if (schedule->recording)
        publisher->result.due = schedule->recording->count;
    else if (!schedule->messages && schedule->rate > 0)
        publisher->result.due = (uint64_t)(schedule->rate * schedule->seconds + 0.5);
    publisher->base = pool_progress(publisher->pool);
    publisher->turn = 0;
    atomic_store(&publisher->done, false);
    atomic_store(&publisher->stop, false);
    atomic_store(&publisher->sent, 0);
    if (pthread_create(&publisher->thread, NULL, publisher_main, publisher) != 0) {
        perror("shardcast-load: thread");
        return -1;
    }
    publisher->running = true;
    return 0;
}

bool publisher_done(const struct publisher *publisher)
{
    return atomic_load_explicit(&publisher->done, memory_order_acquire);
}

uint64_t publisher_sent(const struct publisher *publisher)
{
    return atomic_load_explicit(&publisher->sent, memory_order_relaxed);
}

void publisher_stop(struct publisher *publisher)
{
    atomic_store_explicit(&publisher->stop, true, memory_order_relaxed);
}

const struct publish_result *publisher_end(struct publisher *publisher)
{
    pthread_join(publisher->thread, NULL);
    publisher->running = false;
    return &publisher->result;
}

const uint64_t *publisher_sequences(const struct publisher *publisher)
{
    return publisher->sequences;
}

uint64_t publisher_sequence_everyone(const struct publisher *publisher)
{
    return publisher->sequence_everyone;
}
