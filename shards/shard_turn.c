#include "shards/shard_turn.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

#include "shards/disconnects.h"
#include "shards/listener.h"
#include "shards/sdk_session.h"
#include "shards/shard.h"

/* Batches that one turn takes from the inbox; each is a turn's work of another shard. */
#define BATCHES_PER_TURN 64

/* So long one kind of work may keep the rest waiting: at least, see shard_must_make_way(). */
#define SLICE_NS 250000u

/* After so long a turn ends, whatever else could follow in it. */
#define TURN_NS 2000000u

void shard_turn_begins(struct shard *shard)
{
    shard->now_ns = shard_clock(shard);
    if (!shard->turn_began)
        shard->turn_began = shard->settled_ns = shard->now_ns;
}

void shard_again(struct shard *shard)
{
    shard->idling = true;
}

void shard_slice_begins(struct shard *shard)
{
    shard->slice_ns = shard_clock(shard);
    shard->share_ends_ns = shard->slice_ns + shard->share_ns;
}

bool shard_must_make_way(struct shard *shard)
{
    struct pollfd loop = {.fd = uv_backend_fd(&shard->loop), .events = POLLIN};
    uint64_t now = shard_clock(shard);

    if (now - shard->slice_ns < SLICE_NS)
        return false;
    shard->slice_ns = now;
    if (inbox_has_critical(shard->world->inboxes[shard->index]))
        return true;
    if (now < shard->share_ends_ns)
        return false;
    shard->share_ends_ns = now + shard->share_ns;
    /* The loop's epoll is readable when one of its files is. */
    return poll(&loop, 1, 0) > 0;
}

/* Publishing and its answers */

void shard_publish(struct shard *shard, const struct named *group, struct payload *payload,
                   enum command_priority priority, struct command_ref command,
                   struct slot_ref sender)
{
    const struct namespace_settings *settings =
        settings_namespace(shard->settings, group->name, group->size);
    bool critical;

    if (priority == PRIORITY_UNSET)
        priority = settings->priority;
    /* In a group with history everything keeps its offset's place. Everyone has none. */
    critical =
        priority == PRIORITY_CRITICAL &&
        (!settings->history.messages || group_name_category(group->name, group->size) == GROUP_ALL);

    struct record_publish *publish = outbox_add(
        shard->outbox, shard_home(shard, group->hash), critical ? OUTBOX_CRITICAL : OUTBOX_NORMAL,
        RECORD_PUBLISH, sizeof(*publish), group, 0, payload_frame_bytes(payload));
    publish->payload = payload;
    publish->read_ns = shard->now_ns;
    publish->command = command;
    publish->sender = sender;
    publish->priority = (uint8_t)priority;
    shard->under_way += payload_frame_bytes(payload) + publish->head.size;
}

void shard_answered(struct shard *shard, const struct record_answer *answer)
{
    assert(shard->under_way >= answer->credit);
    shard->under_way -= answer->credit;
    if (answer->command.producer == SESSION_COMMAND)
        sdk_session_published(shard, answer);
    else if (answer->command.producer != NO_PRODUCER)
        producer_answered(shard, answer);
}

/* Draining */

static void tell_main(struct shard *shard, enum shard_state state)
{
    if (shard->told >= state)
        return;
    shard->told = (uint8_t)state;
    struct record_state *record = outbox_add(shard->outbox, shard->world->shards, OUTBOX_NORMAL,
                                             RECORD_STATE, sizeof(*record), NULL, 0, 0);
    record->state = state;
}

static void stop_intake(struct shard *shard)
{
    shard->draining = true;
    listener_close(shard->clients);
    listener_close(shard->commands);
    shard->clients = shard->commands = NULL;
}

/* Says how far the drain has got. */
static void drain_progress(struct shard *shard)
{
    if (!shard->draining)
        return;
    if (!shard->under_way)
        tell_main(shard, SHARD_INTAKE_STOPPED);
    if (!shard->closing_all || shard->connections.slots.count)
        return;
    producer_finish_all(shard); /* every command that has come gets its answer */
    if (!shard->producers.slots.count)
        tell_main(shard, SHARD_CLOSED);
}

/* Records */

static void take_settings(struct shard *shard, struct record_settings *record)
{
    struct settings *old = shard->settings;

    shard->settings = record->settings;
    home_settings(&shard->home);
    group_table_settings(&shard->groups);
    settings_unref(old);
}

/* Takes over the answer's range. */
static void history_answered(struct shard *shard, const struct record_history_answer *answer)
{
    assert(shard->under_way >= answer->credit);
    shard->under_way -= answer->credit;
    if (answer->asker.command.producer == NO_PRODUCER)
        sdk_session_history(shard, answer);
    else
        producer_history(shard, answer);
    history_range_unref(answer->range);
}

static void dispatch(struct shard *shard, uint32_t source, struct record *record)
{
    switch ((enum record_type)record->type) {
    case RECORD_PUBLISH:
        home_publish(&shard->home, source, (struct record_publish *)record);
        break;
    case RECORD_DELIVER:
        group_deliver(&shard->groups, (struct record_deliver *)record);
        break;
    case RECORD_ANSWER:
        shard_answered(shard, (struct record_answer *)record);
        break;
    case RECORD_JOIN:
        home_join(&shard->home, source, (struct record_join *)record);
        break;
    case RECORD_JOINED:
        group_joined(&shard->groups, (struct record_joined *)record);
        break;
    case RECORD_LEAVE:
        home_leave(&shard->home, source, (struct record_leave *)record);
        break;
    case RECORD_DISCONNECT:
        home_disconnect(&shard->home, source, (struct record_disconnect *)record);
        break;
    case RECORD_CLOSE:
        disconnects_take(shard, (struct record_close *)record);
        break;
    case RECORD_CLOSED:
        producer_closed(shard, (struct record_closed *)record);
        break;
    case RECORD_HISTORY:
        home_history(&shard->home, source, (struct record_history *)record);
        break;
    case RECORD_HISTORY_ANSWER:
        history_answered(shard, (struct record_history_answer *)record);
        break;
    case RECORD_NOTICE:
        group_notice(&shard->groups, (struct record_notice *)record);
        break;
    case RECORD_PRESENT:
        home_present(&shard->home, source, (struct record_present *)record);
        break;
    case RECORD_PRESENCE:
        home_presence(&shard->home, source, (struct record_presence *)record);
        break;
    case RECORD_PRESENCE_ANSWER:
        sdk_session_presence(shard, (struct record_presence_answer *)record);
        break;
    case RECORD_SETTINGS:
        take_settings(shard, (struct record_settings *)record);
        break;
    case RECORD_STOP_INTAKE:
        shard->stops_intake = true;
        break;
    case RECORD_CLOSE_ALL:
        shard->closing_all = true;
        connection_close_all(shard);
        break;
    case RECORD_CUT:
        shard->cuts_all = true;
        break;
    case RECORD_QUIT:
        shard->quit = true;
        break;
    case RECORD_STATE:
        break; /* for the main thread only */
    }
}

/* Works through a batch; the payloads of its records go to whoever handles them. */
static void take_batch(struct shard *shard, struct batch *batch)
{
    struct record *record = NULL;

    while ((record = batch_next(batch, record)))
        dispatch(shard, batch->source, record);
    outbox_recycle(shard->outbox, batch);
}

/* What the shard has for itself: as home of groups whose members or producers are its own. */
static void take_own(struct shard *shard)
{
    struct batch *batch;

    while ((batch = outbox_take_own(shard->outbox)))
        take_batch(shard, batch);
}

/* What is critical does not wait until the turn's other work is done: it is written to the members
 * here, and handed over. */
static void hurry(struct shard *shard)
{
    if (!outbox_urgent(shard->outbox))
        return;
    take_own(shard);
    group_flush_critical(&shard->groups);
    outbox_hand_over(shard->outbox);
}

static void take_inbox(struct shard *shard)
{
    struct inbox *inbox = shard->world->inboxes[shard->index];
    bool critical_only = group_flush_pending(&shard->groups);
    uint64_t bytes = 0;
    struct batch *batch;

    /* What is left keeps the loop from sleeping: see inbox_sleep(). */
    for (int i = 0; i < BATCHES_PER_TURN && bytes < SHARD_INPUT_BUDGET &&
                    (batch = critical_only ? inbox_pop_critical(inbox) : inbox_pop(inbox));
         i++) {
        bytes += batch->payload_bytes;
        take_batch(shard, batch);
        group_flush_critical(&shard->groups);
        hurry(shard);
    }
}

/* What closes sockets must not be done between two events: one of them may be of that socket. */
static void obey(struct shard *shard)
{
    if (shard->stops_intake)
        stop_intake(shard);
    if (shard->cuts_all)
        connection_cut_all(shard);
    shard->stops_intake = shard->cuts_all = false;
}

/* The flush that follows may take as long as all that has kept it waiting. */
static void share_time(struct shard *shard)
{
    uint64_t waited = shard->turn_began ? shard_clock(shard) - shard->settled_ns : 0;

    shard->share_ns = waited > SLICE_NS ? waited : SLICE_NS;
}

void shard_between_events(struct shard *shard)
{
    if (shard->settling || shard->now_ns - shard->settled_ns < SLICE_NS)
        return;
    shard->settling = true;
    hurry(shard);
    producer_read_ahead(shard);
    take_own(shard);
    hurry(shard);
    take_inbox(shard);
    take_own(shard);
    outbox_hand_over(shard->outbox);
    share_time(shard);
    group_flush_slice(&shard->groups);
    producer_send_answers(shard);
    shard->input_budget = SHARD_INPUT_BUDGET;
    shard->settling = false;
    shard->now_ns = shard->settled_ns = shard_clock(shard);
}

/* Handles */

static void on_retry(uv_timer_t *timer)
{
    (void)timer; /* the turn that it makes is all that is wanted */
}

/* What follows from what follows may go on for ever: timers and heartbeat need the loop. */
static bool turn_is_long(const struct shard *shard)
{
    return shard_clock(shard) - shard->now_ns > TURN_NS;
}

/* Everything that follows from what the sockets and the inbox brought, until nothing more does, or
 * until something else waits for the shard. */
static void settle(struct shard *shard)
{
    bool flushed;

    do {
        take_own(shard);
        outbox_hand_over(shard->outbox); /* others need not wait until all is written here */
        flushed = group_flush_slice(&shard->groups);
        connection_turn(shard);
    } while (flushed && outbox_has_own(shard->outbox) && !turn_is_long(shard));
    if (!flushed || outbox_has_own(shard->outbox))
        shard_again(shard);
}

static void hand_over(struct shard *shard)
{
    if (outbox_hand_over(shard->outbox))
        uv_timer_start(&shard->retry, on_retry, 1, 0);
    else
        drain_progress(shard);
    outbox_hand_over(shard->outbox); /* what that told the main thread */
}

static void count_turn(struct shard *shard)
{
    struct counters *counters = shard->counters;
    uint64_t now = shard_clock(shard);

    histogram_add(&counters->turn_seconds,
                  now - (shard->turn_began ? shard->turn_began : shard->now_ns));
    shard->turn_began = 0;
    counter_add(&counters->turns, 1);
    atomic_store_explicit(&counters->heartbeat, now, memory_order_relaxed);
}

static void on_check(uv_check_t *check)
{
    struct shard *shard = check->data;

    inbox_awake(shard->world->inboxes[shard->index]);
    shard->idling = false;
    shard->settling = true;
    shard->now_ns = shard_clock(shard);
    hurry(shard);
    producer_take_waiting(shard);
    take_own(shard);
    hurry(shard);
    take_inbox(shard);
    obey(shard);
    share_time(shard);
    settle(shard);
    producer_send_answers(shard);
    hand_over(shard);
    shard->input_budget = SHARD_INPUT_BUDGET;
    if (producer_can_go_on(shard) || connection_can_go_on(shard))
        shard_again(shard); /* what they waited for has come in this turn */
    count_turn(shard);
    shard->settling = false;
    if (shard->quit)
        uv_stop(&shard->loop);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* that it exists keeps the loop from sleeping */
}

/* Before the loop sleeps: not if there is something to do. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct shard *shard = prepare->data;
    bool busy = shard->idling || outbox_has_own(shard->outbox) ||
                !inbox_sleep(shard->world->inboxes[shard->index]);

    if (busy)
        uv_idle_start(&shard->idle, on_idle);
    else
        uv_idle_stop(&shard->idle);
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
    struct shard *shard = poll->data;

    (void)status;
    (void)events;
    inbox_drain_wakeups(shard->world->inboxes[shard->index]);
    shard_turn_begins(shard);
}

static void on_due(void *context, struct wheel_entry *entry)
{
    (void)context;
    connection_due((struct connection *)entry);
}

static void on_tick(uv_timer_t *timer)
{
    struct shard *shard = timer->data;

    shard_turn_begins(shard);
    wheel_tick(&shard->wheel, on_due, NULL);
    producer_tick(shard);
    listener_resume(shard->clients);
    listener_resume(shard->commands);
    home_sweep(&shard->home, shard->now_ns);
    atomic_store_explicit(&shard->counters->inbox_full,
                          inbox_full_count(shard->world->inboxes[shard->index]),
                          memory_order_relaxed);
}

int shard_turn_init(struct shard *shard)
{
    uv_loop_t *loop = &shard->loop;
    int fd = inbox_fd(shard->world->inboxes[shard->index]);

    if (uv_poll_init(loop, &shard->wake, fd))
        return ERR_SYS;
    uv_prepare_init(loop, &shard->prepare);
    uv_check_init(loop, &shard->check);
    uv_idle_init(loop, &shard->idle);
    uv_timer_init(loop, &shard->tick);
    uv_timer_init(loop, &shard->retry);
    shard->prepare.data = shard->check.data = shard->idle.data = shard->wake.data =
        shard->tick.data = shard->retry.data = shard;
    uv_prepare_start(&shard->prepare, on_prepare);
    uv_check_start(&shard->check, on_check);
    uv_poll_start(&shard->wake, UV_READABLE, on_wake);
    uv_timer_start(&shard->tick, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
    shard->running = true;
    return 0;
}

void shard_turn_end(struct shard *shard)
{
    if (!shard->running)
        return;
    uv_close((uv_handle_t *)&shard->prepare, NULL);
    uv_close((uv_handle_t *)&shard->check, NULL);
    uv_close((uv_handle_t *)&shard->idle, NULL);
    uv_close((uv_handle_t *)&shard->wake, NULL);
    uv_close((uv_handle_t *)&shard->tick, NULL);
    uv_close((uv_handle_t *)&shard->retry, NULL);
}
