#include "proto/ws_target.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX   160
#define SHOWN_MAX  64 /* of a value that somebody else wrote, in a text */
#define EPOCH_SIZE 32

#define RAW_PATH        "/ws"
#define CENTRIFUGE_PATH "/connection/websocket"
#define USER_PREFIX     "user:"

/* A value after percent-decoding, as far as anything can be made of it: longer ones are none. */
struct decoded {
    bool valid; /* encoded well, and fits */
    uint32_t size;
    char bytes[GROUP_NAME_MAX + 1]; /* NUL-ended, but may hold NULs */
};

/* One parse. Of several faults the first kind of the header's list is told. */
struct parse {
    struct ws_target *target;
    uint32_t groups_max;
    bool sdk;      /* only what a Centrifuge client may say */
    bool too_many; /* distinct names beyond groups_max are checked, but not kept */
    bool users, sinces;
    enum ws_target_fault fault;
    char *text;
};

static bool view_equals(struct name_view view, const char *text)
{
    return view.size == strlen(text) && !memcmp(view.bytes, text, view.size);
}

static bool starts_with(struct name_view view, const char *text)
{
    return view.size >= strlen(text) && !memcmp(view.bytes, text, strlen(text));
}

enum ws_path ws_path_kind(struct name_view path)
{
    if (view_equals(path, RAW_PATH) || starts_with(path, RAW_PATH "/"))
        return WS_PATH_RAW;
    return view_equals(path, CENTRIFUGE_PATH) ? WS_PATH_CENTRIFUGE : WS_PATH_NONE;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void percent_decode(struct decoded *out, struct name_view in)
{
    out->valid = false;
    out->size = 0;
    for (uint32_t i = 0; i < in.size; i++) {
        char byte = in.bytes[i];

        if (out->size == sizeof(out->bytes) - 1)
            return;
        if (byte == '%') {
            int high = in.size - i > 2 ? hex_digit(in.bytes[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(in.bytes[i + 2]) : -1;

            if (low < 0)
                return;
            byte = (char)(high << 4 | low);
            i += 2;
        }
        out->bytes[out->size++] = byte;
    }
    out->bytes[out->size] = '\0';
    out->valid = true;
}

struct shown {
    char text[SHOWN_MAX + 1];
};

/* A peer's value for people to read: printable ASCII, the rest as \xNN, cut where long. */
static struct shown show(struct name_view value)
{
    struct shown shown;
    size_t at = 0;

    for (uint32_t i = 0; i < value.size; i++) {
        char byte = value.bytes[i];
        bool plain = byte >= ' ' && byte <= '~';

        if (at + (plain ? 1 : 4) > SHOWN_MAX - 3) {
            memcpy(shown.text + at, "...", 3);
            at += 3;
            break;
        }
        if (plain)
            shown.text[at++] = byte;
        else
            at += (size_t)snprintf(shown.text + at, 5, "\\x%02x", (unsigned)(uint8_t)byte);
    }
    shown.text[at] = '\0';
    return shown;
}

__attribute__((format(printf, 3, 4))) static void
note(struct parse *parse, enum ws_target_fault fault, const char *format, ...)
{
    va_list values;

    if (parse->fault != WS_TARGET_OK && parse->fault <= fault)
        return;
    parse->fault = fault;
    va_start(values, format);
    vsnprintf(parse->text, TEXT_MAX, format, values);
    va_end(values);
}

/* Adds a name to the distinct ones. Without room for it the parse is over. */
static bool add_group(struct parse *parse, const char *name, uint32_t size)
{
    struct ws_target *target = parse->target;
    uint32_t count = target->group_count;

    for (uint32_t i = 0; i < count; i++)
        if (target->groups[i].size == size && !memcmp(target->groups[i].bytes, name, size))
            return true;
    if (count == parse->groups_max) {
        parse->too_many = true;
        return true;
    }
    if (!(count & (count - 1))) { /* 0, 1, 2, 4, …: full */
        struct ws_target_name *grown =
            realloc(target->groups, (count ? 2 * (size_t)count : 1) * sizeof(*grown));

        if (!grown)
            return false;
        target->groups = grown;
    }
    target->groups[count].size = (uint16_t)size;
    memcpy(target->groups[count].bytes, name, size);
    target->groups[count].bytes[size] = '\0';
    target->group_count++;
    return true;
}

static bool take_group(struct parse *parse, struct name_view value)
{
    struct decoded name;

    percent_decode(&name, value);
    if (!name.valid || !group_name_valid(name.bytes, name.size)) {
        note(parse, WS_TARGET_BAD_GROUP,
             "bad group name \"%s\": 1-128 printable ASCII characters, no space / ? # %% * , \" \\",
             show(value).text);
        return true;
    }
    if (group_name_category(name.bytes, name.size) == GROUP_USER)
        note(parse, WS_TARGET_USER_GROUP, "a user's group cannot be joined by name: \"%s\"",
             show(value).text);
    return add_group(parse, name.bytes, name.size);
}

static void take_user(struct parse *parse, struct name_view value)
{
    struct ws_target *target = parse->target;
    struct decoded user;

    if (parse->users)
        note(parse, WS_TARGET_REPEATED, "more than one user");
    parse->users = true;
    percent_decode(&user, value);
    if (!user.valid || user.size + strlen(USER_PREFIX) > GROUP_NAME_MAX ||
        !group_name_valid(user.bytes, user.size)) {
        note(parse, WS_TARGET_BAD_GROUP,
             "bad user \"%s\": 1-123 printable ASCII characters, no space / ? # %% * , \" \\",
             show(value).text);
        return;
    }
    if (target->has_user)
        return;
    target->has_user = true;
    memcpy(target->user, user.bytes, user.size + 1);
}

static bool in_epochs(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static bool parse_offset(const char *digits, uint64_t *offset)
{
    if (!*digits)
        return false;
    for (*offset = 0; *digits; digits++) {
        if (*digits < '0' || *digits > '9' || __builtin_mul_overflow(*offset, 10u, offset) ||
            __builtin_add_overflow(*offset, (unsigned)(*digits - '0'), offset))
            return false;
    }
    return true;
}

static bool parse_position(struct ws_target *target, const char *text)
{
    size_t size = 0;

    while (size < EPOCH_SIZE && in_epochs(text[size]))
        size++;
    if (text[size] != ':')
        return false;
    memcpy(target->epoch, text, size);
    target->epoch[size] = '\0';
    target->since = WS_SINCE_POSITION;
    /* ":0" is the position of a group that was not there. */
    return parse_offset(text + size + 1, &target->offset) && (size || !target->offset);
}

static void take_since(struct parse *parse, struct name_view value)
{
    struct decoded since;

    if (parse->sinces) {
        note(parse, WS_TARGET_REPEATED, "more than one since");
        return;
    }
    parse->sinces = true;
    percent_decode(&since, value);
    if (since.valid && strlen(since.bytes) == since.size) {
        if (!strcmp(since.bytes, "now")) {
            parse->target->since = WS_SINCE_NOW;
            return;
        }
        if (parse_position(parse->target, since.bytes))
            return;
    }
    note(parse, WS_TARGET_BAD_SINCE, "bad since \"%s\": EPOCH:OFFSET or now", show(value).text);
}

static bool decoded_is(const struct decoded *decoded, const char *text)
{
    return decoded->valid && view_equals((struct name_view){decoded->bytes, decoded->size}, text);
}

static bool value_is(struct name_view value, const char *text)
{
    struct decoded decoded;

    percent_decode(&decoded, value);
    return decoded_is(&decoded, text);
}

/* One KEY=VALUE of the query. False: out of memory. */
static bool take_parameter(struct parse *parse, struct name_view pair)
{
    const char *equals = pair.size ? memchr(pair.bytes, '=', pair.size) : NULL;
    uint32_t key_size = equals ? (uint32_t)(equals - pair.bytes) : pair.size;
    struct name_view value = {pair.bytes + key_size, pair.size - key_size};
    struct decoded key;

    if (equals) {
        value.bytes++;
        value.size--;
    }
    percent_decode(&key, (struct name_view){pair.bytes, key_size});
    if (decoded_is(&key, "user"))
        take_user(parse, value);
    else if (parse->sdk)
        parse->target->protobuf |=
            (decoded_is(&key, "format") || decoded_is(&key, "cf_protocol")) &&
            value_is(value, "protobuf");
    else if (decoded_is(&key, "group"))
        return take_group(parse, value);
    else if (decoded_is(&key, "since"))
        take_since(parse, value);
    else if (decoded_is(&key, "hello"))
        parse->target->hello |= value_is(value, "1");
    else if (decoded_is(&key, "echo"))
        parse->target->no_echo |= value_is(value, "0");
    return true;
}

static bool take_query(struct parse *parse, struct name_view query)
{
    while (query.size) {
        const char *end = memchr(query.bytes, '&', query.size);
        uint32_t size = end ? (uint32_t)(end - query.bytes) : query.size;

        if (!take_parameter(parse, (struct name_view){query.bytes, size}))
            return false;
        size += end != NULL;
        query.bytes += size;
        query.size -= size;
    }
    return true;
}

/* What only the whole shows. */
static void judge(struct parse *parse)
{
    const struct ws_target *target = parse->target;

    if (!target->group_count && !parse->too_many && !parse->users)
        note(parse, WS_TARGET_NO_GROUP,
             "no group: /ws/GROUP, /ws?group=GROUP or /ws?user=USER name one");
    if (parse->too_many)
        note(parse, WS_TARGET_TOO_MANY, "more than %u groups", parse->groups_max);
    if (parse->sinces && (parse->users || target->no_echo || target->group_count != 1))
        note(parse, WS_TARGET_BAD_SINCE,
             "since goes with one group alone, without user and echo=0");
}

enum ws_target_fault ws_target_parse(struct ws_target *target, struct name_view path,
                                     struct name_view query, uint32_t groups_per_connection,
                                     char text[160])
{
    struct parse parse = {.target = target, .groups_max = groups_per_connection, .text = text};
    uint32_t prefix = sizeof(RAW_PATH "/") - 1;
    bool fits = true;

    memset(target, 0, sizeof(*target));
    text[0] = '\0';
    if (path.size > prefix)
        fits = take_group(&parse, (struct name_view){path.bytes + prefix, path.size - prefix});
    if (fits && take_query(&parse, query)) {
        judge(&parse);
        return parse.fault;
    }
    snprintf(text, TEXT_MAX, "out of memory");
    return WS_TARGET_NOMEM;
}

enum ws_target_fault ws_target_parse_sdk(struct ws_target *target, struct name_view query,
                                         char text[160])
{
    struct parse parse = {.target = target, .sdk = true, .text = text};

    memset(target, 0, sizeof(*target));
    text[0] = '\0';
    take_query(&parse, query);
    return parse.fault;
}

void ws_target_clear(struct ws_target *target)
{
    free(target->groups);
    target->groups = NULL;
    target->group_count = 0;
}
