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

static int init_rules(struct worker *worker, const struct pool_config *config)
{
    struct member_rules *rules = &worker->rules;

    rules->dialect = config->protocols.dialects[worker->index % config->protocols.count];
    rules->run = config->run;
    rules->mix = config->mix;
    rules->members = worker->members;
    if (config->recovers) {
        rules->seen = calloc(worker->member_count + 1, sizeof(*rules->seen));
        if (!rules->seen)
            return -1;
    }
    if (config->hello) {
        rules->more = calloc(worker->member_count + 1, sizeof(*rules->more));
        rules->positions = calloc(config->groups->count, sizeof(*rules->positions));
        if (!rules->more || !rules->positions)
            return -1;
    }
    if (config->expected) {
        rules->expected = config->expected;
        rules->taken = calloc(worker->member_count + 1, sizeof(*rules->taken));
        if (!rules->taken)
            return -1;
    }
    worker->tally.rules = rules;
    return 0;
}

/* Worker i has the members i, i + n, i + 2n, …, so that every worker has some of each group. */
static int worker_init(struct worker *worker, struct pool *pool, unsigned index)
{
    const struct pool_config *config = &pool->config;
    const struct groups *groups = config->groups;

    worker->pool = pool;
    worker->index = index;
    worker->epoll_fd = -1;
    worker->member_count =
        config->members / pool->worker_count + (index < config->members % pool->worker_count);
    worker->sample_stride = worker->member_count / WATCHED + 1;
    worker->buffer_size = BUFFER_MIN;
    if (worker->buffer_size < 2 * (config->payload + FRAME_OVERHEAD))
        worker->buffer_size = 2 * (config->payload + FRAME_OVERHEAD);
    worker->buffer = malloc(worker->buffer_size);
    worker->members = calloc(worker->member_count + 1, sizeof(*worker->members));
    if (!worker->buffer || !worker->members || init_rules(worker, config) < 0)
        return -1;
    for (uint32_t i = 0; i < worker->member_count; i++) {
        struct member *member = &worker->members[i];
        uint32_t number = worker_member_number(worker, i);

        member->fd = -1;
        member->group = groups_of_member(groups, number);
        member_reset(member, &worker->rules);
        member->slow = number - groups->first[member->group] < config->slow;
    }
    return slow_init(worker);
}

static void worker_free(struct worker *worker)
{
    free(worker->members);
    free(worker->buffer);
    free(worker->rules.seen);
    free(worker->rules.more);
    free(worker->rules.taken);
    free(worker->rules.positions);
    free(worker->slow_tally);
    free(worker->slow.members);
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
}

static void pool_free(struct pool *pool)
{
    for (unsigned i = 0; pool->workers && i < pool->worker_count; i++)
        worker_free(&pool->workers[i]);
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

static void drop(struct worker *worker, void *arg)
{
    worker_drop(worker);
}

void pool_drop(struct pool *pool)
{
    pool_each(pool, drop, NULL);
}

static void set_churn(struct worker *worker, void *arg)
{
    const struct pool_config *config = &worker->pool->config;

    /* Each its share: the more members, the more of them leave. */
    churn_start(worker, *(const double *)arg * worker->member_count / config->members);
}

void pool_churn(struct pool *pool, double rate)
{
    pool_each(pool, set_churn, &rate);
}

static void release_slow(struct worker *worker, void *arg)
{
    slow_release(worker);
}

void pool_release_slow(struct pool *pool)
{
    pool_each(pool, release_slow, NULL);
}

struct pool_count pool_count(const struct pool *pool)
{
    struct pool_count count = {0};

    for (unsigned i = 0; i < pool->worker_count; i++) {
        const struct worker *worker = &pool->workers[i];

        count.delivered += atomic_load_explicit(&worker->shared.delivered, memory_order_relaxed);
        count.heard += atomic_load_explicit(&worker->shared.heard, memory_order_relaxed);
        count.open += atomic_load_explicit(&worker->shared.open, memory_order_relaxed);
        count.opened += atomic_load_explicit(&worker->shared.opened, memory_order_relaxed);
        count.failed += atomic_load_explicit(&worker->shared.failed, memory_order_relaxed);
    }
    return count;
}

uint64_t pool_progress(const struct pool *pool)
{
    const struct pool_config *config = &pool->config;
    uint64_t steady = config->members - (uint64_t)config->slow * config->groups->count;
    uint64_t least = UINT64_MAX, sum = 0;

    for (unsigned i = 0; i < pool->worker_count; i++) {
        const struct worker *worker = &pool->workers[i];
        uint64_t slowest = atomic_load(&worker->shared.slowest);

        sum += atomic_load(&worker->shared.delivered);
        if (worker->member_count && slowest < least)
            least = slowest;
    }
    if (config->groups->count == 1)
        return least == UINT64_MAX ? 0 : least;
    return steady ? sum * config->groups->count / steady : 0;
}

void pool_progressed(struct pool *pool)
{
    uint64_t wanted = atomic_load(&pool->wanted), one = 1;

    if (wanted && pool_progress(pool) >= wanted &&
        atomic_compare_exchange_strong(&pool->wanted, &wanted, 0))
        (void)!write(pool->publisher_fd, &one, sizeof(one));
}
