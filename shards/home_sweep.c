/* What time does to groups at their home: rate windows run empty, messages grow too old, and a
 * group that nobody uses is forgotten. Each group has one place in a wheel, at the next of these.
 */
#include <stddef.h>

#include "shards/home_group.h"
#include "shards/rate_window.h"
#include "shards/shard.h"

#define SECOND_NS  1000000000ull
#define TICK_NS    (WHEEL_TICK_MS * 1000000ull)
#define TICKS_MAX  (86400u * WHEEL_PER_SECOND) /* a day: then it is looked at again */
#define FORGET_NS  (5 * SECOND_NS)             /* without history */
#define LOOK_AFTER WHEEL_PER_SECOND

void home_look_after(struct home *home, struct home_group *group)
{
    const struct wheel *wheel = &home->wheel;

    if (!group->due.next || (int32_t)(group->due.due - wheel->now) > LOOK_AFTER)
        wheel_add(&home->wheel, &group->due, LOOK_AFTER);
}

/* When the group will be forgotten if nobody uses it meanwhile; UINT64_MAX: never. */
static uint64_t forgotten_at(const struct home_group *group)
{
    uint64_t seconds = group->settings->history.position_seconds;

    if (group->members)
        return UINT64_MAX;
    if (home_keeps_history(group))
        return seconds ? group->message_ns + seconds * SECOND_NS : UINT64_MAX;
    return FORGET_NS + (group->message_ns > group->left_ns ? group->message_ns : group->left_ns);
}

static void forget(struct home *home, struct home_group *group)
{
    table_remove(home->groups, &group->named);
    if (group->category != GROUP_ALL)
        shard_give_group(home->shard);
    home_group_free(group);
}

/* Frees what the group needs no more, and says when to look again. */
static void settle(struct home *home, struct home_group *group, uint64_t now)
{
    uint64_t due = forgotten_at(group), expires;

    if (group->window && rate_window_idle(group->window, now)) {
        rate_window_free(group->window);
        group->window = NULL;
    }
    if (home_keeps_history(group))
        history_trim(&group->history, &group->settings->history, now);
    else
        history_free(&group->history);
    history_forget_range(group->history);
    expires = history_expires(group->history, &group->settings->history);
    if (expires < due)
        due = expires;
    if (group->window && now + SECOND_NS < due)
        due = now + SECOND_NS;
    if (due == UINT64_MAX)
        return;
    /* Rounded down: what is not due by then is looked at again at the next tick. */
    uint64_t ticks = due > home->wheel_ns ? (due - home->wheel_ns) / TICK_NS : 0;
    wheel_add(&home->wheel, &group->due, ticks < TICKS_MAX ? (uint32_t)ticks : TICKS_MAX);
}

struct sweep {
    struct home *home;
    uint64_t now;
};

static void on_due(void *context, struct wheel_entry *entry)
{
    const struct sweep *at = context;
    struct home_group *group =
        (struct home_group *)((char *)entry - offsetof(struct home_group, due));

    if (forgotten_at(group) <= at->now)
        forget(at->home, group);
    else
        settle(at->home, group, at->now);
}

void home_sweep(struct home *home, uint64_t now)
{
    struct sweep at = {home, now};

    while (now - home->wheel_ns >= TICK_NS) {
        home->wheel_ns += TICK_NS;
        wheel_tick(&home->wheel, on_due, &at);
    }
}

void home_settings(struct home *home)
{
    size_t at = 0;
    struct named *thing;

    while ((thing = table_each(home->groups, &at))) {
        struct home_group *group = (struct home_group *)thing;

        group->settings = settings_namespace(home->shard->settings, thing->name, thing->size);
        home_presence_settings(group);
        settle(home, group, home->shard->now_ns);
    }
}
