#include "shards/handshake.h"

#include <string.h>
#include <strings.h>

#include "proto/http_asset.h"
#include "proto/http_request.h"
#include "proto/ws_target.h"
#include "shards/connection.h"
#include "shards/origin.h"
#include "shards/sdk_session.h"
#include "shards/settings.h"
#include "shards/shard.h"

#define RAW_PROTOCOL      "shardcast.raw"
#define JSON_PROTOCOL     "centrifuge-json"
#define PROTOBUF_PROTOCOL "centrifuge-protobuf"

struct verdict {
    unsigned status; /* 101: accepted; or a page may be had */
    enum connection_refusal refusal;
    const char *text;
};

static const struct verdict accepted = {101, 0, ""};

/* What the URL asks for, by 404, 400 and 403. */
static struct verdict judge_target(const struct connection *connection,
                                   const struct http_request *request, struct ws_target *target,
                                   char text[160])
{
    const struct settings *settings = connection->shard->settings;
    enum ws_target_fault fault;

    switch (ws_path_kind(request->path)) {
    case WS_PATH_RAW:
        fault = ws_target_parse(target, request->path, request->query,
                                settings->limits.groups_per_connection, text);
        break;
    case WS_PATH_CENTRIFUGE:
        fault = ws_target_parse_sdk(target, request->query, text);
        break;
    default:
        return (struct verdict){404, CONNECTION_NO_SUCH_PATH, "no such path"};
    }
    switch (fault) {
    case WS_TARGET_OK:
        break;
    case WS_TARGET_BAD_GROUP:
        return (struct verdict){400, CONNECTION_BAD_GROUP, text};
    case WS_TARGET_USER_GROUP:
        return (struct verdict){403, CONNECTION_NOT_ALLOWED, text};
    case WS_TARGET_NOMEM:
        return (struct verdict){503, CONNECTION_OVERLOADED, "try again later"};
    default:
        return (struct verdict){400, CONNECTION_BAD_REQUEST, text};
    }
    if (!origin_allowed(settings, request))
        return (struct verdict){403, CONNECTION_NOT_ALLOWED, "origin not allowed"};
    if (target->has_user && !settings->clients_on_loopback && !settings->insecure)
        return (struct verdict){403, CONNECTION_NOT_ALLOWED,
                                "user= is not believed beyond loopback"};
    return accepted;
}

static struct verdict judge_room(const struct connection *connection)
{
    if (connection->shard->draining)
        return (struct verdict){503, CONNECTION_SHUTTING_DOWN, "shutting down"};
    if (connection->over_limit)
        return (struct verdict){503, CONNECTION_LIMIT, "too many connections"};
    return accepted;
}

static struct verdict judge(const struct connection *connection, const struct http_request *request,
                            struct ws_target *target, char text[160])
{
    struct verdict verdict = judge_target(connection, request, target, text);

    if (verdict.status != 101)
        return verdict;
    switch (http_upgrade_check(request)) {
    case HTTP_UPGRADE_OK:
        break;
    case HTTP_UPGRADE_NONE:
        return (struct verdict){426, CONNECTION_BAD_REQUEST, "a WebSocket upgrade is required"};
    case HTTP_UPGRADE_BAD_VERSION:
        return (struct verdict){426, CONNECTION_BAD_REQUEST, "WebSocket version 13 is required"};
    case HTTP_UPGRADE_BAD_REQUEST:
        return (struct verdict){400, CONNECTION_BAD_REQUEST, "not a WebSocket handshake"};
    }
    return judge_room(connection);
}

/* Says 101, with the sub-protocol that has been chosen, if one was offered. */
static void accept_upgrade(struct connection *connection, const struct http_request *request,
                           const char *protocol)
{
    char key[HTTP_ACCEPT_MAX], response[HTTP_RESPONSE_MAX];

    if (http_accept_key(key, request->key))
        connection_doom(connection, CLOSE_LOST);
    else
        connection_send(connection, response, http_upgrade_response(response, key, protocol));
}

static const char *offered(const struct http_request *request, const char *protocol)
{
    return http_has_protocol(request, protocol) ? protocol : NULL;
}

/* The URL's format holds where no sub-protocol names one: JSON clients offer none. */
static void accept_sdk(struct connection *connection, const struct http_request *request,
                       const struct ws_target *target)
{
    const char *protobuf = offered(request, PROTOBUF_PROTOCOL);
    const char *json = protobuf ? NULL : offered(request, JSON_PROTOCOL);
    enum sdk_format format = protobuf || (!json && target->protobuf) ? SDK_PROTOBUF : SDK_JSON;

    accept_upgrade(connection, request, protobuf ? protobuf : json);
    sdk_session_begin(connection, format, target->has_user ? target->user : "");
}

static struct verdict judge_asset(const struct connection *connection, unsigned status)
{
    switch (status) {
    case 400:
        return (struct verdict){400, CONNECTION_BAD_REQUEST, "one valid Host is required"};
    case 405:
        return (struct verdict){405, CONNECTION_BAD_REQUEST, "GET and HEAD only"};
    default:
        return judge_room(connection);
    }
}

/* A browser reads a page. An upgrade that is asked for there is not given. */
static void serve(struct connection *connection, const struct http_request *request,
                  const struct http_asset *asset)
{
    unsigned status = http_asset_status(asset, request);
    struct verdict verdict = judge_asset(connection, status);
    char head[HTTP_ASSET_HEAD_MAX];

    if (verdict.status == 101)
        connection_answer(connection, head, http_asset_head(head, asset, status), asset->bytes,
                          status == 200 && request->get ? asset->size : 0);
    else
        connection_refuse(connection, verdict.status, verdict.text, verdict.refusal);
}

void handshake(struct connection *connection, const char *head, size_t size)
{
    const struct world *world = connection->shard->world;
    struct http_request request;
    struct ws_target target;
    char text[160];

    if (http_request_parse(&request, head, size)) {
        connection_refuse(connection, 400, "not an HTTP request", CONNECTION_BAD_REQUEST);
        return;
    }
    const struct http_asset *asset =
        http_asset_find(world->assets, world->asset_count, request.path);
    if (asset) {
        serve(connection, &request, asset);
        return;
    }
    memset(&target, 0, sizeof(target));
    struct verdict verdict = judge(connection, &request, &target, text);
    if (verdict.status == 101 && ws_path_kind(request.path) == WS_PATH_CENTRIFUGE) {
        accept_sdk(connection, &request, &target);
    } else if (verdict.status == 101) {
        accept_upgrade(connection, &request, offered(&request, RAW_PROTOCOL));
        connection_join(connection, &target);
    } else {
        connection_refuse(connection, verdict.status, verdict.text, verdict.refusal);
    }
    ws_target_clear(&target);
}
