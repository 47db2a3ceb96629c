/* A session's subscriptions: those that come with the connect, and those that are asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shards/client_id.h"
#include "shards/epoch.h"
#include "shards/history_range.h"
#include "shards/sdk_internal.h"
#include "shards/settings.h"
#include "shards/shard.h"

#define CONNECT_SECONDS 10

static int join(struct connection *connection, const char *name, size_t size, bool joins,
                const struct join_recovery *recovery)
{
    struct shard *shard = connection->shard;
    const struct sdk_session *session = connection->sdk;
    struct member *member = connection_add_member(connection);
    struct named key = {group_name_hash(name, size, shard->world->hash_key), (uint32_t)size,
                        (char *)name};
    struct join_wish wish = {
        .form = session->format == SDK_JSON ? (joins ? FORM_JSON_JOINS : FORM_JSON)
                                            : (joins ? FORM_PROTOBUF_JOINS : FORM_PROTOBUF),
        .held = true,
        .positioned = true,
        .user = {session->user, (uint32_t)strlen(session->user)},
        .recovery = *recovery,
    };

    if (!member)
        return ERR_NOMEM;
    return group_join(&shard->groups, member, &key, (uint32_t)(member - connection->members),
                      &wish);
}

static struct join_recovery recovery_from(const struct sdk_position *position, bool must)
{
    return (struct join_recovery){
        .want = RECOVER_SINCE,
        .must = must,
        .any_epoch = !position->epoch[0],
        .epoch = epoch_read(position->epoch, strlen(position->epoch)),
        .offset = position->offset,
    };
}

/* What a subscription is answered; `publications` are the caller's to free. */
struct answerable {
    struct sdk_subscription subscription;
    struct sdk_publication *publications;
    char epoch[EPOCH_TEXT_MAX];
};

static int answerable_make(struct answerable *answerable, const struct sdk_start *start)
{
    struct sdk_subscription *subscription = &answerable->subscription;
    const struct history_range *range = start->range;

    memset(answerable, 0, sizeof(*answerable));
    subscription->was_recovering = start->was_recovering;
    subscription->recovered = start->recovered;
    subscription->recoverable = subscription->positioned = start->has_history;
    subscription->offset = start->recovered ? start->asked : start->offset;
    if (start->has_history)
        subscription->epoch = epoch_text(start->epoch, answerable->epoch);
    if (!start->recovered || !range || !range->count)
        return 0;
    answerable->publications = malloc(range->count * sizeof(*answerable->publications));
    if (!answerable->publications)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < range->count; i++)
        answerable->publications[i] =
            (struct sdk_publication){range->messages[i], range->first + i};
    subscription->publications = answerable->publications;
    subscription->publication_count = range->count;
    return 0;
}

/* How long the answer may be: without anything recovered, as long as it is. */
static uint64_t answerable_max(const struct answerable *answerable,
                               const struct connection *connection)
{
    return answerable->subscription.publication_count
               ? connection->shard->settings->limits.recovery_bytes
               : SIZE_MAX;
}

/* The same where what was missed is more than one answer carries. */
static void answerable_give_up(struct answerable *answerable, const struct sdk_start *start)
{
    answerable->subscription.recovered = false;
    answerable->subscription.offset = start->offset;
    answerable->subscription.publications = NULL;
    answerable->subscription.publication_count = 0;
}

static struct sdk_start start_of(const struct record_joined *joined, bool was_recovering,
                                 uint64_t asked)
{
    return (struct sdk_start){.was_recovering = was_recovering,
                              .recovered = was_recovering && joined->recovered,
                              .has_history = joined->has_history,
                              .asked = asked,
                              .epoch = joined->epoch,
                              .offset = joined->offset,
                              .range = joined->range};
}

/* The client knows of its groups: messages may follow. */
static void release(struct connection *connection)
{
    for (unsigned i = 0; i < connection->member_count; i++)
        if (connection->members[i].held && connection->members[i].state == MEMBER_JOINED)
            member_release(&connection->members[i]);
    if (!connection->blocked)
        connection_flush(connection);
}

/* Connecting */

static size_t user_group(const struct sdk_session *session, char name[GROUP_NAME_MAX + 1])
{
    return (size_t)snprintf(name, GROUP_NAME_MAX + 1, "user:%s", session->user);
}

enum sdk_outcome sdk_connect(struct connection *connection, const struct sdk_command *command)
{
    struct sdk_session *session = connection->sdk;
    struct join_recovery none = {.want = RECOVER_NONE}, recovery = none;
    char name[GROUP_NAME_MAX + 1];
    size_t size = user_group(session, name);
    struct sdk_sub sub;

    session->starts = calloc(SDK_SERVER_SUBS, sizeof(*session->starts));
    if (!session->starts)
        goto fail;
    connection->state = CONNECTION_JOINING;
    wheel_add(&connection->shard->wheel, &connection->deadline, CONNECT_SECONDS * WHEEL_PER_SECOND);
    if (session->user[0] && sdk_command_sub(command, name, size, &sub) && sub.recover) {
        recovery = recovery_from(&sub.position, false);
        session->starts[1].was_recovering = true;
        session->starts[1].asked = sub.position.offset;
    }
    connection->joins_open = 1;
    if (join(connection, GROUP_EVERYONE, GROUP_EVERYONE_BYTES, false, &none))
        goto fail;
    if (session->user[0]) {
        connection->joins_open++;
        if (join(connection, name, size, false, &recovery))
            goto fail;
    }
    return SDK_WAITS;

fail:
    connection_doom(connection, CLOSE_LOST);
    return SDK_CLOSED;
}

static void starts_free(struct sdk_session *session)
{
    for (unsigned i = 0; i < SDK_SERVER_SUBS; i++)
        history_range_unref(session->starts[i].range);
    free(session->starts);
    session->starts = NULL;
}

/* A group has refused: it may try again. */
static void connect_refused(struct connection *connection)
{
    for (unsigned i = 0; i < connection->member_count; i++)
        member_leave(&connection->members[i], DROP_CLOSED);
    sdk_greet(connection);
    sdk_error(connection, &connection->sdk->work->command, SDK_ERROR_GROUP_FULL);
    sdk_drop_work(connection->sdk); /* what came with it was for a connected client */
}

static int reply_connected(struct connection *connection)
{
    struct sdk_session *session = connection->sdk;
    const struct shard *shard = connection->shard;
    uint64_t id = session->work->command.id;
    struct sdk_server_sub subs[SDK_SERVER_SUBS];
    struct answerable user;
    char client[CLIENT_ID_BYTES], name[GROUP_NAME_MAX + 1];
    struct sdk_connected connected = {
        .client = {client, sizeof(client)},
        .version = shard->world->version,
        .ping_seconds = connection->ping_ticks / WHEEL_PER_SECOND,
        .subs = subs,
        .sub_count = session->user[0] ? 2 : 1,
    };

    if (answerable_make(&user, &session->starts[1]))
        return ERR_NOMEM;
    client_id_write(client, shard->world->client_key, shard->index, connection->ref);
    subs[0] = (struct sdk_server_sub){.channel = {GROUP_EVERYONE, GROUP_EVERYONE_BYTES}};
    subs[1] =
        (struct sdk_server_sub){{name, (uint32_t)user_group(session, name)}, user.subscription};
    int error = sdk_reply_connect(&session->out, session->format, id, &connected,
                                  answerable_max(&user, connection));
    if (error == ERR_TOO_LARGE) {
        answerable_give_up(&user, &session->starts[1]);
        subs[1].subscription = user.subscription;
        error = sdk_reply_connect(&session->out, session->format, id, &connected, SIZE_MAX);
    }
    free(user.publications);
    return error;
}

static void begin_pings(struct connection *connection)
{
    uint32_t ticks = connection->ping_ticks;

    /* The first after half to one interval, so that those who come together spread out. */
    if (ticks)
        wheel_add(&connection->shard->wheel, &connection->deadline,
                  ticks / 2 + 1 + shard_random(connection->shard) % (ticks - ticks / 2));
    else
        wheel_remove(&connection->deadline);
}

static void connect_joined(struct connection *connection, const struct record_joined *joined)
{
    struct sdk_session *session = connection->sdk;
    struct sdk_start *start = &session->starts[joined->member];

    if (joined->outcome == JOIN_OK) {
        *start = start_of(joined, start->was_recovering, start->asked);
        if (start->range)
            history_range_ref(start->range);
    } else if (!session->refused) {
        session->refused = true;
        connection_count_refusal(connection, joined->outcome == JOIN_GROUP_FULL
                                                 ? CONNECTION_GROUP_FULL
                                                 : CONNECTION_OVERLOADED);
    }
    if (!--connection->joins_open)
        sdk_list(connection);
}

void sdk_connected(struct connection *connection)
{
    struct sdk_session *session = connection->sdk;

    session->waiting = false;
    if (session->refused) {
        session->refused = false;
        connect_refused(connection);
    } else {
        connection->state = CONNECTION_OPEN;
        connection_opened(connection);
        begin_pings(connection);
        sdk_check(connection, reply_connected(connection));
        sdk_flush(connection);
        release(connection);
    }
    starts_free(session);
}

/* Subscribing */

/* Why the command can be answered without asking the home. */
static int refusal_of(const struct connection *connection, const struct sdk_command *command)
{
    const struct command_name *channel = &command->channel;
    uint32_t groups = 0;

    if (command->channel_bad)
        return SDK_ERROR_BAD_REQUEST;
    if (command->type)
        return SDK_ERROR_NOT_AVAILABLE;
    if (group_name_category(channel->bytes, channel->size) == GROUP_USER)
        return SDK_ERROR_NOT_ALLOWED;
    if (connection_find_member(connection, channel->bytes, channel->size))
        return SDK_ERROR_ALREADY_SUBSCRIBED;
    for (unsigned i = 0; i < connection->member_count; i++) {
        const struct group *group = connection->members[i].group;

        groups += group && group->category != GROUP_USER && group->category != GROUP_ALL;
    }
    if (groups >= connection->shard->settings->limits.groups_per_connection)
        return SDK_ERROR_TOO_MANY_GROUPS;
    return -1;
}

enum sdk_outcome sdk_subscribe(struct connection *connection, const struct sdk_command *command)
{
    struct join_recovery recovery = {.want = RECOVER_NONE};
    int refusal = refusal_of(connection, command);

    if (refusal >= 0) {
        sdk_error(connection, command, (enum sdk_error)refusal);
        return SDK_DONE;
    }
    if (command->recover)
        recovery = recovery_from(&command->position, command->flag & SDK_FLAG_REJECT_UNRECOVERED);
    if (join(connection, command->channel.bytes, command->channel.size, command->join_leave,
             &recovery)) {
        connection_doom(connection, CLOSE_LOST);
        return SDK_CLOSED;
    }
    return SDK_WAITS;
}

/* Answers a subscribe whose join has succeeded. ERR_TOO_LARGE: the client wanted all or nothing. */
static int reply_subscribed(struct connection *connection, const struct sdk_start *start)
{
    struct sdk_session *session = connection->sdk;
    const struct sdk_command *command = &session->work->command;
    struct answerable answerable;

    if (answerable_make(&answerable, start))
        return ERR_NOMEM;
    int error =
        sdk_reply_subscribe(&session->out, session->format, command->id, &answerable.subscription,
                            answerable_max(&answerable, connection));
    if (error == ERR_TOO_LARGE && !(command->flag & SDK_FLAG_REJECT_UNRECOVERED)) {
        answerable_give_up(&answerable, start);
        error = sdk_reply_subscribe(&session->out, session->format, command->id,
                                    &answerable.subscription, SIZE_MAX);
    }
    free(answerable.publications);
    return error;
}

static enum sdk_error join_error(enum join_outcome outcome)
{
    return outcome == JOIN_INSUFFICIENT_STATE ? SDK_ERROR_UNRECOVERABLE : SDK_ERROR_GROUP_FULL;
}

void sdk_subscribed(struct connection *connection, const struct record_joined *joined)
{
    const struct sdk_command *command = &connection->sdk->work->command;
    struct member *member = &connection->members[joined->member];

    sdk_flush(connection);
    if (joined->outcome != JOIN_OK) {
        sdk_error(connection, command, join_error(joined->outcome));
    } else {
        struct sdk_start start = start_of(joined, command->recover, command->position.offset);
        int error = reply_subscribed(connection, &start);

        if (error == ERR_TOO_LARGE) {
            member_leave(member, DROP_CLOSED);
            sdk_error(connection, command, SDK_ERROR_UNRECOVERABLE);
        } else {
            sdk_check(connection, error);
            sdk_flush(connection);
            release(connection);
        }
    }
}

void sdk_session_joined(struct connection *connection, const struct record_joined *joined)
{
    if (connection->state == CONNECTION_JOINING) {
        connect_joined(connection, joined);
    } else if (connection->state == CONNECTION_OPEN) {
        if (joined->range)
            history_range_ref(joined->range);
        sdk_keep_answer(connection, &joined->head);
    }
}

enum sdk_outcome sdk_unsubscribe(struct connection *connection, const struct sdk_command *command)
{
    struct sdk_session *session = connection->sdk;
    struct member *member =
        connection_find_member(connection, command->channel.bytes, command->channel.size);

    /* The server-side subscriptions are not the client's to end. */
    if (!command->channel_bad && member && member->group->category != GROUP_USER) {
        if (connection->mid == member)
            connection_carry_frame(connection);
        member_leave(member, DROP_CLOSED);
        return sdk_await_home(connection, command); /* who knows of the answer may ask it at once */
    }
    sdk_check(connection,
              sdk_reply_empty(&session->out, session->format, command->id, SDK_UNSUBSCRIBE));
    return SDK_DONE;
}
