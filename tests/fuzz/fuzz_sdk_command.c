/* The Centrifuge client protocol's commands: what the decoder makes of each keeps the promises of
 * sdk_command.h, and a parser that nobody here wrote (jansson, libprotobuf-c) reads the same.
 *
 * Input: one byte chooses the form; the rest is a WebSocket message. */
#define _GNU_SOURCE /* memmem */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/centrifuge.pb-c.h"
#include "proto/json_scan.h"
#include "proto/sdk_command.h"
#include "proto/sdk_decode.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static void check_inside(const void *bytes, size_t size, struct name_view text)
{
    const char *at = bytes;

    check(at >= text.bytes && size <= text.size && at + size <= text.bytes + text.size);
}

static void check_channel(const struct sdk_command *command)
{
    bool wanted = (command->method >= SDK_SUBSCRIBE && command->method <= SDK_HISTORY) ||
                  command->method == SDK_SUB_REFRESH;
    const struct command_name *channel = &command->channel;

    check(channel->size <= GROUP_NAME_MAX && channel->bytes[channel->size] == '\0');
    check(wanted || (!channel->size && !command->channel_bad));
    if (wanted && !command->channel_bad)
        check(group_name_valid(channel->bytes, channel->size));
}

static void check_position(const struct sdk_position *position)
{
    size_t size = strnlen(position->epoch, sizeof(position->epoch));

    check(size <= EPOCH_MAX);
    for (size_t i = 0; i < size; i++)
        check(strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_",
                     position->epoch[i]) != NULL);
}

static void check_data(const struct sdk_command *command)
{
    check(command->method == SDK_PUBLISH);
    check_inside(command->data, command->data_size, command->text);
    if (command->format == SDK_JSON) {
        check(command->data_kind == PAYLOAD_JSON);
        check(json_valid((const char *)command->data, command->data_size));
        check(!memchr(command->data, '\n', command->data_size));
    } else {
        bool text = utf8_valid(command->data, command->data_size);
        check(command->data_kind == (text ? PAYLOAD_TEXT : PAYLOAD_BINARY));
    }
}

/* The member of that name, unless it is there more than once: then which one counts is our affair.
 */
static const json_t *member(const json_t *object, const char *name, const char *text, size_t size)
{
    const char *first = memmem(text, size, name, strlen(name));
    size_t behind = first ? (size_t)(first + 1 - text) : 0;

    if (!first || memmem(text + behind, size - behind, name, strlen(name)))
        return NULL;
    return json_object_get(object, name);
}

static void check_json(const struct sdk_command *command)
{
    struct name_view text = command->text;
    const char *method = sdk_method_name(command->method);
    const json_t *request, *value;

    /* Levels are counted from each field's value, so the whole may have more of them. */
    check(json_valid(text.bytes, text.size) || text.size > JSON_SCAN_LEVELS_MAX);
    /* jansson has no NUL in keys, no lone surrogates, no numbers beyond a double. */
    json_t *json = json_loadb(text.bytes, text.size, JSON_ALLOW_NUL, NULL);
    if (!json)
        return;
    check(json_is_object(json));
    check((command->method == SDK_PONG) == (json_object_size(json) == 0));
    if (json_is_integer(value = member(json, "id", text.bytes, text.size)))
        check((uint64_t)json_integer_value(value) == command->id);
    request = member(json, method, text.bytes, text.size);
    check(!request || json_is_object(request));
    value = member(request, "channel", text.bytes, text.size);
    if (json_is_string(value) && command->channel.size && !command->channel_bad)
        check(!strcmp(json_string_value(value), command->channel.bytes));
    json_decref(json);
}

/* Tags and lengths of more than five bytes are beyond libprotobuf-c. */
static bool has_long_varint(struct name_view text)
{
    unsigned run = 0;

    for (uint32_t i = 0; i < text.size && run < 5; i++)
        run = (uint8_t)text.bytes[i] & 0x80 ? run + 1 : 0;
    return run == 5;
}

static const ProtobufCMessage *request_of(const Sdk__Command *command, enum sdk_method method)
{
    const void *requests[SDK_METHOD_COUNT] = {
        [SDK_CONNECT] = command->connect,
        [SDK_SUBSCRIBE] = command->subscribe,
        [SDK_UNSUBSCRIBE] = command->unsubscribe,
        [SDK_PUBLISH] = command->publish,
        [SDK_PRESENCE] = command->presence,
        [SDK_PRESENCE_STATS] = command->presence_stats,
        [SDK_HISTORY] = command->history,
        [SDK_PING] = command->ping,
        [SDK_SEND] = command->send,
        [SDK_RPC] = command->rpc,
        [SDK_REFRESH] = command->refresh,
        [SDK_SUB_REFRESH] = command->sub_refresh,
    };

    return requests[method];
}

static unsigned occurrences(struct name_view text, char byte)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < text.size; i++)
        count += text.bytes[i] == byte;
    return count;
}

/* A message given twice is merged; libprotobuf-c (1.4.1) forgets scalars of the first then. */
static bool may_be_merged(const struct sdk_command *command)
{
    char request = (char)((SDK_NUMBER_CONNECT + command->method - SDK_CONNECT) << 3 | 2);
    char since = 8 << 3 | 2;

    return occurrences(command->text, request) != 1 ||
           (command->method == SDK_HISTORY && occurrences(command->text, since) > 1);
}

static void check_same(const struct sdk_command *command, const Sdk__Command *other)
{
    if (command->method == SDK_SUBSCRIBE) {
        const Sdk__SubscribeRequest *request = other->subscribe;

        check(request->recover == command->recover && request->offset == command->position.offset);
        check(request->flag == command->flag && request->type == command->type);
        check(request->join_leave == command->join_leave);
        if (!command->channel_bad)
            check(!strcmp(request->channel, command->channel.bytes));
        if (command->position.epoch[0] && strcmp(command->position.epoch, "_") != 0)
            check(!strcmp(request->epoch, command->position.epoch));
    } else if (command->method == SDK_PUBLISH) {
        ProtobufCBinaryData data = other->publish->data;

        check(data.len == command->data_size && other->publish->type == command->type);
        check(!data.len || !memcmp(data.data, command->data, data.len));
    } else if (command->method == SDK_HISTORY) {
        const Sdk__StreamPosition *since = other->history->since;

        check(other->history->limit == command->limit && !since == !command->has_since);
        check(!since || since->offset == command->position.offset);
    }
}

static void check_protobuf(const struct sdk_command *command)
{
    struct name_view text = command->text;
    Sdk__Command *other = sdk__command__unpack(NULL, text.size, (const uint8_t *)text.bytes);

    check(other || has_long_varint(text));
    if (!other)
        return;
    check(other->id == command->id);
    for (enum sdk_method method = SDK_CONNECT; method < SDK_METHOD_COUNT; method++)
        check(!request_of(other, method) == (method != command->method));
    if (!may_be_merged(command))
        check_same(command, other);
    sdk__command__free_unpacked(other, NULL);
}

static void check_command(const struct sdk_command *command)
{
    struct sdk_sub sub;

    check(command->method < SDK_METHOD_COUNT);
    check(command->id || command->method == SDK_PONG || command->method == SDK_SEND);
    check_channel(command);
    check_position(&command->position);
    if (command->token.bytes)
        check_inside(command->token.bytes, command->token.size, command->text);
    if (command->data)
        check_data(command);
    else
        check(!command->data_size);
    if (sdk_command_sub(command, "user:ann", 8, &sub)) {
        check(command->method == SDK_CONNECT);
        check_position(&sub.position);
    }
    if (command->format == SDK_JSON)
        check_json(command);
    else
        check_protobuf(command);
}

static void read_message(enum sdk_format format, const uint8_t *bytes, size_t size)
{
    struct sdk_commands commands;
    struct sdk_command command;
    unsigned count = 0;
    int result;

    sdk_commands_begin(&commands, format, bytes, size);
    memset(&command, 0xa5, sizeof(command));
    while ((result = sdk_commands_next(&commands, &command)) == 1) {
        check_command(&command);
        check(++count <= size);
        memset(&command, 0xa5, sizeof(command));
    }
    check(result == ERR_PROTOCOL || (result == 0 && count > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;

    enum sdk_format format = data[0] & 1 ? SDK_PROTOBUF : SDK_JSON;
    uint8_t *copy = malloc(size); /* one byte more than the message, which begins behind it */

    check(copy != NULL);
    memcpy(copy, data, size);
    if (format == SDK_PROTOBUF || utf8_valid(copy + 1, size - 1)) /* a text message is UTF-8 */
        read_message(format, copy + 1, size - 1);
    free(copy);
    return 0;
}
