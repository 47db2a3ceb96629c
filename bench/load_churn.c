#include "bench/load_churn.h"

#include <stdatomic.h>

#include "bench/load_clock.h"
#include "bench/load_random.h"
#include "bench/load_worker.h"

#define TRIES 16 /* to find a member that is in: most are */

void churn_start(struct worker *worker, double rate)
{
    struct churn *churn = &worker->churn;

    churn->interval_ns = rate > 0 ? 1e9 / rate : 0;
    churn->next_ns = (double)monotonic_ns() + churn->interval_ns;
    if (!churn->random)
        churn->random = worker->index + 1;
}

static struct member *find(struct worker *worker)
{
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t at = random_below(&worker->churn.random, worker->member_count);
        struct member *member = &worker->members[at];

        if (member->state == MEMBER_OPEN && !member->slow)
            return member;
    }
    return NULL;
}

static void leave(struct worker *worker, struct member *member)
{
    atomic_fetch_sub(&worker->shared.open, 1);
    /* One that cannot even say so is cut, too. */
    if (++worker->churn.left % 2 == 0 && member_leave(member))
        return;
    member->state = MEMBER_LEAVING;
    worker_member_over(worker, member);
}

uint64_t churn_turn(struct worker *worker, uint64_t now_ns)
{
    struct churn *churn = &worker->churn;

    if (churn->interval_ns <= 0 || worker->member_count == 0)
        return UINT64_MAX;
    for (; churn->next_ns <= (double)now_ns; churn->next_ns += churn->interval_ns) {
        struct member *member = find(worker);

        if (member)
            leave(worker, member);
    }
    return (uint64_t)churn->next_ns;
}
