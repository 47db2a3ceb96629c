/* Commands in JSON: one object, whose only request is an object again. */
#include <string.h>

#include "proto/json_scan.h"
#include "proto/sdk_decode.h"

/* What stands for a character beyond ASCII: no name or key that is of interest has any. */
#define NOT_ASCII '\xff'

/* A string, as far as it is of interest: beyond that only its length is true. */
struct short_text {
    size_t size; /* in bytes, of which an escape is one */
    char bytes[GROUP_NAME_MAX + 1];
};

static unsigned hex4(const char *digits)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)digits[i];
        value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* The character behind a backslash of a valid string; moves behind it. */
static char unescape(const char **at)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = *(*at)++;

    if (c == 'u') {
        unsigned code = hex4(*at);

        *at += 4;
        return code < 0x80 ? (char)code : NOT_ASCII;
    }
    const char *known = strchr(from, c);
    return known ? to[known - from] : c;
}

static int read_string(struct json_scan *scan, struct name_view *raw)
{
    const char *begin = scan->at;

    if (!json_skip_string(scan))
        return ERR_PROTOCOL;
    *raw = (struct name_view){begin + 1, (uint32_t)(scan->at - begin - 2)};
    return 0;
}

static int read_short_text(struct json_scan *scan, struct short_text *text)
{
    struct name_view raw;
    int error = read_string(scan, &raw);

    if (error)
        return error;
    text->size = 0;
    for (const char *at = raw.bytes, *end = at + raw.size; at < end;) {
        char c = *at++;

        if (c == '\\')
            c = unescape(&at);
        if (text->size < sizeof(text->bytes))
            text->bytes[text->size] = c;
        text->size++;
    }
    return 0;
}

/* An integer that is not negative. What would make a fraction of it is found by who reads on. */
static int read_natural(struct json_scan *scan, uint64_t *value)
{
    const char *begin = scan->at;

    *value = 0;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*scan->at - '0'), value))
            return ERR_PROTOCOL;
        scan->at++;
    }
    return scan->at == begin || (*begin == '0' && scan->at > begin + 1) ? ERR_PROTOCOL : 0;
}

static int read_integer(struct json_scan *scan, int64_t *value)
{
    bool minus = json_take(scan, '-');
    uint64_t digits;

    if (read_natural(scan, &digits) || digits > (uint64_t)INT64_MAX + minus)
        return ERR_PROTOCOL;
    *value = minus ? (int64_t)(0 - digits) : (int64_t)digits;
    return 0;
}

static int read_bool(struct json_scan *scan, bool *value)
{
    *value = json_take_word(scan, "true");
    return *value || json_take_word(scan, "false") ? 0 : ERR_PROTOCOL;
}

/* The next key of an object whose opening has been taken, and the colon behind it. 1; 0: the object
 * ends here. */
static int next_key(struct json_scan *scan, bool *first, struct short_text *key)
{
    json_skip_space(scan);
    if (json_take(scan, '}'))
        return 0;
    if (!*first && !json_take(scan, ','))
        return ERR_PROTOCOL;
    *first = false;
    json_skip_space(scan);
    if (read_short_text(scan, key))
        return ERR_PROTOCOL;
    json_skip_space(scan);
    if (!json_take(scan, ':'))
        return ERR_PROTOCOL;
    json_skip_space(scan);
    return 1;
}

static bool key_is(const struct short_text *key, const char *name)
{
    return key->size == strlen(name) && !memcmp(key->bytes, name, key->size);
}

static int read_fields(struct sdk_decode *pass, struct json_scan *scan,
                       const struct sdk_fields *fields, struct sdk_command *into);

static int read_subs(struct sdk_decode *pass, struct json_scan *scan)
{
    struct short_text channel;
    bool first = true;
    int more;

    if (!json_take(scan, '{'))
        return ERR_PROTOCOL;
    while ((more = next_key(scan, &first, &channel)) > 0) {
        struct sdk_command entry = {.method = SDK_SUBSCRIBE};

        if (!json_take_word(scan, "null") &&
            read_fields(pass, scan, sdk_request_fields(SDK_SUBSCRIBE), &entry))
            return ERR_PROTOCOL;
        if (channel.size <= GROUP_NAME_MAX)
            sdk_found_sub(pass, (struct name_view){channel.bytes, (uint32_t)channel.size}, &entry);
    }
    return more;
}

/* Moves behind a value that is too deep to be read, by its brackets alone. */
static int skip_deep(struct json_scan *scan)
{
    size_t depth = 0;

    while (scan->at < scan->end) {
        if (*scan->at == '"') {
            if (!json_skip_string(scan))
                return ERR_PROTOCOL;
            continue;
        }
        char c = *scan->at++;
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && !--depth)
            return 0;
    }
    return ERR_PROTOCOL;
}

static int read_data(struct json_scan *scan, struct sdk_command *into)
{
    const char *begin = scan->at;
    int error = json_skip_value(scan);

    into->data = error ? NULL : (const uint8_t *)begin;
    into->data_size = error ? 0 : (size_t)(scan->at - begin);
    into->data_kind = PAYLOAD_JSON;
    if (error != ERR_TOO_LARGE)
        return error;
    scan->at = begin;
    return skip_deep(scan);
}

static int read_name(struct json_scan *scan, const struct sdk_field *field,
                     struct sdk_command *into)
{
    struct short_text text;

    if (read_short_text(scan, &text))
        return ERR_PROTOCOL;
    if (field->type == SDK_FIELD_CHANNEL)
        sdk_set_channel(into, text.bytes, text.size);
    else
        sdk_set_epoch(into, text.bytes, text.size);
    return 0;
}

/* A value is read although nobody wants it: it must be of its type. */
static int read_scalar(struct json_scan *scan, const struct sdk_field *field,
                       struct sdk_command *into)
{
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        struct name_view text;
    } unread;
    void *place = field->at ? sdk_field_place(into, field) : &unread;

    switch (field->type) {
    case SDK_FIELD_BOOL:
        return read_bool(scan, place);
    case SDK_FIELD_UINT64:
        return read_natural(scan, place);
    case SDK_FIELD_STRING:
        return read_string(scan, place);
    default: /* SDK_FIELD_INT32, SDK_FIELD_INT64 */
        return read_integer(scan, place);
    }
}

static int read_field(struct sdk_decode *pass, struct json_scan *scan,
                      const struct sdk_field *field, struct sdk_command *into)
{
    if (field->type == SDK_FIELD_DATA)
        return read_data(scan, into); /* of which null is one, too */
    if (json_take_word(scan, "null"))
        return 0;
    switch (field->type) {
    case SDK_FIELD_CHANNEL:
    case SDK_FIELD_EPOCH:
        return read_name(scan, field, into);
    case SDK_FIELD_SINCE:
        into->has_since = true;
        return read_fields(pass, scan, &sdk_since_fields, into);
    case SDK_FIELD_SUBS:
        return read_subs(pass, scan);
    case SDK_FIELD_ANY:
    case SDK_FIELD_MESSAGE:
    case SDK_FIELD_HEADERS:
        return json_skip_value(scan);
    default:
        return read_scalar(scan, field, into);
    }
}

static const struct sdk_field *find_field(const struct sdk_fields *fields,
                                          const struct short_text *key)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (key_is(key, fields->fields[i].name))
            return &fields->fields[i];
    }
    return NULL;
}

static int read_fields(struct sdk_decode *pass, struct json_scan *scan,
                       const struct sdk_fields *fields, struct sdk_command *into)
{
    struct short_text key;
    bool first = true;
    int more;

    if (!json_take(scan, '{'))
        return ERR_PROTOCOL;
    while ((more = next_key(scan, &first, &key)) > 0) {
        const struct sdk_field *field = find_field(fields, &key);
        int error = field ? read_field(pass, scan, field, into) : json_skip_value(scan);

        if (error)
            return error;
    }
    return more;
}

/* What stands behind a key of the command itself: the id, or a request. */
static int read_member(struct sdk_decode *pass, struct json_scan *scan,
                       const struct short_text *key)
{
    struct sdk_command *command = pass->command;

    if (key_is(key, "id"))
        return json_take_word(scan, "null") ? 0 : read_natural(scan, &command->id);
    for (enum sdk_method method = SDK_CONNECT; method < SDK_METHOD_COUNT; method++) {
        if (!key_is(key, sdk_method_name(method)))
            continue;
        if (json_take_word(scan, "null"))
            return 0;
        int error = sdk_set_method(pass, method);
        return error ? error : read_fields(pass, scan, sdk_request_fields(method), command);
    }
    return json_skip_value(scan);
}

int sdk_decode_json(struct sdk_decode *pass)
{
    struct name_view text = pass->command->text;
    struct json_scan scan = {text.bytes, text.bytes + text.size};
    struct short_text key;
    bool first = true;
    int more;

    json_skip_space(&scan);
    if (!json_take(&scan, '{'))
        return ERR_PROTOCOL;
    while ((more = next_key(&scan, &first, &key)) > 0) {
        pass->any = true;
        if (read_member(pass, &scan, &key))
            return ERR_PROTOCOL;
    }
    json_skip_space(&scan);
    return more || scan.at != scan.end ? ERR_PROTOCOL : 0;
}
