/* Commands of the Centrifuge client protocol in Protobuf: what SDKs send, and what nobody should.
 */
#include "tests/unit/hex_helper.h"
#include "tests/unit/sdk_helper.h"

static struct message read_hex(const char *text)
{
    struct bytes bytes = hex(text);

    return read_message(SDK_PROTOBUF, bytes.at, bytes.size);
}

#define ONE(method, text) check_one(read_hex(text), method, __FILE__, __LINE__)
#define BAD(text)         check_bad(read_hex(text), 0, __FILE__, __LINE__)

static void every_method(void **state)
{
    static const struct {
        enum sdk_method method;
        const char *text;
    } commands[] = {
        {SDK_PONG, "00"},
        {SDK_CONNECT, "04 08 01 22 00"},
        {SDK_SUBSCRIBE, "{08 01 2a {0a 01 67}}"},
        {SDK_UNSUBSCRIBE, "07 08 05 32 03 0a 01 67"},
        {SDK_PUBLISH, "{08 01 3a {0a 01 67}}"},
        {SDK_PRESENCE, "{08 01 42 {0a 01 67}}"},
        {SDK_PRESENCE_STATS, "{08 01 4a {0a 01 67}}"},
        {SDK_HISTORY, "{08 01 52 {0a 01 67}}"},
        {SDK_PING, "{08 01 5a {}}"},
        {SDK_SEND, "{62 {0a 01 78}}"},
        {SDK_RPC, "{08 01 6a {0a 01 78 12 01 6d}}"},
        {SDK_REFRESH, "{08 01 72 {0a 01 74}}"},
        {SDK_SUB_REFRESH, "{08 01 7a {0a 01 67 12 01 74}}"},
        {SDK_SUB_REFRESH, "{08 01 7a {0a 01 67 12 01 74 18 01 22 {0a 00} 2a {6b 31}}}"},
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        free(ONE(commands[i].method, commands[i].text).bytes);
}

static void subscribe_with_a_position(void **state)
{
    struct message message =
        ONE(SDK_SUBSCRIBE, "10 08 02 2a 0c 0a 01 67 18 01 32 01 65 38 03 70 01");
    const struct sdk_command *command = message.commands;

    assert_int_equal(command->id, 2);
    assert_true(command->recover);
    assert_false(command->positioned || command->recoverable || command->join_leave);
    assert_string_equal(command->position.epoch, "e");
    assert_int_equal(command->position.offset, 3);
    assert_int_equal(command->flag, 1);
    assert_null(command->token.bytes);
    free(message.bytes);

    message =
        ONE(SDK_SUBSCRIBE, "{08 02 2a {0a 01 67 12 01 74 38 ff ff ff ff ff ff ff ff ff 01 48 01 "
                           "50 01 58 01 78 01 62 {}}}");
    command = message.commands;
    assert_true(command->positioned && command->recoverable && command->join_leave);
    assert_true(command->position.offset == UINT64_MAX);
    assert_true(view_is(command->token, "t"));
    assert_int_equal(command->type, 1);
    free(message.bytes);
}

static void publish_has_bytes(void **state)
{
    struct message message = ONE(SDK_PUBLISH, "0b 08 03 3a 07 0a 01 67 12 02 7b 7d");
    const struct sdk_command *command = message.commands;

    assert_int_equal(command->data_size, 2);
    assert_memory_equal(command->data, "{}", 2);
    assert_int_equal(command->data_kind, PAYLOAD_TEXT);
    free(message.bytes);

    message = ONE(SDK_PUBLISH, "{08 03 3a {0a 01 67 12 {ff 00}}}");
    assert_memory_equal(command->data, "\xff\x00", 2);
    assert_int_equal(message.commands[0].data_kind, PAYLOAD_BINARY);
    free(message.bytes);

    message = ONE(SDK_PUBLISH, "{08 03 3a {0a 01 67 12 {}}}"); /* empty is absent */
    assert_null(message.commands[0].data);
    free(message.bytes);
}

static void history_with_a_negative_limit(void **state)
{
    struct message message =
        ONE(SDK_HISTORY, "12 08 04 52 0e 0a 01 67 38 ff ff ff ff ff ff ff ff ff 01");

    assert_int_equal(message.commands[0].limit, -1);
    assert_false(message.commands[0].has_since || message.commands[0].reverse);
    free(message.bytes);

    message = ONE(SDK_HISTORY, "{08 04 52 {0a 01 67 42 {08 07 12 01 65} 48 01}}");
    assert_true(message.commands[0].has_since && message.commands[0].reverse);
    assert_int_equal(message.commands[0].position.offset, 7);
    assert_string_equal(message.commands[0].position.epoch, "e");
    free(message.bytes);

    message = ONE(SDK_HISTORY, "{08 04 52 {0a 01 67 42 {}}}");
    assert_true(message.commands[0].has_since);
    assert_int_equal(message.commands[0].position.offset, 0);
    free(message.bytes);
}

static void subs_of_a_connect(void **state)
{
    /* "u:a" twice, once value first; an entry without a value, one without a key, and one that has
     * an unknown field only. */
    struct message message =
        ONE(SDK_CONNECT, "{08 01 22 {1a {0a {75 3a 61} 12 {38 01}}"
                         "1a {12 {18 01 32 01 65 38 09} 0a {75 3a 61}}"
                         "1a {0a 01 67} 1a {12 {38 05}} 1a {18 01} 0a 01 74}}");
    const struct sdk_command *connect = message.commands;
    struct sdk_sub sub;

    assert_true(view_is(connect->token, "t"));
    assert_true(sdk_command_sub(connect, "u:a", 3, &sub));
    assert_true(sub.recover);
    assert_int_equal(sub.position.offset, 9);
    assert_string_equal(sub.position.epoch, "e");
    assert_true(sdk_command_sub(connect, "g", 1, &sub));
    assert_false(sub.recover);
    assert_false(sdk_command_sub(connect, "u:", 2, &sub));
    free(message.bytes);

    BAD("{08 01 22 {1a {08 01}}}");         /* a key that is no string */
    BAD("{08 01 22 {1a {10 01}}}");         /* a value that is no message */
    BAD("{08 01 22 {1a {0a 01 ff}}}");      /* a key that is not UTF-8 */
    BAD("{08 01 22 {1a {12 {18 80}}}}");    /* a value that is cut */
    BAD("{08 01 22 {1a {12 {1a 01 67}}}}"); /* recover as a string */
    BAD("{08 01 22 {18 01}}");              /* no message at all */
}

static void several_in_a_message(void **state)
{
    struct message message = read_hex("00 04 08 01 22 00 {08 02 2a {0a 01 67}} 00");

    assert_int_equal(message.end, 0);
    assert_int_equal(message.count, 4);
    assert_int_equal(message.commands[1].id, 1);
    assert_int_equal(message.commands[2].id, 2);
    free(message.bytes);

    check_bad(read_hex("00 04 08 01 22 00 07 08 02 2a 03 0a 01"), 2, __FILE__, __LINE__);
    check_bad(read_hex("00 80"), 1, __FILE__, __LINE__);
}

static void names(void **state)
{
    struct message message = read_hex("{08 01 42 {0a {67 00 78}}}"); /* not the group g */

    assert_true(message.count == 1 && message.commands[0].channel_bad);
    free(message.bytes);
    message = read_hex("{08 01 42 {0a {c3 bc}}}");
    assert_true(message.count == 1 && message.commands[0].channel_bad);
    free(message.bytes);
    message = ONE(SDK_SUBSCRIBE, "{08 01 2a {0a 01 67 32 {c3 bc}}}");
    assert_string_equal(message.commands[0].position.epoch, "_");
    free(message.bytes);

    BAD("{08 01 42 {0a {ff fe}}}"); /* not UTF-8 */
    BAD("{08 01 42 {0a {c3}}}");
    BAD("{08 01 2a {0a 01 67 32 {80}}}"); /* an epoch that is not */
    BAD("{08 01 2a {0a 01 67 12 {80}}}"); /* a token */
    BAD("{08 01 22 {22 {80}}}");          /* a name that nobody reads */
}

static void a_long_name_is_bad(void **state)
{
    for (unsigned bytes = 127; bytes <= 129; bytes++) {
        char text[400] = "{08 01 42 {0a {";

        for (unsigned i = 0; i < bytes; i++)
            strcat(text, "67");
        struct message message = read_hex(strcat(text, "}}}"));
        assert_int_equal(message.count, 1);
        assert_int_equal(message.commands[0].channel_bad, bytes > 128);
        assert_int_equal(message.commands[0].channel.size, bytes > 128 ? 128 : bytes);
        free(message.bytes);
    }
}

static void unknown_fields_are_skipped(void **state)
{
    /* Field 100 of each type, in the command and in the request; 2 and 3 are reserved. */
    free(ONE(SDK_PRESENCE,
             "{08 01 a0 06 05 a1 06 01 02 03 04 05 06 07 08 a2 06 {ff ff} a5 06 01 02 "
             "03 04 42 {a0 06 ff 7f 0a 01 67 a5 06 00 00 00 00 a2 06 {}}}")
             .bytes);
    free(ONE(SDK_CONNECT, "{08 01 22 {} 12 {} 18 05}").bytes);
    free(ONE(SDK_CONNECT, "{08 01 22 {32 {0a 01 61 12 01 62 18 01} 32 {}}}").bytes);
    free(ONE(SDK_SUBSCRIBE, "{08 01 2a {0a 01 67 6a {0a 01 61 18 05}}}").bytes);
    BAD("{08 01 2a {0a 01 67 6a {0a 01}}}");
}

static void scalars_twice_and_messages_merged(void **state)
{
    struct message message =
        ONE(SDK_SUBSCRIBE, "{08 01 2a {0a 01 78 18 01} 08 02 2a {0a 01 67 38 05 38 06 32 01 65}}");

    assert_int_equal(message.commands[0].id, 2);
    assert_true(message.commands[0].recover);
    assert_int_equal(message.commands[0].position.offset, 6);
    assert_string_equal(message.commands[0].position.epoch, "e");
    free(message.bytes);
}

static void values_are_cut_to_their_type(void **state)
{
    struct message message = ONE(SDK_PING, "{08 85 80 80 80 90 01 5a {}}");

    assert_int_equal(message.commands[0].id, 5);
    free(message.bytes);
    message = ONE(SDK_HISTORY, "{08 01 52 {0a 01 67 38 ff ff ff ff 0f}}"); /* -1 in five bytes */
    assert_int_equal(message.commands[0].limit, -1);
    free(message.bytes);
    message = ONE(SDK_SUBSCRIBE, "{08 01 2a {0a 01 67 18 80 01}}");
    assert_true(message.commands[0].recover); /* anything but 0 */
    free(message.bytes);
    BAD("{08 80 80 80 80 10 5a {}}"); /* nothing is left of that id */
}

static void long_forms_of_varints(void **state)
{
    free(ONE(SDK_PRESENCE, "87 80 80 80 80 80 80 80 80 00 08 01 42 03 0a 01 67").bytes);
    free(ONE(SDK_PRESENCE, "{88 80 80 00 81 00 c2 80 80 80 80 00 88 00 0a 81 80 80 80 80 00 67}")
             .bytes);
    BAD("84 80 80 80 80 80 80 80 80 80 00 08 01 22 00");
    BAD("{08 81 80 80 80 80 80 80 80 80 80 00 22 {}}");
    BAD("{88 80 80 80 80 80 80 80 80 80 00 01 22 {}}");
    BAD("{08 01 22 80 80 80 80 80 80 80 80 80 80 00}");
}

static void what_is_malformed(void **state)
{
    static const char *const texts[] = {
        "", /* no command */
        "80",
        "ff ff ff ff ff ff ff ff ff 01", /* no length; an absurd one */
        "05 08 01 22 00",                /* over the end */
        "{08}",
        "{08 80}",
        "{22 01}",
        "{08 01 22 05}",
        "{08 01 22 ff ff ff ff ff ff ff ff ff 01}",
        "{08 01}", /* no method */
        "{22 {}}",
        "{08 00 22 {}}", /* no id */
        "{08 01 2a {}}",
        "{08 01 2a {0a {}}}",  /* no channel */
        "{08 01 22 {} 5a {}}", /* two methods */
        "{80 01 01}",          /* only what is unknown */
        "{08 01 20 00}",       /* a method that is no message */
        "{0a 01 01 22 {}}",
        "{0d 01 00 00 00 22 {}}",               /* an id that is no varint */
        "{08 01 22 {08 01}}",                   /* a token that is a number */
        "{08 01 2a {0a 01 67 1a 00}}",          /* recover that is a string */
        "{08 01 2a {0a 01 67 30 00}}",          /* an epoch that is a number */
        "{08 01 2a {0a 01 67 3d 01 00 00 00}}", /* an offset of 32 bits */
        "{08 01 2a {0a 01 67 39 01 00 00 00 00 00 00 00}}",
        "{08 01 52 {0a 01 67 40 01}}",         /* since */
        "{08 01 52 {0a 01 67 42 {0a 01 31}}}", /* since's offset */
        "{08 01 3a {0a 01 67 10 01}}",         /* data */
        "{08 01 22 {20 01}}",
        "{08 01 22 {3a {}}}", /* a name and a flag that nobody reads */
        "{08 01 22 {30 01}}",
        "{08 01 22 {32 {0a 05}}}",
        "{08 01 22 {32 {12 {ff}}}}",
        "{08 01 22 {32 {a0}}}", /* headers */
        "{08 01 22 {} 03 04}",
        "{08 01 22 {} 04}",
        "{08 01 22 {} 0e}",
        "{08 01 22 {} 0f}",
        "{08 01 22 {a3 06 a4 06}}", /* groups, no types */
        "{08 01 22 {} 00 00}",
        "{08 01 22 {} 80 80 80 80 10 00}",    /* field 0, in two forms */
        "{08 01 22 {} 80 80 80 80 80 01 00}", /* a field above 2^29 - 1 */
        "{08 01 22 {} a1 06 01 02}",
        "{08 01 22 {} a5 06}",
        "{08 01 22 {} a2 06 05 00}",
        "{08 01 22 {} a0 06}", /* unknown fields that are cut */
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct message message = read_hex(texts[i]);

        if (message.end != ERR_PROTOCOL || message.count)
            print_error("taken: %s\n", texts[i]);
        check_bad(message, 0, __FILE__, __LINE__);
    }
}

/* Each beginning of a good message is either malformed or ends between two commands. */
static void every_cut(void **state)
{
    struct bytes bytes =
        hex("04 08 01 22 00 10 08 02 2a 0c 0a 01 67 18 01 32 01 65 38 03 70 01 00");

    for (size_t cut = 0; cut <= bytes.size; cut++) {
        struct message message = read_message(SDK_PROTOBUF, bytes.at, cut);
        bool between = cut == 5 || cut >= bytes.size - 1;

        assert_int_equal(message.end, between ? 0 : ERR_PROTOCOL);
        free(message.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method),
        cmocka_unit_test(subscribe_with_a_position),
        cmocka_unit_test(publish_has_bytes),
        cmocka_unit_test(history_with_a_negative_limit),
        cmocka_unit_test(subs_of_a_connect),
        cmocka_unit_test(several_in_a_message),
        cmocka_unit_test(names),
        cmocka_unit_test(a_long_name_is_bad),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(scalars_twice_and_messages_merged),
        cmocka_unit_test(values_are_cut_to_their_type),
        cmocka_unit_test(long_forms_of_varints),
        cmocka_unit_test(what_is_malformed),
        cmocka_unit_test(every_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
