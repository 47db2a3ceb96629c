/* Commands as producers send them: what is understood, and what is refused how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/command_helper.h"

#define TO_G        "ss ss" /* with "op", "broadcast", "group", "g" */
#define BROADCAST_G "op", "broadcast", "group", "g"

static void assert_payload(const struct decoded *decoded, enum payload_kind kind, const void *body,
                           size_t size)
{
    assert_int_equal(decoded->error, 0);
    struct payload *payload = decoded->command.payload;
    assert_non_null(payload);
    assert_int_equal(payload->kind, kind);
    assert_int_equal(payload->body_bytes, size);
    assert_memory_equal(payload_body(payload), body, size);
    /* The first byte of the frame: final, text or binary. */
    assert_int_equal(payload->frame[0], kind == PAYLOAD_BINARY ? 0x82 : 0x81);
}

static void a_str_is_a_text_frame_as_it_is(void **state)
{
    struct decoded decoded = decode("{" TO_G " ss si}", BROADCAST_G, "data",
                                    "gr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x90\x98", "id", 7);

    assert_payload(&decoded, PAYLOAD_TEXT, "gr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x90\x98", 12);
    assert_int_equal(decoded.command.op, COMMAND_BROADCAST);
    assert_true(decoded.command.has_id);
    assert_int_equal(decoded.command.id, 7);
    assert_int_equal(decoded.command.name_count, 1);
    assert_string_equal(decoded.command.name.bytes, "g");
    assert_null(decoded.command.names);
    assert_false(decoded.command.groups);
    assert_false(decoded.command.all);
    assert_int_equal(decoded.command.priority, PRIORITY_UNSET);
    decoded_free(&decoded);
}

static void a_str_may_hold_anything_that_is_utf8(void **state)
{
    struct decoded decoded = decode("{" TO_G " sS}", BROADCAST_G, "data", "{\"a\":\0}\n", 8);
    assert_payload(&decoded, PAYLOAD_TEXT, "{\"a\":\0}\n", 8);
    decoded_free(&decoded);

    decoded = decode("{" TO_G " ss}", BROADCAST_G, "data", "");
    assert_payload(&decoded, PAYLOAD_TEXT, "", 0);
    decoded_free(&decoded);
}

static void a_bin_is_a_binary_frame_as_it_is(void **state)
{
    struct decoded decoded = decode("{" TO_G " sb}", BROADCAST_G, "data", "\xff\x00\xc1", 3);
    assert_payload(&decoded, PAYLOAD_BINARY, "\xff\x00\xc1", 3);
    decoded_free(&decoded);

    decoded = decode("{" TO_G " sb}", BROADCAST_G, "data", "", 0);
    assert_payload(&decoded, PAYLOAD_BINARY, "", 0);
    decoded_free(&decoded);
}

static void anything_else_is_json(void **state)
{
    struct decoded decoded = decode("{" TO_G " s{ss s[itxnd] sb}}", BROADCAST_G, "data", "a", "b\n",
                                    "c", -5, 0.5, "raw", "\x01\x02", 2);
    const char *json = "{\"a\":\"b\\n\",\"c\":[-5,true,false,null,0.5],\"raw\":\"AQI=\"}";
    assert_payload(&decoded, PAYLOAD_JSON, json, strlen(json));
    decoded_free(&decoded);

    decoded = decode("{" TO_G " su}", BROADCAST_G, "data", UINT64_MAX);
    assert_payload(&decoded, PAYLOAD_JSON, "18446744073709551615", 20);
    decoded_free(&decoded);

    decoded = decode("{" TO_G " sn}", BROADCAST_G, "data");
    assert_payload(&decoded, PAYLOAD_JSON, "null", 4);
    decoded_free(&decoded);
}

static void keys_come_in_any_order(void **state)
{
    struct decoded decoded = decode("{s[{ss}] ss su ss ss}", "data", "group", "inner", "priority",
                                    "low", "id", UINT64_MAX, "group", "g", "op", "broadcast");

    assert_payload(&decoded, PAYLOAD_JSON, "[{\"group\":\"inner\"}]", 19);
    assert_int_equal(decoded.command.id, UINT64_MAX);
    assert_int_equal(decoded.command.priority, PRIORITY_LOW);
    decoded_free(&decoded);
}

static void an_id_is_any_unsigned_integer_or_nil(void **state)
{
    struct decoded decoded = decode("{ss sl}", "op", "ping", "id", INT64_MAX);
    assert_int_equal(decoded.error, 0);
    assert_int_equal(decoded.command.id, INT64_MAX);
    decoded_free(&decoded);

    /* A signed encoding of a number that is not negative. */
    decoded = decode("{ss sr}", "op", "ping", "id", "\xd2\x00\x00\x00\x07", 5);
    assert_int_equal(decoded.error, 0);
    assert_true(decoded.command.has_id);
    assert_int_equal(decoded.command.id, 7);
    decoded_free(&decoded);

    decoded = decode("{ss sn}", "op", "ping", "id");
    assert_int_equal(decoded.error, 0);
    assert_false(decoded.command.has_id);
    decoded_free(&decoded);

    decoded = decode("{ss si}", "op", "ping", "id", 0);
    assert_true(decoded.command.has_id);
    decoded_free(&decoded);

    BAD("id", "{ss si}", "op", "ping", "id", -1);
    BAD("id", "{ss sd}", "op", "ping", "id", 7.0);
    BAD("id", "{ss ss}", "op", "ping", "id", "7");
    BAD("id", "{ss st}", "op", "ping", "id");
    BAD("id", "{ss s[i]}", "op", "ping", "id", 7);
}

static void assert_refused_with_id(struct decoded decoded, uint64_t id)
{
    assert_int_equal(decoded.error, ERR_PROTOCOL);
    assert_true(decoded.command.has_id);
    assert_int_equal(decoded.command.id, id);
    decoded_free(&decoded);
}

static void a_refusal_has_the_id_wherever_it_is(void **state)
{
    assert_refused_with_id(decode("{ss si}", "op", "nope", "id", 9), 9);
    assert_refused_with_id(decode("{si}", "id", 9), 9);
    assert_refused_with_id(decode("{ss ss ss si}", "op", "ping", "x", "y", "x", "y", "id", 9), 9);
    assert_refused_with_id(decode("{ii ss si}", 1, 2, "op", "ping", "id", 9), 9);
    assert_refused_with_id(decode("{ss ss si}", "op", "ping", "op", "ping", "id", 9), 9);
    assert_refused_with_id(decode("{[{is}]n ss si}", 1, "a", "op", "ping", "id", 9), 9);
    assert_refused_with_id(
        decode("{ss si ss s[e]}", "op", "broadcast", "id", 9, "group", "g", "data", 4), 9);
    /* Of two, the first. */
    assert_refused_with_id(decode("{ss si si}", "op", "ping", "id", 9, "id", 10), 9);

    struct decoded decoded = decode("{ss si}", "op", "ping", "id", -1);
    assert_false(decoded.command.has_id);
    decoded_free(&decoded);
}

static void a_command_is_a_map(void **state)
{
    BAD("map", "i", 1);
    BAD("map", "s", "broadcast");
    BAD("map", "n");
    BAD("map", "[ss]", "op", "ping");
    BAD("map", "e", 12);
    BAD("op", "{}");
}

static void keys_are_strings_and_come_once(void **state)
{
    BAD("a negative integer", "{is ss}", -1, "x", "op", "ping");
    BAD("binary", "{bs ss}", "op", 2, "ping", "op", "ping");
    BAD("twice", "{ss ss}", "op", "ping", "op", "ping");
    BAD("data: a key that is there twice", "{" TO_G " sisi}", BROADCAST_G, "data", 1, "data", 1);
}

static void an_unknown_key_is_named(void **state)
{
    BAD("\"colour\"", "{" TO_G " ss ss}", BROADCAST_G, "data", "x", "colour", "red");
    BAD("\"Data\"", "{" TO_G " ss}", BROADCAST_G, "Data", "x");
    BAD("\"\"", "{ss ss}", "op", "ping", "", "");
    BAD("\"\\x00\\xff\\\"\\\\\"", "{ss Ss}", "op", "ping", "\x00\xff\"\\", 4, "");
    char text[400];
    memset(text, 0xff, sizeof(text));
    BAD("...\"", "{ss Ss}", "op", "ping", text, (int)sizeof(text), "");
}

static void a_key_of_another_op_is_named(void **state)
{
    BAD("priority: not a key of disconnect", "{ss ss ss}", "op", "disconnect", "group", "g",
        "priority", "low");
    BAD("data: not a key of disconnect", "{ss ss ss}", "op", "disconnect", "group", "g", "data",
        "x");
    BAD("code: not a key of broadcast", "{" TO_G " ss si}", BROADCAST_G, "data", "x", "code", 4000);
    BAD("limit", "{" TO_G " ss si}", BROADCAST_G, "data", "x", "limit", 1);
    BAD("token", "{" TO_G " ss ss}", BROADCAST_G, "data", "x", "token", "t");
    BAD("group: not a key of ping", "{ss ss}", "op", "ping", "group", "g");
    BAD("token: not a key of ping", "{ss ss}", "op", "ping", "token", "t");
    BAD("group: not a key of stats", "{ss ss}", "op", "stats", "group", "g");
    BAD("group: not a key of hello", "{ss ss}", "op", "hello", "group", "g");
    BAD("groups: not a key of history", "{ss s[s]}", "op", "history", "groups", "g");
    BAD("all: not a key of history", "{ss st}", "op", "history", "all");
    BAD("data: not a key of history", "{ss ss ss}", "op", "history", "group", "g", "data", "x");
}

static void the_op_is_one_of_six(void **state)
{
    static const char *const names[] = {"broadcast", "disconnect", "history",
                                        "stats",     "hello",      "ping"};

    for (int op = 0; op < 6; op++) {
        struct decoded decoded =
            op < 3 ? decode(op ? "{ss ss}" : "{ss ss sn}", "op", names[op], "group", "g", "data")
                   : decode("{ss}", "op", names[op]);
        assert_int_equal(decoded.error, 0);
        assert_int_equal(decoded.command.op, op);
        decoded_free(&decoded);
    }
    REFUSED(REFUSAL_UNKNOWN_OP, "\"publish\"", "{ss}", "op", "publish");
    REFUSED(REFUSAL_UNKNOWN_OP, "\"Ping\"", "{ss}", "op", "Ping");
    REFUSED(REFUSAL_UNKNOWN_OP, "\"ping\\x00\"", "{sS}", "op", "ping\0", 5);
    REFUSED(REFUSAL_UNKNOWN_OP, "\"\"", "{ss}", "op", "");
    /* Whatever else is in it may be new, too. */
    REFUSED(REFUSAL_UNKNOWN_OP, "\"subscribe\"", "{ss ss}", "op", "subscribe", "filter", "x");
    BAD("op: missing", "{ss}", "group", "g");
    BAD("op: must be a string", "{si}", "op", 1);
    BAD("op: must be a string", "{sn}", "op");
    BAD("op: must be a string", "{sb}", "op", "ping", 4);
    BAD("op: not UTF-8", "{sS}", "op", "pi\xffng", 5);
}

static void a_broadcast_has_data(void **state)
{
    BAD("data: missing", "{" TO_G "}", BROADCAST_G);
    BAD("data: not UTF-8", "{" TO_G " ss}", BROADCAST_G, "data", "gr\xfc\xdf");
    BAD("data: not UTF-8", "{" TO_G " ss}", BROADCAST_G, "data", "cut \xe2\x82");
    BAD("data: not UTF-8", "{" TO_G " ss}", BROADCAST_G, "data", "\xed\xa0\x80");
    BAD("data: a string in it is not UTF-8", "{" TO_G " s[s]}", BROADCAST_G, "data", "\xff");
    BAD("data: an extension type", "{" TO_G " se}", BROADCAST_G, "data", 8);
    BAD("data: a key", "{" TO_G " s{ii}}", BROADCAST_G, "data", 1, 2);
}

static void a_priority_is_one_of_three(void **state)
{
    static const char *const names[] = {"critical", "normal", "low"};

    for (int i = 0; i < 3; i++) {
        struct decoded decoded =
            decode("{" TO_G " ss ss}", BROADCAST_G, "data", "x", "priority", names[i]);
        assert_int_equal(decoded.error, 0);
        assert_int_equal(decoded.command.priority, i);
        decoded_free(&decoded);
    }
    BAD("priority", "{" TO_G " ss ss}", BROADCAST_G, "data", "x", "priority", "high");
    BAD("priority", "{" TO_G " ss ss}", BROADCAST_G, "data", "x", "priority", "");
    BAD("priority", "{" TO_G " ss sn}", BROADCAST_G, "data", "x", "priority");
    BAD("priority", "{" TO_G " ss si}", BROADCAST_G, "data", "x", "priority", 1);
    BAD("priority: not UTF-8", "{" TO_G " ss ss}", BROADCAST_G, "data", "x", "priority", "\xff");
}

/* Packs a broadcast of `format` and decodes it where a payload may have `limit` bytes. */
static struct decoded decode_within(uint64_t limit, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    struct packed packed = pack_format_v(format, &arguments);
    va_end(arguments);
    return decode_packed(packed, limit);
}

#define FITS(limit, ...)                                                                         \
    do {                                                                                         \
        struct decoded fits = decode_within(limit, "{" TO_G __VA_ARGS__);                        \
        assert_int_equal(fits.error, 0);                                                         \
        assert_int_equal(fits.command.payload->body_bytes, limit);                               \
        decoded_free(&fits);                                                                     \
        check_refused(decode_within((limit)-1, "{" TO_G __VA_ARGS__), REFUSAL_TOO_LARGE, "data", \
                      __FILE__, __LINE__);                                                       \
    } while (0)

static void a_payload_is_measured_after_transcoding(void **state)
{
    FITS(3, " ss}", BROADCAST_G, "data", "abc");
    FITS(3, " sb}", BROADCAST_G, "data", "\xff\xff\xff", 3);
    FITS(5, " s[s]}", BROADCAST_G, "data", "a");            /* ["a"] */
    FITS(10, " s[s]}", BROADCAST_G, "data", "\x01");        /* ["\u0001"] */
    FITS(8, " s[b]}", BROADCAST_G, "data", "\x01", 1);      /* ["AQ=="] */
    FITS(15, " s{s[]s{}}}", BROADCAST_G, "data", "a", "b"); /* {"a":[],"b":{}} */
}

static void a_payload_may_be_as_large_as_the_limit(void **state)
{
    size_t size = 4 * MESSAGE_BYTES;
    char *text = malloc(size);

    memset(text, 'x', size);
    struct decoded decoded = decode("{" TO_G " sS}", BROADCAST_G, "data", text, (int)MESSAGE_BYTES);
    assert_payload(&decoded, PAYLOAD_TEXT, text, MESSAGE_BYTES);
    decoded_free(&decoded);

    decoded = decode_within(size + 4, "{" TO_G " s[S]}", BROADCAST_G, "data", text, (int)size);
    assert_int_equal(decoded.error, 0);
    assert_int_equal(decoded.command.payload->body_bytes, size + 4);
    assert_memory_equal(payload_body(decoded.command.payload), "[\"xxx", 5);
    decoded_free(&decoded);

    REFUSED(REFUSAL_TOO_LARGE, "65537", "{" TO_G " sS}", BROADCAST_G, "data", text,
            MESSAGE_BYTES + 1);
    REFUSED(REFUSAL_TOO_LARGE, "65536", "{" TO_G " s[S]}", BROADCAST_G, "data", text,
            MESSAGE_BYTES);
    free(text);
}

static void a_disconnect_has_code_and_reason(void **state)
{
    struct decoded decoded = decode("{ss ss}", "op", "disconnect", "group", "g");
    assert_int_equal(decoded.error, 0);
    assert_int_equal(decoded.command.code, 3503);
    assert_string_equal(decoded.command.reason, "force disconnect");
    assert_null(decoded.command.payload);
    decoded_free(&decoded);

    decoded = decode("{ss st si ss}", "op", "disconnect", "all", "code", 4999, "reason",
                     "versch\xc3\xbcttet");
    assert_int_equal(decoded.error, 0);
    assert_true(decoded.command.all);
    assert_int_equal(decoded.command.code, 4999);
    assert_string_equal(decoded.command.reason, "versch\xc3\xbcttet");
    decoded_free(&decoded);

    decoded = decode("{ss s[ss] si}", "op", "disconnect", "groups", "a", "b", "code", 3000);
    assert_int_equal(decoded.error, 0);
    assert_int_equal(decoded.command.name_count, 2);
    assert_int_equal(decoded.command.code, 3000);
    assert_string_equal(decoded.command.reason, "force disconnect");
    decoded_free(&decoded);
}

#define DISCONNECT_G "op", "disconnect", "group", "g"

static void codes_are_3000_to_4999(void **state)
{
    static const int64_t bad[] = {0, 1000, 2999, 5000, 65536 + 3000, -3000, INT64_MAX, INT64_MIN};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        BAD("code", "{" TO_G " sl}", DISCONNECT_G, "code", bad[i]);
    BAD("code", "{" TO_G " su}", DISCONNECT_G, "code", UINT64_MAX);
    BAD("code", "{" TO_G " sd}", DISCONNECT_G, "code", 3000.0);
    BAD("code", "{" TO_G " ss}", DISCONNECT_G, "code", "3000");
    BAD("code", "{" TO_G " sn}", DISCONNECT_G, "code");
}

static void reasons_are_text_and_not_json(void **state)
{
    static const char *const json[] = {
        "{}", "[]", "\"slow\"", "17", "-1.5e3", "true", " false ", "null", "{\"reconnect\":false}"};
    static const char *const text[] = {"true!", "1 2", "{", "0x10", "[1,]", "nul", "'a'", "01"};
    char longest[124];

    for (size_t i = 0; i < sizeof(json) / sizeof(json[0]); i++)
        BAD("JSON", "{" TO_G " ss}", DISCONNECT_G, "reason", json[i]);
    for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
        struct decoded decoded = decode("{" TO_G " ss}", DISCONNECT_G, "reason", text[i]);
        assert_int_equal(decoded.error, 0);
        assert_string_equal(decoded.command.reason, text[i]);
        decoded_free(&decoded);
    }
    memset(longest, 'x', sizeof(longest));
    struct decoded decoded = decode("{" TO_G " sS}", DISCONNECT_G, "reason", longest, 123);
    assert_int_equal(decoded.error, 0);
    assert_int_equal(strlen(decoded.command.reason), 123);
    decoded_free(&decoded);

    BAD("1-123 bytes", "{" TO_G " sS}", DISCONNECT_G, "reason", longest, 124);
    BAD("1-123 bytes", "{" TO_G " ss}", DISCONNECT_G, "reason", "");
    BAD("reason: not UTF-8", "{" TO_G " ss}", DISCONNECT_G, "reason", "gr\xfc\xdf");
    BAD("NUL", "{" TO_G " sS}", DISCONNECT_G, "reason", "a\0b", 3);
    BAD("reason: must be a string", "{" TO_G " sn}", DISCONNECT_G, "reason");
    BAD("reason: must be a string", "{" TO_G " sb}", DISCONNECT_G, "reason", "x", 1);
}

static void a_history_has_limit_and_since(void **state)
{
    struct decoded decoded = decode("{ss si si ss}", "op", "history", "experiment", 42, "limit", 0,
                                    "since", "aB-_9:18446744073709551615");
    assert_int_equal(decoded.error, 0);
    assert_string_equal(decoded.command.name.bytes, "experiment:42");
    assert_true(decoded.command.has_limit);
    assert_int_equal(decoded.command.limit, 0);
    assert_int_equal(decoded.command.since.size, 26);
    assert_memory_equal(decoded.command.since.bytes, "aB-_9:", 6);
    assert_int_equal(decoded.command.since_epoch.size, 5);
    assert_memory_equal(decoded.command.since_epoch.bytes, "aB-_9", 5);
    assert_int_equal(decoded.command.since_offset, UINT64_MAX);
    decoded_free(&decoded);

    /* What is absent. */
    decoded = decode("{ss ss}", "op", "history", "group", "g");
    assert_int_equal(decoded.error, 0);
    assert_false(decoded.command.has_limit);
    assert_null(decoded.command.since.bytes);
    decoded_free(&decoded);

    /* What an unknown group answered may be asked with. */
    decoded = decode("{ss ss ss}", "op", "history", "group", "g", "since", ":0");
    assert_int_equal(decoded.error, 0);
    assert_non_null(decoded.command.since.bytes);
    assert_int_equal(decoded.command.since_epoch.size, 0);
    assert_int_equal(decoded.command.since_offset, 0);
    decoded_free(&decoded);
}

#define HISTORY_G "op", "history", "group", "g"

static void a_history_that_makes_no_sense_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "abc",
                                      "12",
                                      "abc:",
                                      "abc:x",
                                      "abc:-1",
                                      ":",
                                      "a:+1",
                                      "a: 1",
                                      "a:1 ",
                                      "a:1.0",
                                      "now",
                                      "abc:18446744073709551616"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        BAD("since", "{" TO_G " ss}", HISTORY_G, "since", bad[i]);
    BAD("since: not UTF-8", "{" TO_G " ss}", HISTORY_G, "since", "\xff:1");
    BAD("since", "{" TO_G " si}", HISTORY_G, "since", 1);
    BAD("since", "{" TO_G " sn}", HISTORY_G, "since");
    BAD("limit", "{" TO_G " si}", HISTORY_G, "limit", -1);
    BAD("limit", "{" TO_G " sd}", HISTORY_G, "limit", 1.0);
    BAD("limit", "{" TO_G " sn}", HISTORY_G, "limit");
    BAD("target", "{ss}", "op", "history");
}

static void a_hello_may_have_a_token(void **state)
{
    struct decoded decoded = decode("{ss ss si}", "op", "hello", "token", "s3cret", "id", 1);
    assert_int_equal(decoded.error, 0);
    assert_int_equal(decoded.command.token.size, 6);
    assert_memory_equal(decoded.command.token.bytes, "s3cret", 6);
    decoded_free(&decoded);

    decoded = decode("{ss}", "op", "hello");
    assert_int_equal(decoded.error, 0);
    assert_null(decoded.command.token.bytes);
    decoded_free(&decoded);

    BAD("token: not UTF-8", "{ss ss}", "op", "hello", "token", "\xff");
    BAD("token: must be a string", "{ss sb}", "op", "hello", "token", "x", 1);
    BAD("token: must be a string", "{ss sn}", "op", "hello", "token");
}

/* The scanner lets nothing incomplete through; the decoder does not rely on it. */
static void every_cut_of_a_command_is_refused(void **state)
{
    struct packed packed =
        pack_format("{ss s[ss] s{s[{sd}]sb} si}", "op", "broadcast", "groups", "a", "b", "data",
                    "x", "y", 1.5, "z", "\x01\x02", 2, "id", 300);

    for (size_t size = 0; size < packed.size; size++) {
        struct command_refusal refusal;
        struct command command;
        uint8_t *cut = malloc(size ? size : 1);

        memcpy(cut, packed.bytes, size);
        assert_int_equal(command_decode(&command, cut, size, MESSAGE_BYTES, &refusal),
                         ERR_PROTOCOL);
        assert_int_equal(refusal.code, REFUSAL_BAD_COMMAND);
        command_clear(&command);
        free(cut);
    }
    free(packed.bytes);
}

/* A map that claims 4 thousand million pairs must cost nothing where they are not there. */
static void claims_cost_nothing(void **state)
{
    static const char *const heads[] = {"\xdf\xff\xff\xff\xff", "\xdd\xff\xff\xff\xff",
                                        "\x81\xa4"
                                        "data\xdd\x01\xff\xff\xff",
                                        "\x81\xa6"
                                        "groups\xdd\x01\xff\xff\xff"};
    static const size_t sizes[] = {5, 5, 11, 13};

    for (int i = 0; i < 4; i++) {
        struct command_refusal refusal;
        struct command command;

        assert_int_equal(
            command_decode(&command, (const uint8_t *)heads[i], sizes[i], MESSAGE_BYTES, &refusal),
            ERR_PROTOCOL);
        assert_int_equal(refusal.code, REFUSAL_BAD_COMMAND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_str_is_a_text_frame_as_it_is),
        cmocka_unit_test(a_str_may_hold_anything_that_is_utf8),
        cmocka_unit_test(a_bin_is_a_binary_frame_as_it_is),
        cmocka_unit_test(anything_else_is_json),
        cmocka_unit_test(keys_come_in_any_order),
        cmocka_unit_test(an_id_is_any_unsigned_integer_or_nil),
        cmocka_unit_test(a_refusal_has_the_id_wherever_it_is),
        cmocka_unit_test(a_command_is_a_map),
        cmocka_unit_test(keys_are_strings_and_come_once),
        cmocka_unit_test(an_unknown_key_is_named),
        cmocka_unit_test(a_key_of_another_op_is_named),
        cmocka_unit_test(the_op_is_one_of_six),
        cmocka_unit_test(a_broadcast_has_data),
        cmocka_unit_test(a_priority_is_one_of_three),
        cmocka_unit_test(a_payload_is_measured_after_transcoding),
        cmocka_unit_test(a_payload_may_be_as_large_as_the_limit),
        cmocka_unit_test(a_disconnect_has_code_and_reason),
        cmocka_unit_test(codes_are_3000_to_4999),
        cmocka_unit_test(reasons_are_text_and_not_json),
        cmocka_unit_test(a_history_has_limit_and_since),
        cmocka_unit_test(a_history_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_hello_may_have_a_token),
        cmocka_unit_test(every_cut_of_a_command_is_refused),
        cmocka_unit_test(claims_cost_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
