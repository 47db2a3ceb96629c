#include "shards/sdk_session.h"

#include <stdlib.h>
#include <string.h>

#include "shards/history_range.h"
#include "shards/presence.h"
#include "shards/reader.h"
#include "shards/sdk_internal.h"
#include "shards/shard.h"

#define GREETING_SECONDS 15

/* Replies that are sent as one message, about. */
#define SDK_FLUSH_BYTES 16384

/* Life */

void sdk_session_begin(struct connection *connection, enum sdk_format format, const char *user)
{
    struct sdk_session *session;

    if (connection->state == CONNECTION_DEAD)
        return;
    session = calloc(1, sizeof(*session));
    if (session)
        session->user = strdup(user);
    if (!session || !session->user) {
        free(session);
        connection_doom(connection, CLOSE_LOST);
        return;
    }
    session->format = (uint8_t)format;
    connection->sdk = session;
    sdk_greet(connection);
}

void sdk_greet(struct connection *connection)
{
    connection->state = CONNECTION_GREETING;
    wheel_add(&connection->shard->wheel, &connection->deadline,
              GREETING_SECONDS * WHEEL_PER_SECOND);
}

void sdk_drop_work(struct sdk_session *session)
{
    if (session->work)
        free(session->work->bytes);
    free(session->work);
    session->work = NULL;
}

void sdk_session_free(struct connection *connection)
{
    struct sdk_session *session = connection->sdk;

    if (!session)
        return;
    for (unsigned i = 0; session->starts && i < SDK_SERVER_SUBS; i++)
        history_range_unref(session->starts[i].range);
    free(session->starts);
    sdk_drop_work(session);
    sdk_answer_free(session->answer);
    buffer_free(&session->out);
    free(session->user);
    free(session);
    connection->sdk = NULL;
}

/* Replies */

void sdk_flush(struct connection *connection)
{
    struct sdk_session *session = connection->sdk;

    if (!session->out.size)
        return;
    connection_send_frame(connection, sdk_opcode(session->format), session->out.bytes,
                          session->out.size);
    buffer_free(&session->out);
}

void sdk_check(struct connection *connection, int error)
{
    if (error)
        connection_doom(connection, CLOSE_LOST);
}

void sdk_error(struct connection *connection, const struct sdk_command *command,
               enum sdk_error error)
{
    struct sdk_session *session = connection->sdk;

    sdk_check(connection, sdk_reply_error(&session->out, session->format, command->id, error));
}

enum sdk_outcome sdk_close(struct connection *connection, enum sdk_close close)
{
    const struct sdk_close_info *info = sdk_close_info(close);

    if (connection->state == CONNECTION_GREETING || connection->state == CONNECTION_JOINING)
        connection_count_refusal(connection, close == SDK_CLOSE_STALE ? CONNECTION_HANDSHAKE_TIMEOUT
                                                                      : CONNECTION_BAD_REQUEST);
    sdk_flush(connection);
    connection_close(connection, info->code, info->reason,
                     close == SDK_CLOSE_NO_PONG ? CLOSE_NO_PONG : CLOSE_PROTOCOL_ERROR,
                     DROP_CLOSED);
    return SDK_CLOSED;
}

/* Commands */

static enum sdk_outcome take_pong(struct connection *connection)
{
    const struct sdk_session *session = connection->sdk;
    struct wheel *wheel = &connection->shard->wheel;
    uint32_t since = wheel->now - session->pinged;

    if (!connection->pinged)
        return sdk_close(connection, SDK_CLOSE_BAD_REQUEST);
    connection_alive(connection);
    wheel_add(wheel, &connection->deadline,
              since < connection->ping_ticks ? connection->ping_ticks - since : 1);
    return SDK_DONE;
}

static enum sdk_outcome empty(struct connection *connection, const struct sdk_command *command)
{
    struct sdk_session *session = connection->sdk;

    sdk_check(connection,
              sdk_reply_empty(&session->out, session->format, command->id, command->method));
    return SDK_DONE;
}

static enum sdk_outcome execute(struct connection *connection, const struct sdk_command *command)
{
    bool greeted = connection->state != CONNECTION_GREETING;

    if (greeted == (command->method == SDK_CONNECT))
        return sdk_close(connection, SDK_CLOSE_BAD_REQUEST);
    switch (command->method) {
    case SDK_PONG:
        return take_pong(connection);
    case SDK_CONNECT:
        return sdk_connect(connection, command);
    case SDK_SUBSCRIBE:
        return sdk_subscribe(connection, command);
    case SDK_UNSUBSCRIBE:
        return sdk_unsubscribe(connection, command);
    case SDK_PUBLISH:
        return sdk_publish(connection, command);
    case SDK_PRESENCE:
    case SDK_PRESENCE_STATS:
        return sdk_presence(connection, command);
    case SDK_HISTORY:
        return sdk_history(connection, command);
    case SDK_PING:
        return empty(connection, command);
    case SDK_SEND:
        return sdk_close(connection, SDK_CLOSE_NOT_AVAILABLE);
    case SDK_RPC:
    case SDK_REFRESH:
    case SDK_SUB_REFRESH:
    case SDK_METHOD_COUNT:
        break;
    }
    sdk_error(connection, command, SDK_ERROR_NOT_AVAILABLE);
    return SDK_DONE;
}

bool sdk_session_busy(const struct connection *connection)
{
    return connection->sdk->work || connection->sdk->waiting;
}

/* While the engine drains nothing more is carried out: what a client is told afterwards is that the
 * connection ends. */
static bool can_work(const struct connection *connection)
{
    return connection->sdk->work && !connection->sdk->waiting && !connection->shard->draining &&
           (connection->state == CONNECTION_OPEN || connection->state == CONNECTION_GREETING);
}

/* Takes commands until one waits, none is left or the client must read first. */
static void take_commands(struct connection *connection)
{
    struct sdk_session *session = connection->sdk;

    while (can_work(connection) && !connection_clogged(connection)) {
        struct sdk_command *command = &session->work->command;
        int got = sdk_commands_next(&session->work->commands, command);

        if (got == 0) {
            sdk_drop_work(session);
        } else if (got < 0) {
            sdk_close(connection, SDK_CLOSE_BAD_REQUEST);
        } else {
            session->waiting = execute(connection, command) == SDK_WAITS;
            if (session->out.size > SDK_FLUSH_BYTES)
                sdk_flush(connection);
        }
    }
}

void sdk_session_go_on(struct connection *connection)
{
    take_commands(connection);
    if (connection->state != CONNECTION_OPEN && connection->state != CONNECTION_GREETING &&
        connection->state != CONNECTION_JOINING)
        return;
    sdk_flush(connection);
    if (sdk_session_busy(connection))
        reader_pause(connection);
    else
        reader_resume(connection);
}

/* Turns: a session goes on with its commands in one, so that a message full of them, or many who
 * come back at once, do not keep the shard from everything else. */

void sdk_list(struct connection *connection)
{
    if (connection->sdk->listed)
        return;
    connection->sdk->listed = true;
    slot_list_add(&connection->shard->connections.answered, connection->ref);
}

void sdk_command_done(struct connection *connection)
{
    connection->sdk->waiting = false;
    sdk_list(connection);
}

/* Gives back what an answer holds. */
static void give_back(const struct record *answer)
{
    if (answer->type == RECORD_JOINED)
        history_range_unref(((const struct record_joined *)answer)->range);
    else if (answer->type == RECORD_HISTORY_ANSWER)
        history_range_unref(((const struct record_history_answer *)answer)->range);
    else if (answer->type == RECORD_PRESENCE_ANSWER)
        presence_list_unref(((const struct record_presence_answer *)answer)->list);
}

void sdk_answer_free(struct record *answer)
{
    if (answer)
        give_back(answer);
    free(answer);
}

void sdk_keep_answer(struct connection *connection, const struct record *answer)
{
    struct record *copy = malloc(answer->size);

    if (!copy) {
        give_back(answer);
        connection_doom(connection, CLOSE_LOST);
        return;
    }
    memcpy(copy, answer, answer->size);
    connection->sdk->answer = copy;
    sdk_list(connection);
}

static void take_answer(struct connection *connection)
{
    struct record *answer = connection->sdk->answer;

    connection->sdk->answer = NULL;
    if (answer->type == RECORD_JOINED)
        sdk_subscribed(connection, (struct record_joined *)answer);
    else if (answer->type == RECORD_HISTORY_ANSWER)
        sdk_history_answered(connection, (struct record_history_answer *)answer);
    else if (answer->type == RECORD_PRESENCE_ANSWER)
        sdk_presence_answered(connection, (struct record_presence_answer *)answer);
    sdk_answer_free(answer);
    connection->sdk->waiting = false;
}

void sdk_session_turn(struct connection *connection)
{
    struct sdk_session *session = connection->sdk;

    session->listed = false;
    if (connection->state == CONNECTION_JOINING && !connection->joins_open)
        sdk_connected(connection);
    else if (connection->state == CONNECTION_OPEN && session->answer)
        take_answer(connection);
    if (connection->state == CONNECTION_OPEN || connection->state == CONNECTION_GREETING)
        sdk_session_go_on(connection);
}

void sdk_session_unclogged(struct connection *connection)
{
    if (can_work(connection))
        sdk_list(connection);
}

void sdk_session_message(struct connection *connection, enum frame_opcode opcode, uint8_t *bytes,
                         size_t size)
{
    struct sdk_session *session = connection->sdk;

    if (opcode != sdk_opcode(session->format)) {
        free(bytes);
        sdk_close(connection, SDK_CLOSE_BAD_REQUEST);
        return;
    }
    session->work = calloc(1, sizeof(*session->work));
    if (!session->work) {
        free(bytes);
        connection_doom(connection, CLOSE_LOST);
        return;
    }
    session->work->bytes = bytes;
    session->taken = connection->shard->wheel.now;
    sdk_commands_begin(&session->work->commands, session->format, bytes, size);
    sdk_session_go_on(connection);
}

struct connection *sdk_asker(const struct shard *shard, struct slot_ref ref, uint32_t number)
{
    struct connection *connection = slot_table_get(&shard->connections.slots, ref);

    if (!connection || connection->state != CONNECTION_OPEN || !connection->sdk ||
        !connection->sdk->waiting || connection->sdk->number != number)
        return NULL;
    return connection;
}

/* Time */

static void ping(struct connection *connection)
{
    struct sdk_session *session = connection->sdk;

    connection->pinged = true;
    session->pinged = connection->shard->wheel.now;
    connection_await_pong(connection);
    if (connection->blocked)
        connection_watch(connection, true);
    sdk_flush(connection);
    sdk_check(connection, sdk_reply_ping(&session->out, session->format));
    sdk_flush(connection);
}

/* A message takes long, as a home is slow to answer or the answers are much for the client's line:
 * a pong behind it may be there, unread. */
static bool pong_may_wait(const struct connection *connection)
{
    const struct sdk_session *session = connection->sdk;

    return session->work && connection->shard->wheel.now - session->taken >= WHEEL_PER_SECOND &&
           (session->waiting || connection->output_moved);
}

void sdk_session_due(struct connection *connection)
{
    if (connection->state == CONNECTION_GREETING)
        sdk_close(connection, SDK_CLOSE_STALE);
    else if (connection->pinged && pong_may_wait(connection))
        connection_await_pong(connection);
    else if (connection->pinged)
        sdk_close(connection, SDK_CLOSE_NO_PONG);
    else
        ping(connection);
    connection->output_moved = false;
}
