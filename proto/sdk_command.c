#include "proto/sdk_command.h"

#include <string.h>

#include "proto/sdk_decode.h"
#include "proto/varint.h"

void sdk_commands_begin(struct sdk_commands *commands, enum sdk_format format, const uint8_t *bytes,
                        size_t size)
{
    *commands = (struct sdk_commands){format, bytes, bytes + size, false};
}

static bool is_blank(const uint8_t *at, const uint8_t *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at == end;
}

/* The next line that holds something. */
static bool next_line(struct sdk_commands *commands, const uint8_t **text, size_t *size)
{
    while (commands->at < commands->end) {
        const uint8_t *line = commands->at;
        const uint8_t *end = memchr(line, '\n', (size_t)(commands->end - line));

        commands->at = end ? end + 1 : commands->end;
        if (!end)
            end = commands->end;
        *text = line;
        *size = (size_t)(end - line);
        if (!is_blank(line, end))
            return true;
    }
    return false;
}

/* The message behind the next length. */
static int next_message(struct sdk_commands *commands, const uint8_t **text, size_t *size)
{
    uint64_t length;

    if (varint_read(&length, &commands->at, commands->end) ||
        length > (size_t)(commands->end - commands->at))
        return ERR_PROTOCOL;
    *text = commands->at;
    *size = (size_t)length;
    commands->at += length;
    return 1;
}

static int next_text(struct sdk_commands *commands, const uint8_t **text, size_t *size)
{
    if (commands->format == SDK_JSON)
        return next_line(commands, text, size);
    return commands->at < commands->end ? next_message(commands, text, size) : 0;
}

static int decode(struct sdk_decode *pass)
{
    return pass->command->format == SDK_JSON ? sdk_decode_json(pass) : sdk_decode_protobuf(pass);
}

/* Whether all is there that its method wants. */
static bool is_complete(const struct sdk_command *command, bool any)
{
    const struct sdk_fields *request = sdk_request_fields(command->method);

    if (command->method == SDK_PONG)
        return !any;
    if (!command->id && command->method != SDK_SEND)
        return false;
    if (request->count && request->fields[0].type == SDK_FIELD_CHANNEL)
        return command->channel_bad || command->channel.size;
    return true;
}

int sdk_commands_next(struct sdk_commands *commands, struct sdk_command *command)
{
    struct sdk_decode pass = {.command = command};
    const uint8_t *text;
    size_t size;
    int found = next_text(commands, &text, &size);

    if (found <= 0)
        return found < 0 || !commands->any ? ERR_PROTOCOL : 0;
    if (size > UINT32_MAX)
        return ERR_PROTOCOL;
    commands->any = true;
    memset(command, 0, sizeof(*command));
    command->format = commands->format;
    command->text = (struct name_view){(const char *)text, (uint32_t)size};
    return decode(&pass) || !is_complete(command, pass.any) ? ERR_PROTOCOL : 1;
}

bool sdk_command_sub(const struct sdk_command *connect, const char *channel, size_t size,
                     struct sdk_sub *sub)
{
    /* The command is read once more: a connect is rare, and so it keeps no list. */
    struct sdk_command again = {.format = connect->format, .text = connect->text};
    struct sdk_decode pass = {.command = &again, .wanted = {channel, (uint32_t)size}, .sub = sub};

    return !decode(&pass) && pass.found;
}

int sdk_set_method(struct sdk_decode *pass, enum sdk_method method)
{
    if (pass->command->method != SDK_PONG && pass->command->method != method)
        return ERR_PROTOCOL;
    pass->command->method = method;
    return 0;
}

void sdk_set_channel(struct sdk_command *command, const char *name, size_t size)
{
    size_t kept = size < GROUP_NAME_MAX ? size : GROUP_NAME_MAX;

    memcpy(command->channel.bytes, name, kept);
    command->channel.bytes[kept] = '\0';
    command->channel.size = (uint16_t)kept;
    command->channel_bad = size && !group_name_valid(name, size);
}

static bool is_epoch(const char *text, size_t size)
{
    if (size > EPOCH_MAX)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            c != '-' && c != '_')
            return false;
    }
    return true;
}

void sdk_set_epoch(struct sdk_command *command, const char *epoch, size_t size)
{
    if (!is_epoch(epoch, size)) {
        epoch = "_"; /* which no group ever has */
        size = 1;
    }
    memcpy(command->position.epoch, epoch, size);
    command->position.epoch[size] = '\0';
}

void sdk_found_sub(struct sdk_decode *pass, struct name_view channel,
                   const struct sdk_command *entry)
{
    if (!pass->wanted.bytes || channel.size != pass->wanted.size ||
        memcmp(channel.bytes, pass->wanted.bytes, channel.size) != 0)
        return;
    pass->sub->recover = entry->recover;
    pass->sub->position = entry->position;
    pass->found = true;
}
