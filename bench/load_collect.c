/* What the workers of a pool have counted, see bench/load_pool.h. */
#define _GNU_SOURCE
#include <string.h>

#include "bench/load_pool.h"

static void take_latency(struct latency *into, struct latency *from)
{
    if (from->count == 0)
        return;
    latency_merge(into, from);
    latency_reset(from);
}

static void look(struct worker *worker, void *arg)
{
    struct pool_tick *tick = arg;

    /* One worker at a time: the sums are the caller's. */
    pthread_mutex_lock(&worker->pool->lock);
    for (unsigned i = 0; i < MIX_PRIORITIES; i++)
        take_latency(&tick->latency[i], &worker->tally.latency[i]);
    faults_merge(&tick->faults, &worker->tally.faults);
    tick->bytes += worker->tally.bytes;
    pthread_mutex_unlock(&worker->pool->lock);
}

void pool_look(struct pool *pool, struct pool_tick *tick)
{
    memset(tick, 0, sizeof(*tick));
    pool_each(pool, look, tick);
    for (unsigned i = 0; i < MIX_PRIORITIES; i++)
        if (tick->latency[i].count)
            latency_merge(&pool->latency[i], &tick->latency[i]);
}

struct collect {
    const uint64_t *last;
    uint64_t last_everyone;
    struct pool_sum *sum;
    uint64_t *received;
};

/* What slow members lack has been left out for them, and whether they go on is the server's
 * choice; all else must be right for them, too. */
static void collect_slow(struct pool_sum *sum, const struct worker *worker)
{
    const struct tally *tally = worker->slow_tally;
    struct faults faults = tally->faults;

    sum->slow.delivered += tally->delivered;
    sum->slow.left_out += faults.lost;
    sum->slow.cut += worker->slow.cut;
    if (worker->slow.read_ns > sum->slow.read_ns)
        sum->slow.read_ns = worker->slow.read_ns;
    if (!sum->slow.close_code)
        sum->slow.close_code = tally->close_code;
    faults.lost = faults.closed = 0;
    faults_merge(&sum->faults, &faults);
    latency_merge(&sum->churn.joins, &tally->joins);
}

static void collect(struct worker *worker, void *arg)
{
    struct collect *job = arg;
    struct pool_sum *sum = job->sum;
    const struct tally *tally = &worker->tally;
    uint64_t missing, lost = 0, behind = 0;

    for (uint32_t i = 0; i < worker->member_count; i++) {
        const struct member *member = &worker->members[i];

        if (member->slow)
            continue;
        missing = member_missing(member, &worker->rules, job->last[member->group]) +
                  stream_missing(&member->everyone, job->last_everyone);
        lost += missing;
        behind += missing > 0;
    }
    pthread_mutex_lock(&worker->pool->lock);
    for (uint32_t i = 0; job->received && i < worker->member_count; i++)
        job->received[worker->members[i].group] += worker->members[i].received;
    sum->behind += behind;
    sum->bytes += tally->bytes;
    sum->replayed += tally->replayed;
    faults_merge(&sum->faults, &tally->faults);
    sum->faults.lost += lost;
    if (!sum->close_code)
        sum->close_code = tally->close_code;
    if (worker->slow_tally)
        collect_slow(sum, worker);
    sum->churn.left += worker->churn.left;
    latency_merge(&sum->churn.joins, &tally->joins);
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
    for (unsigned i = 0; i < MIX_PRIORITIES; i++) {
        sum->priority[i] = pool->latency[i];
        latency_merge(&sum->latency, &pool->latency[i]);
    }
}

static void reset_latency(struct worker *worker, void *arg)
{
    for (unsigned i = 0; i < MIX_PRIORITIES; i++)
        latency_reset(&worker->tally.latency[i]);
    latency_reset(&worker->tally.joins);
}

void pool_reset_latency(struct pool *pool)
{
    pool_each(pool, reset_latency, NULL);
    for (unsigned i = 0; i < MIX_PRIORITIES; i++)
        latency_reset(&pool->latency[i]);
}
