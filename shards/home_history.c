/* What a home keeps of its groups' messages, and whom it gives them to. */
#include "shards/epoch.h"
#include "shards/home_group.h"
#include "shards/outbox.h"
#include "shards/shard.h"

/* An answer holds so many times `recovery_bytes` at the most: how many bytes its messages are when
 * they are sent is known to who sends them. */
#define RANGE_TIMES 4

void home_keep(struct home *home, struct home_group *group, struct payload *payload)
{
    if (!home_keeps_history(group)) {
        history_free(&group->history); /* were it kept again later, this message would be missing */
        return;
    }
    history_append(&group->history, &group->settings->history, payload, home->shard->now_ns);
    home_look_after(home, group);
}

/* Which messages answer a question; what is too old by now is none of them. */
static enum history_outcome select_part(struct home *home, struct home_group *group,
                                        const struct history_query *query,
                                        struct history_part *part)
{
    uint64_t recovery_bytes = home->shard->settings->limits.recovery_bytes;

    history_trim(&group->history, &group->settings->history, home->shard->now_ns);
    return history_select(group->history, group->offset, query, RANGE_TIMES * recovery_bytes, part);
}

/* False: out of memory. */
static bool take_range(struct home *home, struct home_group *group, struct history_part part,
                       struct history_range **range)
{
    if (!part.count)
        return true;
    *range = history_range(group->history, group->offset, part);
    home_look_after(home, group); /* it is kept for a second */
    return *range != NULL;
}

static bool same_epoch(const struct home_group *group, bool any, uint64_t epoch)
{
    return any || epoch == (group ? group->epoch : EPOCH_NONE);
}

struct home_recovered home_recover(struct home *home, struct home_group *group,
                                   const struct join_recovery *recovery)
{
    struct home_recovered result = {.has_history = group && home_keeps_history(group)};
    struct history_query query = {.limit = UINT64_MAX, .since = true, .offset = recovery->offset};
    struct history_part part;

    if (!result.has_history || recovery->want == RECOVER_NONE)
        return result;
    if (recovery->want == RECOVER_NOW) {
        result.recovered = true;
        return result;
    }
    if (!same_epoch(group, recovery->any_epoch, recovery->epoch) ||
        select_part(home, group, &query, &part) != HISTORY_OK ||
        part.count != group->offset - recovery->offset)
        return result;
    result.recovered = take_range(home, group, part, &result.range);
    return result;
}

static enum history_outcome find_answer(struct home *home, struct home_group *group,
                                        const struct history_query *query,
                                        struct history_range **range)
{
    struct history_part part;

    if (query->since && !same_epoch(group, query->any_epoch, query->epoch))
        return HISTORY_OTHER_EPOCH;
    if (!group)
        return query->since && !query->newest && query->offset ? HISTORY_GONE : HISTORY_OK;
    enum history_outcome outcome = select_part(home, group, query, &part);
    return take_range(home, group, part, range) ? outcome : HISTORY_OVERLOADED;
}

void home_history(struct home *home, uint32_t source, const struct record_history *question)
{
    struct named name = record_name(question, question->name);
    struct home_group *group = home_find(home, &name);
    struct history_range *range = NULL;
    enum history_outcome outcome = find_answer(home, group, &question->query, &range);
    struct record_history_answer *answer =
        outbox_add(home->shard->outbox, source, OUTBOX_ANSWERS, RECORD_HISTORY_ANSWER,
                   sizeof(*answer), &name, 0, 0);

    answer->asker = question->asker;
    answer->query = question->query;
    answer->epoch = group ? group->epoch : EPOCH_NONE;
    answer->offset = group ? group->offset : 0;
    answer->range = range;
    answer->credit = question->head.size;
    answer->outcome = (uint8_t)outcome;
    answer->has_history = group && home_keeps_history(group);
}
