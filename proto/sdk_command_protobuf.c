/* Commands in Protobuf, read by hand.
 *
 * Why not libprotobuf-c, which packs the replies: to it a string ends at its first NUL byte, so
 * that "g\0x" would pass for "g"; it does not look at UTF-8, refuses tags and lengths of more than
 * five bytes, forgets scalars where it merges messages, and copies even what it is to skip: two
 * bytes of an empty map entry become 80. It takes three times as long, too (bench/micro_sdk). */
#include <string.h>

#include "proto/sdk_decode.h"
#include "proto/utf8.h"
#include "proto/varint.h"

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct cursor {
    const uint8_t *at, *end;
};

/* A field as it lies there. */
struct wire_field {
    uint64_t number;
    enum wire_type type;
    uint64_t value;       /* of WIRE_VARINT */
    struct cursor inside; /* of WIRE_BYTES */
};

static int take(struct cursor *cursor, uint64_t size, struct cursor *inside)
{
    if (size > (size_t)(cursor->end - cursor->at))
        return ERR_PROTOCOL;
    *inside = (struct cursor){cursor->at, cursor->at + size};
    cursor->at += size;
    return 0;
}

static int next_field(struct cursor *cursor, struct wire_field *field)
{
    uint64_t tag, size;

    if (varint_read(&tag, &cursor->at, cursor->end) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
        return ERR_PROTOCOL;
    field->number = tag >> 3;
    field->type = tag & 7;
    switch (field->type) {
    case WIRE_VARINT:
        return varint_read(&field->value, &cursor->at, cursor->end);
    case WIRE_64:
        return take(cursor, 8, &field->inside);
    case WIRE_BYTES:
        return varint_read(&size, &cursor->at, cursor->end) ? ERR_PROTOCOL
                                                            : take(cursor, size, &field->inside);
    case WIRE_32:
        return take(cursor, 4, &field->inside);
    default:
        return ERR_PROTOCOL; /* groups, and what is no type */
    }
}

static size_t size_of(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

static struct name_view view_of(const struct cursor *cursor)
{
    return (struct name_view){(const char *)cursor->at, (uint32_t)size_of(cursor)};
}

static enum wire_type wire_type_of(const struct sdk_field *field)
{
    return field->type <= SDK_FIELD_UINT64 ? WIRE_VARINT : WIRE_BYTES;
}

static int read_message(struct sdk_decode *pass, struct cursor message,
                        const struct sdk_fields *fields, struct sdk_command *into);

/* A map's entry: key 1, value 2. */
static int read_sub(struct sdk_decode *pass, struct cursor message)
{
    struct sdk_command entry = {.method = SDK_SUBSCRIBE};
    struct name_view channel = {"", 0};
    struct wire_field found;

    while (message.at < message.end) {
        if (next_field(&message, &found))
            return ERR_PROTOCOL;
        if (found.number > 2)
            continue;
        if (found.type != WIRE_BYTES)
            return ERR_PROTOCOL;
        if (found.number == 1)
            channel = view_of(&found.inside);
        else if (read_message(pass, found.inside, sdk_request_fields(SDK_SUBSCRIBE), &entry))
            return ERR_PROTOCOL;
    }
    if (!utf8_valid(channel.bytes, channel.size))
        return ERR_PROTOCOL;
    sdk_found_sub(pass, channel, &entry);
    return 0;
}

static int read_string(const struct wire_field *found, const struct sdk_field *field,
                       struct sdk_command *into)
{
    struct name_view text = view_of(&found->inside);

    if (!utf8_valid(text.bytes, text.size))
        return ERR_PROTOCOL;
    if (field->type == SDK_FIELD_CHANNEL)
        sdk_set_channel(into, text.bytes, text.size);
    else if (field->type == SDK_FIELD_EPOCH)
        sdk_set_epoch(into, text.bytes, text.size);
    else if (field->at)
        *(struct name_view *)sdk_field_place(into, field) = text;
    return 0;
}

static void read_varint(const struct wire_field *found, const struct sdk_field *field,
                        struct sdk_command *into)
{
    void *place = sdk_field_place(into, field);

    if (!field->at)
        return;
    if (field->type == SDK_FIELD_BOOL)
        *(bool *)place = found->value != 0;
    else if (field->type == SDK_FIELD_UINT64)
        *(uint64_t *)place = found->value;
    else if (field->type == SDK_FIELD_INT32)
        *(int64_t *)place = (int32_t)(uint32_t)found->value;
    else
        *(int64_t *)place = (int64_t)found->value;
}

/* A field that is empty is absent, as Protobuf has it. */
static void read_data(const struct wire_field *found, struct sdk_command *into)
{
    into->data_size = size_of(&found->inside);
    into->data = into->data_size ? found->inside.at : NULL;
    into->data_kind = utf8_valid(found->inside.at, into->data_size) ? PAYLOAD_TEXT : PAYLOAD_BINARY;
}

static int read_field(struct sdk_decode *pass, const struct wire_field *found,
                      const struct sdk_field *field, struct sdk_command *into)
{
    if (found->type != wire_type_of(field))
        return ERR_PROTOCOL;
    switch (field->type) {
    case SDK_FIELD_STRING:
    case SDK_FIELD_CHANNEL:
    case SDK_FIELD_EPOCH:
        return read_string(found, field, into);
    case SDK_FIELD_DATA:
        read_data(found, into);
        return 0;
    case SDK_FIELD_SINCE:
        into->has_since = true;
        return read_message(pass, found->inside, &sdk_since_fields, into);
    case SDK_FIELD_SUBS:
        return read_sub(pass, found->inside);
    case SDK_FIELD_HEADERS:
        return read_message(pass, found->inside, &sdk_header_fields, into);
    case SDK_FIELD_MESSAGE:
        return read_message(pass, found->inside, &sdk_no_fields, into);
    case SDK_FIELD_ANY:
        return 0;
    default:
        read_varint(found, field, into);
        return 0;
    }
}

static const struct sdk_field *find_field(const struct sdk_fields *fields, uint64_t number)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->fields[i].number == number)
            return &fields->fields[i];
    }
    return NULL;
}

static int read_message(struct sdk_decode *pass, struct cursor message,
                        const struct sdk_fields *fields, struct sdk_command *into)
{
    struct wire_field found;

    while (message.at < message.end) {
        const struct sdk_field *field;

        if (next_field(&message, &found))
            return ERR_PROTOCOL;
        field = find_field(fields, found.number);
        if (field && read_field(pass, &found, field, into))
            return ERR_PROTOCOL;
    }
    return 0;
}

/* A field of the command itself. */
static int read_member(struct sdk_decode *pass, const struct wire_field *found)
{
    enum sdk_method method;

    if (found->number == SDK_NUMBER_ID) {
        if (found->type != WIRE_VARINT)
            return ERR_PROTOCOL;
        pass->command->id = (uint32_t)found->value; /* cut, as Protobuf wants */
        return 0;
    }
    if (found->number < SDK_NUMBER_CONNECT ||
        found->number >= SDK_NUMBER_CONNECT + SDK_METHOD_COUNT - SDK_CONNECT)
        return 0;
    method = (enum sdk_method)(SDK_CONNECT + found->number - SDK_NUMBER_CONNECT);
    if (found->type != WIRE_BYTES || sdk_set_method(pass, method))
        return ERR_PROTOCOL;
    return read_message(pass, found->inside, sdk_request_fields(method), pass->command);
}

int sdk_decode_protobuf(struct sdk_decode *pass)
{
    struct name_view text = pass->command->text;
    struct cursor cursor = {(const uint8_t *)text.bytes, (const uint8_t *)text.bytes + text.size};
    struct wire_field found;

    while (cursor.at < cursor.end) {
        pass->any = true;
        if (next_field(&cursor, &found) || read_member(pass, &found))
            return ERR_PROTOCOL;
    }
    return 0;
}
