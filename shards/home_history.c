/* What a home keeps of its groups' messages, and whom it tells. */
#include "shards/epoch.h"
#include "shards/home_group.h"
#include "shards/outbox.h"
#include "shards/shard.h"

void home_history(struct home *home, uint32_t source, const struct record_history *question)
{
    struct named name = record_name(question, question->name);
    const struct home_group *group = home_find(home, &name);
    const struct history_query *query = &question->query;
    struct record_history_answer *answer =
        outbox_add(home->shard->outbox, source, OUTBOX_ANSWERS, RECORD_HISTORY_ANSWER,
                   sizeof(*answer), &name, 0, 0);

    answer->asker = question->asker;
    answer->query = *query;
    answer->epoch = group ? group->epoch : EPOCH_NONE;
    answer->offset = group ? group->offset : 0;
    answer->range = NULL;
    answer->credit = question->head.size;
    answer->has_history = false;
    if (query->since && !query->any_epoch && query->epoch != answer->epoch)
        answer->outcome = HISTORY_OTHER_EPOCH;
    else if (query->since && !query->newest && query->offset != answer->offset)
        answer->outcome = HISTORY_GONE;
    else
        answer->outcome = HISTORY_OK;
}
