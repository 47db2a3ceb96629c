#define _GNU_SOURCE
#include "bench/load_pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/load_clock.h"

#define BUFFER_MIN         (256 * 1024)
#define FRAME_OVERHEAD     16
#define FILES_SPARE        200  /* of the limit: what is open besides members */
#define MEMBERS_PER_SOURCE 4000 /* of 28,000 ports that Linux has for one local address */
#define WATCHED            64   /* members per worker that the window looks at */

/* How many members one worker can hold: the limit on open files, raised as far as it may be. */
static uint32_t files_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024 - FILES_SPARE;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur <= 2 * FILES_SPARE)
        return FILES_SPARE;
    return (uint32_t)(limit.rlim_cur > 1000000 ? 1000000 : limit.rlim_cur) - FILES_SPARE;
}

/* Worker i has the members i, i + n, i + 2n, …, so that every worker has some of each group. */
static int worker_init(struct worker *worker, struct pool *pool, unsigned index)
{
    const struct pool_config *config = &pool->config;

    worker->pool = pool;
    worker->index = index;
    worker->epoll_fd = -1;
    worker->tally.run = config->run;
    worker->tally.dialect = config->protocols.dialects[index % config->protocols.count];
    worker->member_count =
        config->members / pool->worker_count + (index < config->members % pool->worker_count);
    worker->sample_stride = worker->member_count / WATCHED + 1;
    worker->buffer_size = BUFFER_MIN;
    if (worker->buffer_size < 2 * (config->payload + FRAME_OVERHEAD))
        worker->buffer_size = 2 * (config->payload + FRAME_OVERHEAD);
    worker->buffer = malloc(worker->buffer_size);
    worker->members = calloc(worker->member_count + 1, sizeof(*worker->members));
    if (!worker->buffer || !worker->members)
        return -1;
    worker->tally.members = worker->members;
    if (config->recovers) {
        worker->tally.positions = calloc(worker->member_count + 1, sizeof(struct dialect_position));
        if (!worker->tally.positions)
            return -1;
    }
    for (uint32_t i = 0; i < worker->member_count; i++) {
        worker->members[i].fd = -1;
        worker->members[i].group =
            groups_of_member(config->groups, worker_member_number(worker, i));
    }
    return 0;
}

static void pool_free(struct pool *pool)
{
    for (unsigned i = 0; pool->workers && i < pool->worker_count; i++) {
        free(pool->workers[i].members);
        free(pool->workers[i].tally.positions);
        free(pool->workers[i].buffer);
        if (pool->workers[i].wake_fd >= 0)
            close(pool->workers[i].wake_fd);
    }
    if (pool->publisher_fd >= 0)
        close(pool->publisher_fd);
    free(pool->workers);
    free(pool);
}

/* Every eventfd is made before the first thread: a worker leaves the common file table at once, and
 * then only what was open before has the same number in all. */
static int make_workers(struct pool *pool)
{
    pool->workers = aligned_alloc(64, pool->worker_count * sizeof(*pool->workers));
    if (!pool->workers)
        return -1;
    memset(pool->workers, 0, pool->worker_count * sizeof(*pool->workers));
    for (unsigned i = 0; i < pool->worker_count; i++)
        pool->workers[i].wake_fd = -1;
    for (unsigned i = 0; i < pool->worker_count; i++) {
        pool->workers[i].wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (pool->workers[i].wake_fd < 0 || worker_init(&pool->workers[i], pool, i) < 0)
            return -1;
    }
    pool->publisher_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return pool->publisher_fd < 0 ? -1 : 0;
}

static void nothing(struct worker *worker, void *arg)
{
}

struct pool *pool_start(const struct pool_config *config)
{
    struct pool *pool = aligned_alloc(64, (sizeof(*pool) + 63) / 64 * 64);
    uint32_t per_worker = files_limit();

    if (!pool)
        goto fail;
    memset(pool, 0, sizeof(*pool));
    pool->config = *config;
    pool->publisher_fd = -1;
    pool->worker_count = (config->members + per_worker - 1) / per_worker;
    if (pool->worker_count < config->threads)
        pool->worker_count = config->threads;
    if (pool->worker_count == 0)
        pool->worker_count = 1;
    while (pool->worker_count % config->protocols.count)
        pool->worker_count++;
    if (!pool->config.sources)
        pool->config.sources = (config->members + MEMBERS_PER_SOURCE - 1) / MEMBERS_PER_SOURCE;
    /* Only loopback has as many addresses as one likes. */
    if (ntohl(config->server.sin_addr.s_addr) >> 24 != 127)
        pool->config.sources = 1;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->done, NULL);
    if (make_workers(pool) < 0)
        goto fail;
    for (unsigned i = 0; i < pool->worker_count; i++) {
        int error = pthread_create(&pool->workers[i].thread, NULL, worker_main, &pool->workers[i]);

        if (error) {
            /* The threads that run already use the pool: there is no way back. */
            fprintf(stderr, "shardcast-load: thread: %s\n", strerror(error));
            exit(1);
        }
    }
    pool_each(pool, nothing, NULL);
    return pool;
fail:
    perror("shardcast-load: workers");
    if (pool)
        pool_free(pool);
    return NULL;
}

static void stop_worker(struct worker *worker, void *arg)
{
    worker->stop = true;
}

void pool_stop(struct pool *pool)
{
    if (!pool)
        return;
    pool_each(pool, stop_worker, NULL);
    for (unsigned i = 0; i < pool->worker_count; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    pool_free(pool);
}

void pool_each(struct pool *pool, pool_job job, void *arg)
{
    uint64_t one = 1;

    pthread_mutex_lock(&pool->lock);
    pool->job = job;
    pool->job_arg = arg;
    pool->job_pending = pool->worker_count;
    for (unsigned i = 0; i < pool->worker_count; i++)
        (void)!write(pool->workers[i].wake_fd, &one, sizeof(one));
    while (pool->job_pending > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

static void begin_connecting(struct worker *worker, void *arg)
{
    uint32_t limit = *(const uint32_t *)arg / worker->pool->worker_count;

    worker_connect(worker, limit ? limit : 1);
}

void pool_connect(struct pool *pool, uint32_t in_flight)
{
    pool_each(pool, begin_connecting, &in_flight);
}

static void cut(struct worker *worker, void *arg)
{
    worker_cut(worker);
}

void pool_cut(struct pool *pool)
{
    pool_each(pool, cut, NULL);
}

struct pool_count pool_count(const struct pool *pool)
{
    struct pool_count count = {0};

    for (unsigned i = 0; i < pool->worker_count; i++) {
        const struct worker *worker = &pool->workers[i];

        count.delivered += atomic_load_explicit(&worker->shared.delivered, memory_order_relaxed);
        count.heard += atomic_load_explicit(&worker->shared.heard, memory_order_relaxed);
        count.open += atomic_load_explicit(&worker->shared.open, memory_order_relaxed);
        count.failed += atomic_load_explicit(&worker->shared.failed, memory_order_relaxed);
    }
    return count;
}

uint64_t pool_progress(const struct pool *pool)
{
    uint64_t least = UINT64_MAX, sum = 0;

    for (unsigned i = 0; i < pool->worker_count; i++) {
        const struct worker *worker = &pool->workers[i];
        uint64_t slowest = atomic_load(&worker->shared.slowest);

        sum += atomic_load(&worker->shared.delivered);
        if (worker->member_count && slowest < least)
            least = slowest;
    }
    if (pool->config.groups->count == 1)
        return least == UINT64_MAX ? 0 : least;
    return pool->config.members ? sum * pool->config.groups->count / pool->config.members : 0;
}

void pool_progressed(struct pool *pool)
{
    uint64_t wanted = atomic_load(&pool->wanted), one = 1;

    if (wanted && pool_progress(pool) >= wanted &&
        atomic_compare_exchange_strong(&pool->wanted, &wanted, 0))
        (void)!write(pool->publisher_fd, &one, sizeof(one));
}

struct collect {
    const uint64_t *last;
    uint64_t last_everyone;
    struct pool_sum *sum;
    uint64_t *received;
};

static void collect(struct worker *worker, void *arg)
{
    struct collect *job = arg;
    struct pool_sum *sum = job->sum;
    const struct tally *tally = &worker->tally;
    uint64_t missing, lost = 0, behind = 0;

    for (uint32_t i = 0; i < worker->member_count; i++) {
        const struct member *member = &worker->members[i];

        missing = stream_missing(&member->own, job->last[member->group]) +
                  stream_missing(&member->everyone, job->last_everyone);
        lost += missing;
        behind += missing > 0;
    }
    /* One worker at a time: the sums are the caller's. */
    pthread_mutex_lock(&worker->pool->lock);
    for (uint32_t i = 0; job->received && i < worker->member_count; i++)
        job->received[worker->members[i].group] += worker->members[i].received;
    sum->behind += behind;
    sum->tally.delivered += tally->delivered;
    sum->tally.bytes += tally->bytes;
    sum->tally.heard += tally->heard;
    sum->tally.replayed += tally->replayed;
    faults_merge(&sum->tally.faults, &tally->faults);
    sum->tally.faults.lost += lost;
    if (!sum->tally.close_code)
        sum->tally.close_code = tally->close_code;
    latency_merge(&sum->tally.latency, &tally->latency);
    if (!sum->failure[0])
        memcpy(sum->failure, worker->failure, sizeof(sum->failure));
    pthread_mutex_unlock(&worker->pool->lock);
}

void pool_collect(struct pool *pool, const uint64_t *last, uint64_t last_everyone,
                  struct pool_sum *sum, uint64_t *received)
{
    struct collect job = {last, last_everyone, sum, received};

    memset(sum, 0, sizeof(*sum));
    if (received)
        memset(received, 0, pool->config.groups->count * sizeof(*received));
    pool_each(pool, collect, &job);
}

static void reset_latency(struct worker *worker, void *arg)
{
    latency_reset(&worker->tally.latency);
}

void pool_reset_latency(struct pool *pool)
{
    pool_each(pool, reset_latency, NULL);
}

void pool_cpu(const struct pool *pool, uint64_t *cpu_ns, unsigned count)
{
    for (unsigned i = 0; i < count && i < pool->worker_count; i++) {
        clockid_t clock;

        cpu_ns[i] =
            pthread_getcpuclockid(pool->workers[i].thread, &clock) == 0 ? clock_ns(clock) : 0;
    }
}
