#include "proto/sdk_decode.h"

#define AT(member) offsetof(struct sdk_command, member)
#define NOWHERE    0
#define FIELDS(array)                           \
    {                                           \
        array, sizeof(array) / sizeof(array[0]) \
    }

static const struct sdk_field connect_fields[] = {
    {"token", 1, SDK_FIELD_STRING, AT(token)}, {"data", 2, SDK_FIELD_ANY, NOWHERE},
    {"subs", 3, SDK_FIELD_SUBS, NOWHERE},      {"name", 4, SDK_FIELD_STRING, NOWHERE},
    {"version", 5, SDK_FIELD_STRING, NOWHERE}, {"headers", 6, SDK_FIELD_HEADERS, NOWHERE},
    {"flag", 7, SDK_FIELD_INT64, NOWHERE},     {"dict", 8, SDK_FIELD_STRING, NOWHERE},
    {"profile", 9, SDK_FIELD_STRING, NOWHERE},
};

static const struct sdk_field subscribe_fields[] = {
    {"channel", 1, SDK_FIELD_CHANNEL, AT(channel)},
    {"token", 2, SDK_FIELD_STRING, AT(token)},
    {"recover", 3, SDK_FIELD_BOOL, AT(recover)},
    {"epoch", 6, SDK_FIELD_EPOCH, AT(position.epoch)},
    {"offset", 7, SDK_FIELD_UINT64, AT(position.offset)},
    {"data", 8, SDK_FIELD_ANY, NOWHERE},
    {"positioned", 9, SDK_FIELD_BOOL, AT(positioned)},
    {"recoverable", 10, SDK_FIELD_BOOL, AT(recoverable)},
    {"join_leave", 11, SDK_FIELD_BOOL, AT(join_leave)},
    {"delta", 12, SDK_FIELD_STRING, NOWHERE},
    {"tf", 13, SDK_FIELD_MESSAGE, NOWHERE},
    {"flag", 14, SDK_FIELD_INT64, AT(flag)},
    {"type", 15, SDK_FIELD_INT32, AT(type)},
    {"phase", 16, SDK_FIELD_INT32, NOWHERE},
    {"cursor", 17, SDK_FIELD_STRING, NOWHERE},
    {"limit", 18, SDK_FIELD_INT32, NOWHERE},
    {"asc", 19, SDK_FIELD_BOOL, NOWHERE},
};

static const struct sdk_field channel_fields[] = {
    {"channel", 1, SDK_FIELD_CHANNEL, AT(channel)},
};

static const struct sdk_field publish_fields[] = {
    {"channel", 1, SDK_FIELD_CHANNEL, AT(channel)}, {"data", 2, SDK_FIELD_DATA, AT(data)},
    {"type", 3, SDK_FIELD_INT32, AT(type)},         {"key", 4, SDK_FIELD_STRING, NOWHERE},
    {"removed", 5, SDK_FIELD_BOOL, NOWHERE},
};

static const struct sdk_field history_fields[] = {
    {"channel", 1, SDK_FIELD_CHANNEL, AT(channel)},
    {"limit", 7, SDK_FIELD_INT32, AT(limit)},
    {"since", 8, SDK_FIELD_SINCE, NOWHERE},
    {"reverse", 9, SDK_FIELD_BOOL, AT(reverse)},
};

static const struct sdk_field since_fields[] = {
    {"offset", 1, SDK_FIELD_UINT64, AT(position.offset)},
    {"epoch", 2, SDK_FIELD_EPOCH, AT(position.epoch)},
};

static const struct sdk_field header_fields[] = {
    {"key", 1, SDK_FIELD_STRING, NOWHERE},
    {"value", 2, SDK_FIELD_STRING, NOWHERE},
};

static const struct sdk_field send_fields[] = {
    {"data", 1, SDK_FIELD_ANY, NOWHERE},
};

static const struct sdk_field rpc_fields[] = {
    {"data", 1, SDK_FIELD_ANY, NOWHERE},
    {"method", 2, SDK_FIELD_STRING, NOWHERE},
};

static const struct sdk_field refresh_fields[] = {
    {"token", 1, SDK_FIELD_STRING, AT(token)},
};

static const struct sdk_field sub_refresh_fields[] = {
    {"channel", 1, SDK_FIELD_CHANNEL, AT(channel)}, {"token", 2, SDK_FIELD_STRING, AT(token)},
    {"type", 3, SDK_FIELD_INT32, NOWHERE},          {"track", 4, SDK_FIELD_MESSAGE, NOWHERE},
    {"untrack", 5, SDK_FIELD_ANY, NOWHERE},
};

static const struct sdk_fields requests[SDK_METHOD_COUNT] = {
    [SDK_CONNECT] = FIELDS(connect_fields),
    [SDK_SUBSCRIBE] = FIELDS(subscribe_fields),
    [SDK_UNSUBSCRIBE] = FIELDS(channel_fields),
    [SDK_PUBLISH] = FIELDS(publish_fields),
    [SDK_PRESENCE] = FIELDS(channel_fields),
    [SDK_PRESENCE_STATS] = FIELDS(channel_fields),
    [SDK_HISTORY] = FIELDS(history_fields),
    [SDK_SEND] = FIELDS(send_fields),
    [SDK_RPC] = FIELDS(rpc_fields),
    [SDK_REFRESH] = FIELDS(refresh_fields),
    [SDK_SUB_REFRESH] = FIELDS(sub_refresh_fields),
};

const struct sdk_fields sdk_since_fields = FIELDS(since_fields);
const struct sdk_fields sdk_header_fields = FIELDS(header_fields);
const struct sdk_fields sdk_no_fields;

const struct sdk_fields *sdk_request_fields(enum sdk_method method)
{
    return &requests[method];
}
