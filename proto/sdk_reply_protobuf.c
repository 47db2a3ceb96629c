/* Replies and pushes in Protobuf: libprotobuf-c packs what is built here of a few structs, which
 * point to payloads and do not copy them. A publication for many is written by hand, in
 * sdk_push_protobuf.c. */
#include <string.h>

#include "proto/arena.h"
#include "proto/centrifuge.pb-c.h"
#include "proto/sdk_encode.h"
#include "proto/varint.h"

/* protobuf-c's strings are not constant, although it only reads them. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)(text ? text : "");
}

/* A copy that is ended by NUL, as protobuf-c wants it. */
static char *copy_of(struct arena *arena, struct name_view view)
{
    char *copy = arena_get(arena, 1, (size_t)view.size + 1);

    if (!copy)
        return text_of("");
    if (view.size)
        memcpy(copy, view.bytes, view.size);
    copy[view.size] = '\0';
    return copy;
}

/* Bytes that it takes with its length before it. */
static size_t reply_bytes(const Sdk__Reply *reply)
{
    size_t bytes = sdk__reply__get_packed_size(reply);

    return varint_bytes(bytes) + bytes;
}

static uint8_t *reply_write(uint8_t *out, const Sdk__Reply *reply)
{
    out = varint_write(out, sdk__reply__get_packed_size(reply));
    return out + sdk__reply__pack(reply, out);
}

static int append_reply(struct buffer *out, const Sdk__Reply *reply, size_t max)
{
    size_t bytes = reply_bytes(reply);
    int error = bytes > max ? ERR_TOO_LARGE : buffer_reserve(out, bytes);

    if (error)
        return error;
    reply_write(out->bytes + out->size, reply);
    out->size += bytes;
    return 0;
}

/* The same, and gives back what the reply was made of. */
static int end_reply(struct buffer *out, const Sdk__Reply *reply, struct arena *arena, size_t max)
{
    int error = arena->failed ? ERR_NOMEM : append_reply(out, reply, max);

    arena_end(arena);
    return error;
}

static void fill_client(struct arena *arena, Sdk__ClientInfo *info, const struct publisher *client)
{
    sdk__client_info__init(info);
    info->user = copy_of(arena, client->user);
    info->client = copy_of(arena, client->client);
}

static void fill_publication(struct arena *arena, Sdk__Publication *publication,
                             const struct sdk_publication *from)
{
    struct publisher publisher;

    sdk__publication__init(publication);
    publication->offset = from->offset;
    publication->data.data = payload_body(from->payload);
    publication->data.len = from->payload->body_bytes;
    if (payload_publisher(from->payload, &publisher)) {
        publication->info = arena_get(arena, 1, sizeof(*publication->info));
        if (publication->info)
            fill_client(arena, publication->info, &publisher);
    }
}

static Sdk__Publication **make_publications(struct arena *arena, const struct sdk_publication *from,
                                            uint32_t count)
{
    Sdk__Publication **list = arena_get(arena, count, sizeof(*list));
    Sdk__Publication *publications = arena_get(arena, count, sizeof(*publications));

    for (uint32_t i = 0; i < count && !arena->failed; i++) {
        fill_publication(arena, &publications[i], &from[i]);
        list[i] = &publications[i];
    }
    return list;
}

static void fill_subscription(struct arena *arena, Sdk__SubscribeResult *result,
                              const struct sdk_subscription *from)
{
    sdk__subscribe_result__init(result);
    result->recoverable = from->recoverable;
    result->positioned = from->positioned;
    result->was_recovering = from->was_recovering;
    result->recovered = from->recovered;
    if (from->recoverable || from->positioned) {
        result->epoch = text_of(from->epoch);
        result->offset = from->offset;
    }
    result->publications = make_publications(arena, from->publications, from->publication_count);
    result->n_publications = from->publication_count;
}

static int reply_connect(struct buffer *out, uint64_t id, const struct sdk_connected *connected,
                         size_t max)
{
    Sdk__Reply reply = SDK__REPLY__INIT;
    Sdk__ConnectResult result = SDK__CONNECT_RESULT__INIT;
    struct arena arena;

    arena_begin(&arena);
    Sdk__ConnectResult__SubsEntry *entries =
        arena_get(&arena, connected->sub_count, sizeof(*entries));
    Sdk__SubscribeResult *subs = arena_get(&arena, connected->sub_count, sizeof(*subs));
    result.subs = arena_get(&arena, connected->sub_count, sizeof(*result.subs));
    for (uint32_t i = 0; i < connected->sub_count && !arena.failed; i++) {
        sdk__connect_result__subs_entry__init(&entries[i]);
        entries[i].key = copy_of(&arena, connected->subs[i].channel);
        entries[i].value = &subs[i];
        fill_subscription(&arena, &subs[i], &connected->subs[i].subscription);
        result.subs[i] = &entries[i];
    }
    result.n_subs = connected->sub_count;
    result.client = copy_of(&arena, connected->client);
    result.version = text_of(connected->version);
    result.ping = connected->ping_seconds;
    result.pong = connected->ping_seconds > 0;
    reply.id = (uint32_t)id;
    reply.connect = &result;
    return end_reply(out, &reply, &arena, max);
}

static int reply_subscribe(struct buffer *out, uint64_t id,
                           const struct sdk_subscription *subscription, size_t max)
{
    Sdk__Reply reply = SDK__REPLY__INIT;
    Sdk__SubscribeResult result;
    struct arena arena;

    arena_begin(&arena);
    fill_subscription(&arena, &result, subscription);
    reply.id = (uint32_t)id;
    reply.subscribe = &result;
    return end_reply(out, &reply, &arena, max);
}

/* The most publications with which the reply stays within `max`; one at least. */
static void cut_history(const Sdk__Reply *reply, Sdk__HistoryResult *history, size_t max)
{
    size_t fits = 1, over = history->n_publications + 1;

    while (over - fits > 1) {
        history->n_publications = fits + (over - fits) / 2;
        if (reply_bytes(reply) <= max)
            fits = history->n_publications;
        else
            over = history->n_publications;
    }
    history->n_publications = fits;
}

static int reply_history(struct buffer *out, uint64_t id, const struct sdk_history *history,
                         size_t max)
{
    Sdk__Reply reply = SDK__REPLY__INIT;
    Sdk__HistoryResult result = SDK__HISTORY_RESULT__INIT;
    struct arena arena;

    arena_begin(&arena);
    result.publications =
        make_publications(&arena, history->publications, history->publication_count);
    result.n_publications = history->publication_count;
    result.epoch = text_of(history->epoch);
    result.offset = history->offset;
    reply.id = (uint32_t)id;
    reply.history = &result;
    if (result.n_publications && !arena.failed)
        cut_history(&reply, &result, max);
    return end_reply(out, &reply, &arena, SIZE_MAX);
}

static int reply_presence(struct buffer *out, uint64_t id, const struct publisher *clients,
                          uint32_t count)
{
    Sdk__Reply reply = SDK__REPLY__INIT;
    Sdk__PresenceResult result = SDK__PRESENCE_RESULT__INIT;
    struct arena arena;

    arena_begin(&arena);
    Sdk__PresenceResult__PresenceEntry *entries = arena_get(&arena, count, sizeof(*entries));
    Sdk__ClientInfo *infos = arena_get(&arena, count, sizeof(*infos));
    result.presence = arena_get(&arena, count, sizeof(*result.presence));
    for (uint32_t i = 0; i < count && !arena.failed; i++) {
        sdk__presence_result__presence_entry__init(&entries[i]);
        fill_client(&arena, &infos[i], &clients[i]);
        entries[i].key = infos[i].client;
        entries[i].value = &infos[i];
        result.presence[i] = &entries[i];
    }
    result.n_presence = count;
    reply.id = (uint32_t)id;
    reply.presence = &result;
    return end_reply(out, &reply, &arena, SIZE_MAX);
}

static int reply_presence_stats(struct buffer *out, uint64_t id, uint32_t clients, uint32_t users)
{
    Sdk__Reply reply = SDK__REPLY__INIT;
    Sdk__PresenceStatsResult result = SDK__PRESENCE_STATS_RESULT__INIT;

    result.num_clients = clients;
    result.num_users = users;
    reply.id = (uint32_t)id;
    reply.presence_stats = &result;
    return append_reply(out, &reply, SIZE_MAX);
}

static int reply_empty(struct buffer *out, uint64_t id, enum sdk_method method)
{
    Sdk__Reply reply = SDK__REPLY__INIT;
    Sdk__UnsubscribeResult unsubscribed = SDK__UNSUBSCRIBE_RESULT__INIT;
    Sdk__PublishResult published = SDK__PUBLISH_RESULT__INIT;
    Sdk__PingResult pinged = SDK__PING_RESULT__INIT;

    reply.id = (uint32_t)id;
    if (method == SDK_UNSUBSCRIBE)
        reply.unsubscribe = &unsubscribed;
    else if (method == SDK_PUBLISH)
        reply.publish = &published;
    else
        reply.ping = &pinged;
    return append_reply(out, &reply, SIZE_MAX);
}

static int reply_error(struct buffer *out, uint64_t id, const struct sdk_error_info *error)
{
    Sdk__Reply reply = SDK__REPLY__INIT;
    Sdk__Error result = SDK__ERROR__INIT;

    result.code = error->code;
    result.message = text_of(error->message);
    result.temporary = error->temporary;
    reply.id = (uint32_t)id;
    reply.error = &result;
    return append_reply(out, &reply, SIZE_MAX);
}

static int reply_ping(struct buffer *out)
{
    Sdk__Reply reply = SDK__REPLY__INIT;

    return append_reply(out, &reply, SIZE_MAX);
}

static int push_unsubscribe(struct buffer *out, struct name_view channel, uint32_t code,
                            const char *reason)
{
    Sdk__Reply reply = SDK__REPLY__INIT;
    Sdk__Push push = SDK__PUSH__INIT;
    Sdk__Unsubscribe unsubscribe = SDK__UNSUBSCRIBE__INIT;
    struct arena arena;

    arena_begin(&arena);
    unsubscribe.code = code;
    unsubscribe.reason = text_of(reason);
    push.channel = copy_of(&arena, channel);
    push.unsubscribe = &unsubscribe;
    reply.push = &push;
    return end_reply(out, &reply, &arena, SIZE_MAX);
}

static int push_disconnect(struct buffer *out, uint32_t code, const char *reason)
{
    Sdk__Reply reply = SDK__REPLY__INIT;
    Sdk__Push push = SDK__PUSH__INIT;
    Sdk__Disconnect disconnect = SDK__DISCONNECT__INIT;

    disconnect.code = code;
    disconnect.reason = text_of(reason);
    push.disconnect = &disconnect;
    reply.push = &push;
    return append_reply(out, &reply, SIZE_MAX);
}

static struct payload *push_presence(struct name_view channel, bool joined,
                                     const struct publisher *client)
{
    Sdk__Reply reply = SDK__REPLY__INIT;
    Sdk__Push push = SDK__PUSH__INIT;
    Sdk__Join join = SDK__JOIN__INIT;
    Sdk__Leave leave = SDK__LEAVE__INIT;
    Sdk__ClientInfo info;
    struct payload *payload = NULL;
    struct arena arena;

    arena_begin(&arena);
    fill_client(&arena, &info, client);
    push.channel = copy_of(&arena, channel);
    join.info = leave.info = &info;
    if (joined)
        push.join = &join;
    else
        push.leave = &leave;
    reply.push = &push;
    if (!arena.failed)
        payload = payload_new(PAYLOAD_BINARY, (uint32_t)reply_bytes(&reply));
    if (payload)
        reply_write(payload_body(payload), &reply);
    arena_end(&arena);
    return payload;
}

const struct sdk_encoder sdk_protobuf_encoder = {
    .connect = reply_connect,
    .subscribe = reply_subscribe,
    .history = reply_history,
    .presence = reply_presence,
    .presence_stats = reply_presence_stats,
    .empty = reply_empty,
    .error = reply_error,
    .ping = reply_ping,
    .push_unsubscribe = push_unsubscribe,
    .push_disconnect = push_disconnect,
    .push_publication = sdk_protobuf_publication,
    .push_presence = push_presence,
};
