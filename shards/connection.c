#include "shards/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/frame.h"
#include "proto/http_request.h"
#include "shards/lws_adapter.h"
#include "shards/reader.h"
#include "shards/replay.h"
#include "shards/sdk_session.h"
#include "shards/settings.h"
#include "shards/shard.h"

#define HANDSHAKE_SECONDS 10
#define ANSWER_SECONDS    30
#define LINGER_SECONDS    2

/* Not before: of the tick under way some has gone. */
static void set_deadline(struct connection *connection, uint32_t seconds)
{
    wheel_add(&connection->shard->wheel, &connection->deadline, seconds * WHEEL_PER_SECOND + 1);
}

void connection_table_init(struct connection_table *table)
{
    memset(table, 0, sizeof(*table));
    slot_table_init(&table->slots);
}

void connection_table_free(struct connection_table *table)
{
    slot_table_free(&table->slots);
    slot_list_free(&table->doomed);
    slot_list_free(&table->resumed);
    slot_list_free(&table->answered);
    slot_list_free(&table->overrun);
    slot_list_free(&table->missed);
    slot_list_free(&table->paused);
}

/* Birth */

void connection_accept(struct shard *shard, int fd, bool over_limit, bool counted)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    shard->sockets++;
    if (!connection || slot_table_add(&shard->connections.slots, connection, &connection->ref)) {
        free(connection);
        close(fd);
        shard->sockets--;
        if (counted)
            atomic_fetch_sub_explicit(&shard->world->sockets, 1, memory_order_relaxed);
        return;
    }
    connection->shard = shard;
    connection->fd = fd;
    connection->state = CONNECTION_HANDSHAKE;
    connection->over_limit = over_limit;
    connection->counted = counted;
    connection->ping_ticks = shard->settings->health.ping_seconds * WHEEL_PER_SECOND;
    set_deadline(connection, HANDSHAKE_SECONDS);

    struct slot_ref ref = connection->ref;
    if (lws_adapter_adopt(shard->lws, connection) && slot_table_get(&shard->connections.slots, ref))
        connection_gone(connection); /* it was not told of it */
}

/* Reading and writing */

void connection_read(struct connection *connection, uint8_t *bytes, size_t size)
{
    switch ((enum connection_state)connection->state) {
    case CONNECTION_HANDSHAKE:
        reader_handshake(connection, bytes, size);
        break;
    case CONNECTION_GREETING:
    case CONNECTION_JOINING:
    case CONNECTION_OPEN:
    case CONNECTION_FINISHING:
    case CONNECTION_CLOSING:
        reader_frames(connection, bytes, size);
        break;
    case CONNECTION_ANSWERED:
    case CONNECTION_LINGERING:
    case CONNECTION_DEAD:
        break;
    }
}

void connection_writable(struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN && connection->state != CONNECTION_FINISHING) {
        connection_flush(connection);
        return;
    }
    /* Many sockets may take more at once: each has its turn, between other things. */
    connection->writable = true;
    slot_list_add(&connection->shard->connections.resumed, connection->ref);
}

static void linger(struct connection *connection)
{
    connection->state = CONNECTION_LINGERING;
    shutdown(connection->fd, SHUT_WR);
    set_deadline(connection, LINGER_SECONDS);
}

static void send_close(struct connection *connection, uint16_t code, const char *reason)
{
    uint8_t frame[2 + FRAME_CONTROL_MAX];

    connection->state = CONNECTION_CLOSING;
    set_deadline(connection, connection->shard->settings->health.pong_timeout_seconds);
    connection_send(connection, frame, frame_close_encode(frame, code, reason));
    if (!connection->blocked)
        connection_drained(connection);
}

void connection_drained(struct connection *connection)
{
    if (connection->blocked || connection->output || connection->mid || connection->replay)
        return;
    switch ((enum connection_state)connection->state) {
    case CONNECTION_OPEN:
    case CONNECTION_GREETING:
    case CONNECTION_JOINING:
        if (!connection->reading_paused || connection->state == CONNECTION_JOINING)
            break;
        if (shard_congested(connection->shard))
            slot_list_add(&connection->shard->connections.paused, connection->ref);
        else
            reader_resume(connection);
        break;
    case CONNECTION_FINISHING:
        for (unsigned i = 0; i < connection->member_count; i++)
            member_drop_lags(&connection->members[i], DROP_CLOSED); /* nothing is left in them */
        send_close(connection, connection->close_code, connection->close_reason);
        break;
    case CONNECTION_CLOSING:
        if (connection->peer_closed)
            linger(connection);
        break;
    case CONNECTION_ANSWERED:
        linger(connection);
        break;
    case CONNECTION_HANDSHAKE:
    case CONNECTION_LINGERING:
    case CONNECTION_DEAD:
        break;
    }
}

/* Counting */

void connection_opened(struct connection *connection)
{
    struct counters *counters = connection->shard->counters;

    connection->opened = true;
    counter_add(&counters->connections, 1);
    counter_add(&counters->connections_opened, 1);
}

/* It counts as a connection no more. */
static void count_end(struct connection *connection, enum close_reason end)
{
    struct counters *counters = connection->shard->counters;

    if (!connection->opened)
        return;
    connection->opened = false;
    counter_sub(&counters->connections, 1);
    counter_add(&counters->connections_closed[end], 1);
}

/* Ending */

static void leave_all(struct connection *connection, enum drop_reason drop)
{
    for (unsigned i = 0; i < connection->member_count; i++) {
        member_leave(&connection->members[i], drop);
        member_drop_lags(&connection->members[i], drop);
    }
    connection->mid = NULL;
    replay_end(connection);
}

void connection_close(struct connection *connection, uint16_t code, const char *reason,
                      enum close_reason end, enum drop_reason drop)
{
    if (connection->state < CONNECTION_GREETING || connection->state > CONNECTION_FINISHING)
        return;
    count_end(connection, end);
    connection_carry_frame(connection);
    if (connection->state == CONNECTION_DEAD)
        return;
    leave_all(connection, drop);
    send_close(connection, code, reason);
    reader_listen_for_close(connection);
}

bool connection_finish(struct connection *connection, uint16_t code, const char *reason,
                       enum close_reason end)
{
    if (connection->state == CONNECTION_JOINING || connection->state == CONNECTION_GREETING) {
        if (end == CLOSE_SHUTDOWN)
            connection_count_refusal(connection, CONNECTION_SHUTTING_DOWN);
        connection_close(connection, code, reason, end, DROP_CLOSED);
        return true;
    }
    if (connection->state != CONNECTION_OPEN)
        return false;
    count_end(connection, end);
    for (unsigned i = 0; i < connection->member_count; i++)
        member_finish(&connection->members[i]);
    connection->state = CONNECTION_FINISHING;
    connection->close_code = code;
    connection->close_reason = strdup(reason);
    connection_await_pong(connection);
    if (!connection->blocked)
        connection_flush(connection);
    reader_listen_for_close(connection);
    return true;
}

void connection_count_refusal(struct connection *connection, enum connection_refusal refusal)
{
    if (!connection->refused)
        counter_add(&connection->shard->counters->connections_refused[refusal], 1);
    connection->refused = true;
}

void connection_answer(struct connection *connection, const void *head, size_t head_size,
                       const void *body, size_t body_size)
{
    connection->state = CONNECTION_ANSWERED;
    set_deadline(connection, ANSWER_SECONDS);
    connection_send(connection, head, head_size);
    if (body_size)
        connection_send(connection, body, body_size);
    if (!connection->blocked)
        connection_drained(connection);
}

void connection_refuse(struct connection *connection, unsigned status, const char *text,
                       enum connection_refusal refusal)
{
    char response[HTTP_RESPONSE_MAX];

    connection_count_refusal(connection, refusal);
    connection_answer(connection, response, http_refusal_response(response, status, text), NULL, 0);
}

void connection_doom(struct connection *connection, enum close_reason end)
{
    if (connection->state == CONNECTION_DEAD)
        return;
    connection->state = CONNECTION_DEAD;
    connection->end_reason = (uint8_t)end;
    slot_list_add(&connection->shard->connections.doomed, connection->ref);
}

void connection_gone(struct connection *connection)
{
    struct shard *shard = connection->shard;
    enum close_reason end = connection->state == CONNECTION_DEAD
                                ? (enum close_reason)connection->end_reason
                                : CLOSE_LOST;

    connection->state = CONNECTION_DEAD;
    connection->wsi = NULL;
    leave_all(connection, DROP_CLOSED);
    if (connection->output && connection->output->carried)
        counter_add(&shard->counters->drops[DROP_CLOSED], 1);
    count_end(connection, end);
    wheel_remove(&connection->deadline);
    slot_table_remove(&shard->connections.slots, connection->ref);
    shard->sockets--;
    if (connection->counted)
        atomic_fetch_sub_explicit(&shard->world->sockets, 1, memory_order_relaxed);
    reader_free(connection);
    sdk_session_free(connection);
    free(connection->output);
    free(connection->members);
    free(connection->positions);
    free(connection->close_reason);
    free(connection);
}

/* Time */

static uint32_t pong_ticks(const struct connection *connection)
{
    return connection->shard->settings->health.pong_timeout_seconds * WHEEL_PER_SECOND;
}

void connection_await_pong(struct connection *connection)
{
    wheel_add(&connection->shard->wheel, &connection->deadline, pong_ticks(connection));
}

/* Whether the peer has yet to acknowledge something. One that only has no room has acknowledged
 * all, and the kernel would count how long it has had none. */
static bool in_flight(const struct connection *connection)
{
    struct tcp_info info = {.tcpi_unacked = 0};
    socklen_t size = sizeof(info);

    return !getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &size) && info.tcpi_unacked;
}

/* While a ping waits for its answer behind unsent bytes, or a close frame does, a peer that
 * acknowledges nothing has vanished: the kernel then gives up on it, too. Not at other times: a
 * client may take nothing for long and still live. */
void connection_watch(struct connection *connection, bool watch)
{
    int ms = watch ? (int)(pong_ticks(connection) * WHEEL_TICK_MS) : 0;

    if (watch && !in_flight(connection))
        return;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    connection->watched = watch;
}

void connection_alive(struct connection *connection)
{
    connection->seen = connection->shard->wheel.now;
    connection->pinged = false;
    if (connection->watched)
        connection_watch(connection, false);
}

static void check_health(struct connection *connection)
{
    struct wheel *wheel = &connection->shard->wheel;
    uint32_t silent = wheel->now - connection->seen;
    uint8_t ping[FRAME_HEADER_MAX];

    if (connection->pinged && connection->reading_paused &&
        (shard_congested(connection->shard) || connection->output_moved)) {
        connection->output_moved = false; /* its pong may be there, unread */
        connection_await_pong(connection);
    } else if (connection->pinged) {
        connection_close(connection, 3012, "no pong", CLOSE_NO_PONG, DROP_CLOSED);
    } else if (silent < connection->ping_ticks) {
        wheel_add(wheel, &connection->deadline, connection->ping_ticks - silent);
    } else {
        connection->pinged = true;
        connection_await_pong(connection);
        if (connection->blocked)
            connection_watch(connection, true);
        connection_send(connection, ping, frame_header_encode(ping, FRAME_PING, 0));
    }
}

void connection_due(struct connection *connection)
{
    switch ((enum connection_state)connection->state) {
    case CONNECTION_GREETING:
        sdk_session_due(connection);
        break;
    case CONNECTION_OPEN:
        if (connection->sdk)
            sdk_session_due(connection);
        else
            check_health(connection);
        break;
    case CONNECTION_HANDSHAKE:
        connection_count_refusal(connection, CONNECTION_HANDSHAKE_TIMEOUT);
        connection_doom(connection, CLOSE_LOST);
        break;
    case CONNECTION_JOINING: /* a home is slow: its answer will come */
        set_deadline(connection, HANDSHAKE_SECONDS);
        break;
    case CONNECTION_FINISHING: /* a drain has a deadline of its own */
        if (!connection->progress && !connection->shard->draining) {
            connection_doom(connection, CLOSE_LOST);
            break;
        }
        connection->progress = false;
        connection_await_pong(connection);
        break;
    default:
        connection_doom(connection, CLOSE_LOST);
    }
}

/* The end of the turn */

static void destroy_doomed(struct shard *shard)
{
    struct slot_list *list = &shard->connections.doomed;

    for (uint32_t i = 0; i < list->count; i++) {
        struct connection *connection = slot_table_get(&shard->connections.slots, list->refs[i]);

        if (connection && connection->wsi)
            lws_adapter_close(connection);
    }
    list->count = 0;
}

bool connection_can_go_on(const struct shard *shard)
{
    return shard->connections.paused.count && !shard_congested(shard);
}

static bool can_go_on(const struct connection *connection)
{
    return !connection->blocked &&
           (connection->state == CONNECTION_OPEN || connection->state == CONNECTION_FINISHING);
}

static void resume(struct connection *connection)
{
    if (connection->writable || can_go_on(connection))
        connection_flush(connection);
}

/* Each of the list has its turn, until something else must have its own. */
static void take_turns(struct shard *shard, struct slot_list *listed,
                       void (*turn)(struct connection *connection))
{
    struct slot_list list;
    uint32_t i = 0;

    if (!listed->count)
        return;
    list = slot_list_take(listed);
    shard_slice_begins(shard);
    while (i < list.count) {
        struct connection *connection = slot_table_get(&shard->connections.slots, list.refs[i++]);

        if (connection)
            turn(connection);
        if (shard_must_make_way(shard))
            break;
    }
    /* The rest comes first next time, before those that were listed meanwhile. */
    list.count -= i;
    memmove(list.refs, list.refs + i, list.count * sizeof(list.refs[0]));
    for (i = 0; i < listed->count; i++)
        slot_list_add(&list, listed->refs[i]);
    slot_list_free(listed);
    *listed = list;
    if (list.count)
        shard_again(shard);
}

static void close_listed(struct shard *shard, struct slot_list *list, uint16_t code,
                         const char *reason, enum close_reason end, enum drop_reason drop)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct connection *connection = slot_table_get(&shard->connections.slots, list->refs[i]);

        if (connection)
            connection_close(connection, code, reason, end, drop);
    }
    list->count = 0;
}

void connection_turn(struct shard *shard)
{
    struct connection_table *table = &shard->connections;

    /* First, since nothing may follow what they would miss. */
    close_listed(shard, &table->missed, 3010, "insufficient state", CLOSE_INSUFFICIENT_STATE,
                 DROP_CLOSED);
    take_turns(shard, &table->resumed, resume);
    take_turns(shard, &table->answered, sdk_session_turn);
    close_listed(shard, &table->overrun, 3008, "slow", CLOSE_SLOW, DROP_SLOW);
    if (connection_can_go_on(shard)) {
        struct slot_list paused = slot_list_take(&table->paused);

        for (uint32_t i = 0; i < paused.count; i++) {
            struct connection *connection = slot_table_get(&table->slots, paused.refs[i]);

            if (connection && connection->state == CONNECTION_OPEN)
                reader_resume(connection);
        }
        slot_list_free(&paused);
    }
    destroy_doomed(shard);
}

static bool shut_down(struct connection *connection)
{
    const struct sdk_close_info *sdk = sdk_close_info(SDK_CLOSE_SHUTDOWN);

    return connection->sdk ? connection_finish(connection, sdk->code, sdk->reason, CLOSE_SHUTDOWN)
                           : connection_finish(connection, 1001, "shutting down", CLOSE_SHUTDOWN);
}

void connection_close_all(struct shard *shard)
{
    group_flush_all(&shard->groups);
    for (uint32_t i = 0; i < shard->connections.slots.room; i++) {
        struct connection *connection = shard->connections.slots.slots[i].thing;

        if (connection && !shut_down(connection) && connection->state == CONNECTION_HANDSHAKE) {
            connection_count_refusal(connection, CONNECTION_SHUTTING_DOWN);
            connection_doom(connection, CLOSE_SHUTDOWN);
        }
    }
}

void connection_cut_all(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->connections.slots.room; i++) {
        struct connection *connection = shard->connections.slots.slots[i].thing;

        if (connection)
            connection_doom(connection, CLOSE_SHUTDOWN);
    }
    destroy_doomed(shard);
}
