/* Answers as producers read them: unpacked by msgpack-c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "proto/answer.h"
#include "proto/command.h"
#include "proto/payload.h"

/* All that is in `out`, as msgpack-c prints it; empties it. */
static const char *printed(struct buffer *out)
{
    static char text[4096];
    msgpack_unpacked unpacked;
    size_t at = 0, size = 0;

    msgpack_unpacked_init(&unpacked);
    while (at < out->size) {
        assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)out->bytes, out->size, &at),
                         MSGPACK_UNPACK_SUCCESS);
        size +=
            (size_t)msgpack_object_print_buffer(text + size, sizeof(text) - size, unpacked.data);
    }
    msgpack_unpacked_destroy(&unpacked);
    buffer_free(out);
    return text;
}

static void broadcasts_have_members_and_position(void **state)
{
    struct buffer out = {0};

    assert_int_equal(answer_broadcast(&out, 7, 50, 12, "aB-_9"), 0);
    assert_string_equal(printed(&out), "{\"id\"=>7, \"ok\"=>true, \"members\"=>50, \"offset\"=>12, "
                                       "\"epoch\"=>\"aB-_9\"}");

    assert_int_equal(answer_broadcast(&out, UINT64_MAX, 0, 0, NULL), 0);
    assert_string_equal(printed(&out),
                        "{\"id\"=>18446744073709551615, \"ok\"=>true, \"members\"=>0}");
}

static void disconnects_have_members(void **state)
{
    struct buffer out = {0};

    assert_int_equal(answer_disconnect(&out, 0, 3), 0);
    assert_string_equal(printed(&out), "{\"id\"=>0, \"ok\"=>true, \"members\"=>3}");
}

static void a_ping_is_ok(void **state)
{
    struct buffer out = {0};

    assert_int_equal(answer_ok(&out, 1), 0);
    assert_string_equal(printed(&out), "{\"id\"=>1, \"ok\"=>true}");
}

static void a_hello_says_who_is_there(void **state)
{
    struct buffer out = {0};

    assert_int_equal(answer_hello(&out, 1, "0.1.0", 2, 65536), 0);
    assert_string_equal(printed(&out),
                        "{\"id\"=>1, \"ok\"=>true, \"server\"=>\"shardcast\", "
                        "\"version\"=>\"0.1.0\", \"shards\"=>2, \"message_bytes\"=>65536}");
}

static void errors_have_code_and_message(void **state)
{
    struct buffer out = {0};
    struct answer_error error = {.has_id = true,
                                 .id = 7,
                                 .code = REFUSAL_RATE_LIMITED,
                                 .message = "a: more than 100 messages in one second",
                                 .retry_after_ms = 130};

    assert_int_equal(answer_error(&out, &error), 0);
    assert_string_equal(printed(&out), "{\"id\"=>7, \"ok\"=>false, \"error\"=>\"rate_limited\", "
                                       "\"message\"=>\"a: more than 100 messages in one second\", "
                                       "\"retry_after_ms\"=>130}");

    error = (struct answer_error){.code = REFUSAL_BAD_COMMAND, .message = "", .retry_after_ms = -1};
    assert_int_equal(answer_error(&out, &error), 0);
    assert_string_equal(printed(&out), "{\"id\"=>nil, \"ok\"=>false, \"error\"=>\"bad_command\", "
                                       "\"message\"=>\"\"}");

    error.retry_after_ms = 0;
    assert_int_equal(answer_error(&out, &error), 0);
    assert_string_equal(printed(&out), "{\"id\"=>nil, \"ok\"=>false, \"error\"=>\"bad_command\", "
                                       "\"message\"=>\"\", \"retry_after_ms\"=>0}");
}

static void every_code_has_its_name(void **state)
{
    static const char *const names[] = {"bad_command", "unknown_op",    "bad_group",
                                        "too_large",   "rate_limited",  "insufficient_state",
                                        "overloaded",  "shutting_down", "unauthorized"};

    for (int code = REFUSAL_BAD_COMMAND; code < REFUSAL_COUNT; code++) {
        struct buffer out = {0};
        struct answer_error error = {
            .code = (enum refusal)code, .message = "m", .retry_after_ms = -1};

        assert_int_equal(answer_error(&out, &error), 0);
        assert_non_null(strstr(printed(&out), names[code - REFUSAL_BAD_COMMAND]));
    }
}

static void groups_that_refuse_are_named(void **state)
{
    struct buffer out = {0};
    struct name_view refused[] = {{"a", 1}, {"experiment:42xx", 13}};
    struct answer_error error = {.has_id = true,
                                 .id = 1,
                                 .code = REFUSAL_OVERLOADED,
                                 .message = "a: no more groups",
                                 .retry_after_ms = -1,
                                 .members = 5,
                                 .refused = refused,
                                 .refused_count = 2};

    assert_int_equal(answer_error(&out, &error), 0);
    assert_string_equal(printed(&out), "{\"id\"=>1, \"ok\"=>false, \"error\"=>\"overloaded\", "
                                       "\"message\"=>\"a: no more groups\", \"members\"=>5, "
                                       "\"refused\"=>[\"a\", \"experiment:42\"]}");
}

static void a_tree_is_written_piece_by_piece(void **state)
{
    struct buffer out = {0};

    assert_int_equal(answer_map(&out, 2), 0);
    assert_int_equal(answer_str(&out, "drops"), 0);
    assert_int_equal(answer_map(&out, 1), 0);
    assert_int_equal(answer_str(&out, "slow"), 0);
    assert_int_equal(answer_uint(&out, UINT64_MAX), 0);
    assert_int_equal(answer_str(&out, "shards"), 0);
    assert_int_equal(answer_array(&out, 2), 0);
    assert_int_equal(answer_uint(&out, 0), 0);
    assert_int_equal(answer_uint(&out, 1), 0);
    assert_string_equal(printed(&out),
                        "{\"drops\"=>{\"slow\"=>18446744073709551615}, \"shards\"=>[0, 1]}");
}

static struct payload *payload_of(enum payload_kind kind, const char *body, uint32_t size)
{
    struct payload *payload = payload_new(kind, size);

    assert_non_null(payload);
    memcpy(payload_body(payload), body, size);
    return payload;
}

static void a_history_has_messages_and_the_position(void **state)
{
    struct payload *messages[] = {payload_of(PAYLOAD_TEXT, "hello", 5),
                                  payload_of(PAYLOAD_BINARY, "bin", 3),
                                  payload_of(PAYLOAD_JSON, "[1]", 3)};
    struct answer_history history = {.id = 7,
                                     .epoch = "aB",
                                     .offset = 12,
                                     .messages = messages,
                                     .count = 3,
                                     .first = 10,
                                     .bytes_max = 1000};
    struct buffer out = {0};

    assert_int_equal(answer_history(&out, &history), 0);
    assert_string_equal(
        printed(&out),
        "{\"id\"=>7, \"ok\"=>true, \"messages\"=>[{\"offset\"=>10, \"data\"=>\"hello\"}, "
        "{\"offset\"=>11, \"data\"=>\"bin\"}, {\"offset\"=>12, \"data\"=>\"[1]\"}], "
        "\"epoch\"=>\"aB\", \"offset\"=>12}");

    assert_int_equal(answer_history(&out, &(struct answer_history){.id = 1, .epoch = ""}), 0);
    assert_string_equal(
        printed(&out),
        "{\"id\"=>1, \"ok\"=>true, \"messages\"=>[], \"epoch\"=>\"\", \"offset\"=>0}");
    for (unsigned i = 0; i < 3; i++)
        payload_unref(messages[i]);
}

/* How many messages an encoded history has, in one piece, and where they begin. */
static uint32_t history_messages(const struct buffer *out, uint64_t *first)
{
    msgpack_unpacked unpacked;
    size_t at = 0;

    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)out->bytes, out->size, &at),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, out->size);
    const msgpack_object_array *array = &unpacked.data.via.map.ptr[2].val.via.array;
    uint32_t count = array->size;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset = array->ptr[i].via.map.ptr[0].val.via.u64;

        if (!i)
            *first = offset;
        assert_int_equal(offset, *first + i);
    }
    msgpack_unpacked_destroy(&unpacked);
    return count;
}

static void a_history_is_bounded_to_the_byte(void **state)
{
    enum { COUNT = 40 };
    static const uint32_t sizes[] = {0, 1, 31, 32, 255, 256, 1000, 65535, 65536};
    static char body[65536];
    struct payload *messages[COUNT];
    struct answer_history history = {
        .id = 1, .epoch = "0123456789abc", .messages = messages, .count = COUNT, .first = 115};
    struct buffer out = {0};
    size_t whole;
    uint64_t first = 0;

    for (unsigned i = 0; i < COUNT; i++)
        messages[i] = payload_of(i % 2 ? PAYLOAD_TEXT : PAYLOAD_BINARY, body,
                                 sizes[i % (sizeof(sizes) / sizeof(sizes[0]))]);
    for (unsigned newest = 0; newest < 2; newest++) {
        history.newest = newest;
        for (uint32_t count = 1; count <= COUNT; count++) {
            /* What has room exactly is there; with a few bytes less (the array's header) one less.
             */
            history.count = count;
            history.messages = messages + (newest ? COUNT - count : 0);
            history.first = 115 + (newest ? COUNT - count : 0);
            history.bytes_max = UINT64_MAX;
            assert_int_equal(answer_history(&out, &history), 0);
            whole = out.size;
            assert_int_equal(history_messages(&out, &first), count);
            buffer_free(&out);

            history.bytes_max = whole + 4;
            assert_int_equal(answer_history(&out, &history), 0);
            assert_int_equal(history_messages(&out, &first), count);
            buffer_free(&out);

            history.bytes_max = whole - 1;
            assert_int_equal(answer_history(&out, &history), 0);
            assert_int_equal(history_messages(&out, &first), count > 1 ? count - 1 : 1);
            assert_int_equal(first, history.first + (newest && count > 1));
            buffer_free(&out);
        }
    }
    for (unsigned i = 0; i < COUNT; i++)
        payload_unref(messages[i]);
}

/* Many answers in one buffer are a stream that the scanner reads like any other. */
static void answers_follow_each_other(void **state)
{
    struct buffer out = {0};
    struct command_scanner scanner;
    size_t at = 0;
    unsigned found = 0;

    for (uint64_t id = 0; id < 5000; id++)
        assert_int_equal(answer_broadcast(&out, id << id % 64, id, id, "epoch"), 0);
    command_scanner_init(&scanner);
    while (at < out.size) {
        int64_t length = command_scan(&scanner, out.bytes + at, out.size - at, 1024);
        assert_true(length > 0);
        at += (size_t)length;
        found++;
    }
    assert_int_equal(found, 5000);
    buffer_free(&out);
    assert_null(out.bytes);
    assert_int_equal(out.size, 0);
}

static void a_buffer_takes_anything(void **state)
{
    struct buffer out = {0};
    char big[10000];

    memset(big, 'x', sizeof(big));
    assert_int_equal(buffer_append(&out, NULL, 0), 0);
    assert_int_equal(buffer_append(&out, big, sizeof(big)), 0);
    assert_int_equal(buffer_append(&out, big, 1), 0);
    assert_int_equal(out.size, sizeof(big) + 1);
    /* What cannot be had leaves it as it was. */
    assert_int_equal(buffer_append(&out, big, SIZE_MAX), ERR_NOMEM);
    assert_int_equal(out.size, sizeof(big) + 1);
    assert_memory_equal(out.bytes, big, sizeof(big));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broadcasts_have_members_and_position),
        cmocka_unit_test(disconnects_have_members),
        cmocka_unit_test(a_ping_is_ok),
        cmocka_unit_test(a_hello_says_who_is_there),
        cmocka_unit_test(errors_have_code_and_message),
        cmocka_unit_test(every_code_has_its_name),
        cmocka_unit_test(groups_that_refuse_are_named),
        cmocka_unit_test(a_tree_is_written_piece_by_piece),
        cmocka_unit_test(a_history_has_messages_and_the_position),
        cmocka_unit_test(a_history_is_bounded_to_the_byte),
        cmocka_unit_test(answers_follow_each_other),
        cmocka_unit_test(a_buffer_takes_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
