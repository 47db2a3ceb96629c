#include "proto/sdk.h"

static const char *const methods[SDK_METHOD_COUNT] = {
    "pong",    "connect", "subscribe", "unsubscribe", "publish", "presence",    "presence_stats",
    "history", "ping",    "send",      "rpc",         "refresh", "sub_refresh",
};

static const struct sdk_error_info errors[SDK_ERROR_COUNT] = {
    [SDK_ERROR_NOT_ALLOWED] = {103, false, "permission denied"},
    [SDK_ERROR_ALREADY_SUBSCRIBED] = {105, false, "already subscribed"},
    [SDK_ERROR_GROUP_FULL] = {106, true, "limit exceeded"},
    [SDK_ERROR_TOO_MANY_GROUPS] = {106, false, "limit exceeded"},
    [SDK_ERROR_BAD_REQUEST] = {107, false, "bad request"},
    [SDK_ERROR_NOT_AVAILABLE] = {108, false, "not available"},
    [SDK_ERROR_TOKEN_EXPIRED] = {109, false, "token expired"},
    [SDK_ERROR_TOO_MANY_REQUESTS] = {111, true, "too many requests"},
    [SDK_ERROR_UNRECOVERABLE] = {112, false, "unrecoverable position"},
};

static const struct sdk_close_info closes[SDK_CLOSE_COUNT] = {
    [SDK_CLOSE_SHUTDOWN] = {3001, "shutdown"},
    [SDK_CLOSE_SLOW] = {3008, "slow"},
    [SDK_CLOSE_INSUFFICIENT_STATE] = {3010, "insufficient state"},
    [SDK_CLOSE_NO_PONG] = {3012, "no pong"},
    [SDK_CLOSE_BAD_REQUEST] = {3501, "bad request"},
    [SDK_CLOSE_STALE] = {3502, "stale"},
    [SDK_CLOSE_FORCE_DISCONNECT] = {3503, "force disconnect"},
    [SDK_CLOSE_NOT_AVAILABLE] = {3508, "not available"},
};

const char *sdk_method_name(enum sdk_method method)
{
    return methods[method];
}

const struct sdk_error_info *sdk_error_info(enum sdk_error error)
{
    return &errors[error];
}

const struct sdk_close_info *sdk_close_info(enum sdk_close close)
{
    return &closes[close];
}
