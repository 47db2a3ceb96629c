/* Seeing that every member has joined, see run_join(). */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_run.h"

#define PROBE_WAIT_NS (NS_PER_S / 5)  /* nothing has come for so long: the probe is through */
#define JOIN_STALL_NS (20 * NS_PER_S) /* nobody new has heard for so long: nobody will */

/* What no phase counts: messages that tell whether a member has joined. */
static int probe(struct run *run, enum join_by by)
{
    uint32_t groups = by == JOIN_BY_GROUPS ? run->groups->count : 0;
    struct schedule schedule = {.phase = PHASE_PROBE,
                                .messages = groups ? groups : 1,
                                .seconds = JOIN_STALL_NS / NS_PER_S,
                                .groups = groups};

    if (publisher_begin(run->publisher, &schedule) < 0)
        return -1;
    return publisher_end(run->publisher)->failed ? -1 : 0;
}

struct beginning {
    enum join_by by;
    const uint64_t *groups; /* last sequences */
    uint64_t everyone;
};

/* What was sent before they joined, by the way that they did not join by, is not theirs; from here
 * on it is, from the first message. */
static void begin_streams(struct worker *worker, void *arg)
{
    const struct beginning *at = arg;

    for (uint32_t i = 0; i < worker->member_count; i++) {
        struct member *member = &worker->members[i];

        if (at->by == JOIN_BY_GROUPS)
            member->everyone = stream_behind(at->everyone);
        else
            member->own = stream_behind(at->groups[member->group]);
    }
}

static int open_publisher(struct run *run)
{
    const struct options *options = run->options;
    struct producer_config config = {.server = options->producers.in,
                                     .dialect = options->protocols.dialects[0],
                                     .groups = run->groups,
                                     .sizes = &options->payload,
                                     .mix = &options->priorities};

    if (run->publisher)
        return 0;
    run->producer = producer_open(&config);
    if (run->producer)
        run->publisher = publisher_new(run->pool, run->producer);
    return run->publisher ? 0 : -1;
}

/* Waits until every member has heard something, or nothing more comes: a slow server is not asked
 * again before it is through. Returns how many have. */
static uint64_t wait_heard(struct run *run)
{
    uint64_t members = groups_members(run->groups), delivered = 0;
    uint64_t changed = monotonic_ns(), now;
    struct pool_count count;

    do {
        usleep(1000);
        run_progress(run, "joining");
        count = pool_count(run->pool);
        now = monotonic_ns();
        if (count.delivered != delivered)
            changed = now;
        delivered = count.delivered;
    } while (count.heard < members && now - changed < PROBE_WAIT_NS);
    return count.heard;
}

/* Publishes again and again until everyone has heard something. Returns how many have when nobody
 * new has for a while. */
static uint64_t probe_all(struct run *run, enum join_by by)
{
    uint64_t members = groups_members(run->groups), heard = 0, now, changed = monotonic_ns();

    do {
        if (probe(run, by) < 0)
            break;
        now = wait_heard(run);
        if (now != heard)
            changed = monotonic_ns();
        heard = now;
    } while (heard < members && monotonic_ns() - changed < JOIN_STALL_NS);
    return heard;
}

int run_join(struct run *run, enum join_by by)
{
    uint64_t members = groups_members(run->groups), heard, now;
    struct beginning at = {.by = by};

    if (open_publisher(run) < 0)
        return -1;
    if (run->pool->config.hello) { /* who is open has got it, and is in */
        run->account.known = stats_get(&run->options->admin.in, &run->account.stats) == 0;
        return 0;
    }
    heard = probe_all(run, by);
    progress_end(&run->progress);
    if (producer_error(run->producer)[0]) {
        fprintf(stderr, "shardcast-load: publishing: %s\n", producer_error(run->producer));
        return -1;
    }
    if (heard < members) {
        fprintf(stderr,
                "shardcast-load: %" PRIu64 " of %" PRIu64
                " members have not joined: what was published did not reach them\n",
                members - heard, members);
        return -1;
    }
    at.groups = publisher_sequences(run->publisher);
    at.everyone = publisher_sequence_everyone(run->publisher);
    pool_each(run->pool, begin_streams, &at);
    if (run_wait_even(run, &now) == 0)
        return 0;
    fprintf(stderr, "shardcast-load: not all that was published reached the members\n");
    return -1;
}
