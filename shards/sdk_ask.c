/* What a session asks of a group besides its messages: to publish, its history, who is there. */
#include <stdlib.h>
#include <string.h>

#include "shards/epoch.h"
#include "shards/history_range.h"
#include "shards/outbox.h"
#include "shards/presence.h"
#include "shards/sdk_internal.h"
#include "shards/settings.h"
#include "shards/shard.h"

static const struct namespace_settings *settings_of(const struct connection *connection,
                                                    const struct sdk_command *command)
{
    return settings_namespace(connection->shard->settings, command->channel.bytes,
                              command->channel.size);
}

static struct named name_of(const struct connection *connection, const struct sdk_command *command)
{
    const struct command_name *channel = &command->channel;

    return (struct named){
        group_name_hash(channel->bytes, channel->size, connection->shard->world->hash_key),
        channel->size, (char *)channel->bytes};
}

static bool is_user_group(const struct sdk_command *command)
{
    return group_name_category(command->channel.bytes, command->channel.size) == GROUP_USER;
}

/* Publishing */

/* What a producer is refused for, too, counts as it does there. */
static int bad_publish(const struct connection *connection, enum refusal refusal)
{
    counter_add(&connection->shard->counters->refused[refusal], 1);
    return SDK_ERROR_BAD_REQUEST;
}

static int publish_refusal(const struct connection *connection, const struct sdk_command *command)
{
    if (command->channel_bad)
        return bad_publish(connection, REFUSAL_BAD_GROUP);
    if (command->type)
        return SDK_ERROR_NOT_AVAILABLE;
    if (is_user_group(command) || !settings_of(connection, command)->client_publish)
        return SDK_ERROR_NOT_ALLOWED;
    if (!command->data)
        return SDK_ERROR_BAD_REQUEST;
    if (command->data_size > connection->shard->settings->limits.message_bytes)
        return bad_publish(connection, REFUSAL_TOO_LARGE);
    return -1;
}

enum sdk_outcome sdk_publish(struct connection *connection, const struct sdk_command *command)
{
    struct sdk_session *session = connection->sdk;
    struct named name = name_of(connection, command);
    int refusal = publish_refusal(connection, command);

    if (refusal >= 0) {
        sdk_error(connection, command, (enum sdk_error)refusal);
        return SDK_DONE;
    }
    struct payload *payload =
        connection_payload(connection, command->data_kind, command->data_size);
    if (!payload) {
        connection_doom(connection, CLOSE_LOST);
        return SDK_CLOSED;
    }
    memcpy(payload_body(payload), command->data, command->data_size);
    shard_publish(connection->shard, &name, payload, PRIORITY_UNSET,
                  (struct command_ref){.producer = SESSION_COMMAND,
                                       .part = connection->ref.slot,
                                       .generation = connection->ref.generation,
                                       .sequence = ++session->number},
                  (struct slot_ref){NO_SLOT, 0});
    return SDK_WAITS;
}

void sdk_session_published(struct shard *shard, const struct record_answer *answer)
{
    struct slot_ref ref = {answer->command.part, answer->command.generation};
    struct connection *connection = sdk_asker(shard, ref, answer->command.sequence);

    if (!connection)
        return;
    struct sdk_session *session = connection->sdk;
    const struct sdk_command *command = &session->work->command;
    if (answer->refusal == REFUSAL_NONE)
        sdk_check(connection,
                  sdk_reply_empty(&session->out, session->format, command->id, SDK_PUBLISH));
    else
        sdk_error(connection, command,
                  answer->refusal == REFUSAL_RATE_LIMITED ? SDK_ERROR_TOO_MANY_REQUESTS
                                                          : SDK_ERROR_GROUP_FULL);
    sdk_command_done(connection);
}

/* Asking */

/* Whoever may join a group may ask about it: of users' groups only the user's own. */
static int ask_refusal(const struct connection *connection, const struct sdk_command *command,
                       bool available)
{
    if (command->channel_bad)
        return SDK_ERROR_BAD_REQUEST;
    if (is_user_group(command) &&
        !connection_find_member(connection, command->channel.bytes, command->channel.size))
        return SDK_ERROR_NOT_ALLOWED;
    return available ? -1 : SDK_ERROR_NOT_AVAILABLE;
}

static enum sdk_outcome ask_presence(struct connection *connection,
                                     const struct sdk_command *command, bool counts)
{
    struct shard *shard = connection->shard;
    struct named name = name_of(connection, command);
    struct record_presence *question =
        outbox_add(shard->outbox, shard_home(shard, name.hash), OUTBOX_NORMAL, RECORD_PRESENCE,
                   sizeof(*question), &name, 0, 0);

    question->connection = connection->ref;
    question->number = ++connection->sdk->number;
    question->counts = counts;
    return SDK_WAITS;
}

enum sdk_outcome sdk_presence(struct connection *connection, const struct sdk_command *command)
{
    int refusal = ask_refusal(connection, command, settings_of(connection, command)->presence);

    if (refusal >= 0) {
        sdk_error(connection, command, (enum sdk_error)refusal);
        return SDK_DONE;
    }
    return ask_presence(connection, command, command->method == SDK_PRESENCE_STATS);
}

enum sdk_outcome sdk_await_home(struct connection *connection, const struct sdk_command *command)
{
    return ask_presence(connection, command, true); /* any question would do */
}

static int reply_presence(struct connection *connection,
                          const struct record_presence_answer *answer)
{
    struct sdk_session *session = connection->sdk;
    const struct sdk_command *command = &session->work->command;

    if (answer->failed)
        return ERR_NOMEM;
    if (command->method == SDK_UNSUBSCRIBE)
        return sdk_reply_empty(&session->out, session->format, command->id, SDK_UNSUBSCRIBE);
    if (command->method == SDK_PRESENCE_STATS)
        return sdk_reply_presence_stats(&session->out, session->format, command->id,
                                        answer->clients, answer->users);
    return sdk_reply_presence(&session->out, session->format, command->id,
                              answer->list ? answer->list->clients : NULL,
                              answer->list ? answer->list->count : 0);
}

void sdk_presence_answered(struct connection *connection,
                           const struct record_presence_answer *answer)
{
    sdk_flush(connection); /* a long answer goes alone */
    sdk_check(connection, reply_presence(connection, answer));
    sdk_flush(connection);
}

void sdk_session_presence(struct shard *shard, const struct record_presence_answer *answer)
{
    struct connection *connection = sdk_asker(shard, answer->connection, answer->number);

    if (connection)
        sdk_keep_answer(connection, &answer->head);
    else
        presence_list_unref(answer->list);
}

static int history_refusal(const struct connection *connection, const struct sdk_command *command)
{
    int refusal =
        ask_refusal(connection, command, settings_of(connection, command)->history.messages != 0);

    if (refusal < 0 && command->reverse && command->has_since && !command->position.offset)
        return SDK_ERROR_BAD_REQUEST;
    return refusal;
}

enum sdk_outcome sdk_history(struct connection *connection, const struct sdk_command *command)
{
    struct shard *shard = connection->shard;
    struct named name = name_of(connection, command);
    int refusal = history_refusal(connection, command);

    if (refusal >= 0) {
        sdk_error(connection, command, (enum sdk_error)refusal);
        return SDK_DONE;
    }
    struct record_history *question =
        outbox_add(shard->outbox, shard_home(shard, name.hash), OUTBOX_NORMAL, RECORD_HISTORY,
                   sizeof(*question), &name, 0, 0);
    question->asker = (struct history_asker){
        .command = {.producer = NO_PRODUCER},
        .connection = connection->ref,
        .number = ++connection->sdk->number,
    };
    question->query = (struct history_query){
        .limit = command->limit < 0 ? UINT64_MAX : (uint64_t)command->limit,
        .since = command->has_since,
        .any_epoch = !command->position.epoch[0],
        .epoch = epoch_read(command->position.epoch, strlen(command->position.epoch)),
        .offset = command->position.offset,
        .newest = command->reverse,
    };
    shard->under_way += question->head.size;
    return SDK_WAITS;
}

/* The range's messages, in the order that was asked for; NULL: none, or out of memory. */
static struct sdk_publication *publications_of(const struct history_range *range, bool reverse)
{
    uint32_t count = range ? range->count : 0;
    struct sdk_publication *publications = count ? malloc(count * sizeof(*publications)) : NULL;

    for (uint32_t i = 0; publications && i < count; i++) {
        uint32_t from = reverse ? count - 1 - i : i;

        publications[i] = (struct sdk_publication){range->messages[from], range->first + from};
    }
    return publications;
}

static int reply_history(struct connection *connection, const struct record_history_answer *answer)
{
    struct sdk_session *session = connection->sdk;
    const struct sdk_command *command = &session->work->command;
    char epoch[EPOCH_TEXT_MAX];
    struct sdk_history history = {
        .epoch = answer->epoch == EPOCH_NONE ? "" : epoch_text(answer->epoch, epoch),
        .offset = answer->offset,
        .publication_count = answer->range ? answer->range->count : 0,
    };
    struct sdk_publication *publications = publications_of(answer->range, command->reverse);

    if ((history.publication_count && !publications) || answer->outcome == HISTORY_OVERLOADED)
        return ERR_NOMEM;
    history.publications = publications;
    int error = sdk_reply_history(&session->out, session->format, command->id, &history,
                                  connection->shard->settings->limits.recovery_bytes);
    free(publications);
    return error;
}

void sdk_history_answered(struct connection *connection, const struct record_history_answer *answer)
{
    sdk_flush(connection); /* a long answer goes alone */
    if (answer->outcome == HISTORY_OTHER_EPOCH)
        sdk_error(connection, &connection->sdk->work->command, SDK_ERROR_UNRECOVERABLE);
    else
        sdk_check(connection, reply_history(connection, answer));
    sdk_flush(connection);
}

void sdk_session_history(struct shard *shard, const struct record_history_answer *answer)
{
    struct connection *connection =
        sdk_asker(shard, answer->asker.connection, answer->asker.number);

    if (!connection)
        return;
    if (answer->range)
        history_range_ref(answer->range);
    sdk_keep_answer(connection, &answer->head);
}
