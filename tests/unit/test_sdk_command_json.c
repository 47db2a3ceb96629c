/* Commands of the Centrifuge client protocol in JSON: what SDKs send, and what nobody should. */
#include "tests/unit/sdk_helper.h"

#include <stdio.h>

#include "proto/json_scan.h"

/* The tests write ' for ", so that they can be read. To be freed. */
static char *json_of(const char *text)
{
    char *json = strdup(text);

    assert_non_null(json);
    for (char *at = json; (at = strchr(at, '\'')); at++)
        *at = '"';
    return json;
}

static struct message read_text(const char *text)
{
    char *json = json_of(text);
    struct message message = read_message(SDK_JSON, json, strlen(json));

    free(json);
    return message;
}

#define ONE(method, text) check_one(read_text(text), method, __FILE__, __LINE__)
#define BAD(text)         check_bad(read_text(text), 0, __FILE__, __LINE__)

static void first_frame_of_the_javascript_sdk(void **state)
{
    struct message message =
        read_text("{'connect':{'token':'a.b.c','data':{'x':[1]},'name':'js','headers':{'k':"
                  "'v'},'subs':{'user:ann':{'recover':true,'offset':7,'epoch':'e1'}}},'id':1}"
                  "\n{'subscribe':{'channel':'a'},'id':2}"
                  "\n{'subscribe':{'channel':'b','recover':true,'offset':3,'epoch':'xyz',"
                  "'positioned':true,'recoverable':true,'join_leave':true,'flag':2,'delta':"
                  "'fossil'},'id':3}");
    const struct sdk_command *command = message.commands;
    struct sdk_sub sub;

    assert_int_equal(message.end, 0);
    assert_int_equal(message.count, 3);

    assert_int_equal(command->method, SDK_CONNECT);
    assert_int_equal(command->id, 1);
    assert_true(view_is(command->token, "a.b.c"));
    assert_true(sdk_command_sub(command, "user:ann", 8, &sub));
    assert_true(sub.recover);
    assert_int_equal(sub.position.offset, 7);
    assert_string_equal(sub.position.epoch, "e1");
    assert_false(sdk_command_sub(command, "user:an", 7, &sub));
    assert_false(sdk_command_sub(command, "*", 1, &sub));

    command++;
    assert_int_equal(command->method, SDK_SUBSCRIBE);
    assert_int_equal(command->id, 2);
    assert_string_equal(command->channel.bytes, "a");
    assert_false(command->recover || command->positioned || command->recoverable ||
                 command->join_leave);
    assert_null(command->token.bytes);
    assert_string_equal(command->position.epoch, "");
    assert_int_equal(command->position.offset, 0);

    command++;
    assert_int_equal(command->id, 3);
    assert_true(command->recover && command->positioned && command->recoverable &&
                command->join_leave);
    assert_string_equal(command->position.epoch, "xyz");
    assert_int_equal(command->position.offset, 3);
    assert_int_equal(command->flag, SDK_FLAG_REJECT_UNRECOVERED);
    assert_int_equal(command->type, 0);
    free(message.bytes);
}

static void every_method(void **state)
{
    static const struct {
        enum sdk_method method;
        const char *text;
    } commands[] = {
        {SDK_PONG, "{}"},
        {SDK_CONNECT, "{'id':1,'connect':{}}"},
        {SDK_UNSUBSCRIBE, "{'id':1,'unsubscribe':{'channel':'g'}}"},
        {SDK_PRESENCE, "{'id':1,'presence':{'channel':'g'}}"},
        {SDK_PRESENCE_STATS, "{'id':1,'presence_stats':{'channel':'g'}}"},
        {SDK_PING, "{'id':1,'ping':{}}"},
        {SDK_SEND, "{'send':{'data':{}}}"},
        {SDK_SEND, "{'id':9,'send':{}}"},
        {SDK_RPC, "{'id':1,'rpc':{'method':'m','data':null}}"},
        {SDK_REFRESH, "{'id':1,'refresh':{'token':'t'}}"},
        {SDK_REFRESH, "{'id':1,'refresh':{}}"},
        {SDK_SUB_REFRESH, "{'id':1,'sub_refresh':{'channel':'g','token':'t'}}"},
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        free(ONE(commands[i].method, commands[i].text).bytes);
}

static void history_with_and_without_a_position(void **state)
{
    struct message message = ONE(SDK_HISTORY, "{'id':1,'history':{'channel':'g'}}");
    const struct sdk_command *command = message.commands;

    assert_int_equal(command->limit, 0);
    assert_false(command->has_since || command->reverse);
    free(message.bytes);

    message = ONE(SDK_HISTORY, "{'history':{'channel':'g','since':{'offset':"
                               "18446744073709551615,'epoch':'E-_9'},'limit':-1,"
                               "'reverse':true},'id':4294967295}");
    assert_int_equal(message.commands[0].id, 4294967295);
    assert_true(command->has_since && command->reverse);
    assert_int_equal(command->limit, -1);
    assert_true(message.commands[0].position.offset == UINT64_MAX);
    assert_string_equal(message.commands[0].position.epoch, "E-_9");
    free(message.bytes);

    message = ONE(SDK_HISTORY, "{'id':1,'history':{'channel':'g','since':{}}}");
    assert_true(message.commands[0].has_since);
    assert_int_equal(message.commands[0].position.offset, 0);
    assert_string_equal(message.commands[0].position.epoch, "");
    free(message.bytes);
}

/* Data comes out byte for byte. */
static void check_data(const char *data)
{
    char text[600];

    snprintf(text, sizeof(text), " { 'id' : 5 , 'publish' : { 'data' : %s , 'channel':'g'}} ",
             data);
    struct message message = ONE(SDK_PUBLISH, text);
    const struct sdk_command *command = message.commands;

    char *expected = json_of(data);
    assert_int_equal(command->data_size, strlen(expected));
    assert_memory_equal(command->data, expected, command->data_size);
    free(expected);
    assert_int_equal(command->data_kind, PAYLOAD_JSON);
    free(message.bytes);
}

static void data_is_the_text_as_it_stands(void **state)
{
    check_data("null");
    check_data("{}");
    check_data("''");
    check_data("123456789012345678901234567890.5e-3");
    check_data("{'a': [1, 2 ,{'b':'\\u0000\\ud800'}],\t'a':false}");
    check_data("'gr\xc3\xbc\xc3\x9f\x65'");
    check_data("['}','\\']']");
}

static void data_that_is_not_there(void **state)
{
    struct message message = ONE(SDK_PUBLISH, "{'id':1,'publish':{'channel':'g'}}");

    assert_null(message.commands[0].data);
    free(message.bytes);
}

/* {"id":1,"publish":{"channel":"g","data":[[…]]}}, and behind it another field. */
static struct message publish_levels(unsigned levels, const char *behind)
{
    char text[2000] = "{'id':1,'publish':{'channel':'g','data':";
    size_t size = strlen(text);

    memset(text + size, '[', levels);
    memset(text + size + levels, ']', levels);
    strcpy(text + size + 2 * levels, behind);
    return read_text(text);
}

static void data_of_too_many_levels_can_be_answered(void **state)
{
    struct message message = publish_levels(JSON_SCAN_LEVELS_MAX, "},'x':1}\n{}");

    assert_int_equal(message.count, 2);
    assert_non_null(message.commands[0].data);
    assert_int_equal(message.commands[0].data_size, 2 * JSON_SCAN_LEVELS_MAX);
    free(message.bytes);

    message = publish_levels(JSON_SCAN_LEVELS_MAX + 1, ",'key':']'},'x':1}\n{}");
    assert_int_equal(message.count, 2);
    assert_int_equal(message.commands[0].method, SDK_PUBLISH);
    assert_null(message.commands[0].data);
    assert_int_equal(message.commands[1].method, SDK_PONG);
    free(message.bytes);

    message = publish_levels(JSON_SCAN_LEVELS_MAX + 1, ",'data':7}}");
    assert_int_equal(message.commands[0].data_size, 1); /* the last one counts */
    free(message.bytes);

    check_bad(publish_levels(JSON_SCAN_LEVELS_MAX + 1, ""), 0, __FILE__, __LINE__);
    check_bad(publish_levels(JSON_SCAN_LEVELS_MAX + 1, "}"), 0, __FILE__, __LINE__);
    check_bad(publish_levels(JSON_SCAN_LEVELS_MAX + 1, ",'a\n':1}}"), 0, __FILE__, __LINE__);
}

static void too_many_levels_elsewhere_are_malformed(void **state)
{
    char text[2000] = "{'id':1,'connect':{'data':";
    size_t size = strlen(text);

    memset(text + size, '[', 129);
    memset(text + size + 129, ']', 129);
    strcpy(text + size + 2 * 129, "}}");
    BAD(text);
}

static void names(void **state)
{
    struct message message = ONE(SDK_SUBSCRIBE, "{'id':1,'subscribe':{'channel':'\\u0067'}}");

    free(message.bytes);
    static const char *const bad[] = {
        "a b",      "*",
        "a/b",      "\\u0000",
        "g\\u0000", "gr\xc3\xbc\xc3\x9f",
        "\\u00fc",  "\\ud83d\\ude00",
        "a\\'",     "\\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[100];
        snprintf(text, sizeof(text), "{'id':1,'subscribe':{'channel':'%s'}}", bad[i]);
        message = read_text(text);
        assert_int_equal(message.count, 1);
        assert_true(message.commands[0].channel_bad);
        free(message.bytes);
    }
}

static void a_name_has_128_bytes_at_most(void **state)
{
    for (unsigned bytes = 127; bytes <= 400; bytes += bytes < 130 ? 1 : 270) {
        char text[500] = "{'id':1,'presence':{'channel':'";
        size_t size = strlen(text);

        memset(text + size, 'g', bytes);
        strcpy(text + size + bytes, "'}}");
        struct message message = read_text(text);
        assert_int_equal(message.count, 1);
        assert_int_equal(message.commands[0].channel_bad, bytes > 128);
        assert_int_equal(message.commands[0].channel.size, bytes > 128 ? 128 : bytes);
        assert_int_equal(strlen(message.commands[0].channel.bytes),
                         message.commands[0].channel.size);
        free(message.bytes);
    }
}

static void an_epoch_that_can_be_none_matches_none(void **state)
{
    static const struct {
        const char *text, *epoch;
    } epochs[] = {
        {"", ""},
        {"_", "_"},
        {"0123456789abcdefghijABCDEFGHIJ-_", "0123456789abcdefghijABCDEFGHIJ-_"},
        {"0123456789abcdefghijABCDEFGHIJ-_0", "_"},
        {"0123456789abcdefghijABCDEFGHIJ-_01234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789012345678901234567890123456789",
         "_"},
        {"a b", "_"},
        {"\\u0061", "a"},
        {"\\u00e4", "_"},
        {"a\\u0000", "_"},
        {"\xc3\xbc", "_"},
    };

    for (size_t i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++) {
        char text[300];
        snprintf(text, sizeof(text), "{'id':1,'subscribe':{'channel':'g','epoch':'%s'}}",
                 epochs[i].text);
        struct message message = ONE(SDK_SUBSCRIBE, text);
        assert_string_equal(message.commands[0].position.epoch, epochs[i].epoch);
        free(message.bytes);
    }
}

static void the_last_of_a_key_counts(void **state)
{
    struct message message =
        ONE(SDK_SUBSCRIBE, "{'id':1,'subscribe':{'channel':'a b','recover':true},'id':2,"
                           "'subscribe':{'channel':'g'},'subscribe':null,'connect':null}");

    assert_int_equal(message.commands[0].id, 2);
    assert_true(message.commands[0].recover); /* objects are merged */
    free(message.bytes);
}

static void null_is_an_absent_field(void **state)
{
    struct message message =
        ONE(SDK_SUBSCRIBE, "{'id':1,'subscribe':{'channel':'g','recover':null,'offset':null,"
                           "'epoch':null,'token':null,'flag':null,'data':null}}");

    assert_null(message.commands[0].token.bytes);
    free(message.bytes);
    free(ONE(SDK_HISTORY, "{'id':1,'history':{'channel':'g','since':null}}").bytes);
    BAD("{'id':null,'connect':{}}");
    BAD("{'id':1,'connect':null}");
    BAD("{'id':1,'presence':{'channel':null}}");
}

static void unknown_fields_are_skipped(void **state)
{
    free(ONE(SDK_CONNECT, "{'x':[{'id':3}],'id':1,'connect':{'y':{'token':5},'a very "
                          "long key that nobody has ever heard of':1e9},'':''}")
             .bytes);
    free(ONE(SDK_SUBSCRIBE, "{'i\\u0064':1,'subscribe':{'Channel':5,'chann\\u0065l':'g','tf':{}}}")
             .bytes);
}

static void another_type_is_reported(void **state)
{
    struct message message = ONE(SDK_SUBSCRIBE, "{'id':1,'subscribe':{'channel':'g','type':1}}");

    assert_int_equal(message.commands[0].type, 1);
    free(message.bytes);
    message = ONE(SDK_PUBLISH, "{'id':1,'publish':{'channel':'g','type':1,'key':'k',"
                               "'removed':true}}");
    assert_int_equal(message.commands[0].type, 1);
    free(message.bytes);
}

static void subs_of_a_connect(void **state)
{
    struct message message =
        ONE(SDK_CONNECT, "{'id':1,'connect':{'subs':{'*':{'recover':true},'\\u0061':{"
                         "'recover':true,'offset':1},'b':null,'c':{},'a':{'offset':2,"
                         "'epoch':'x'}}}}");
    const struct sdk_command *connect = message.commands;
    struct sdk_sub sub;

    assert_true(sdk_command_sub(connect, "a", 1, &sub)); /* the last one */
    assert_false(sub.recover);
    assert_int_equal(sub.position.offset, 2);
    assert_string_equal(sub.position.epoch, "x");
    assert_true(sdk_command_sub(connect, "b", 1, &sub));
    assert_false(sub.recover);
    assert_true(sdk_command_sub(connect, "*", 1, &sub));
    assert_true(sub.recover);
    assert_false(sdk_command_sub(connect, "d", 1, &sub));
    free(message.bytes);

    message = ONE(SDK_CONNECT, "{'id':1,'connect':{'subs':null}}");
    assert_false(sdk_command_sub(message.commands, "a", 1, &sub));
    free(message.bytes);
    BAD("{'id':1,'connect':{'subs':[]}}");
    BAD("{'id':1,'connect':{'subs':{'a':true}}}");
    BAD("{'id':1,'connect':{'subs':{'a':{'offset':-1}}}}");
    BAD("{'id':1,'connect':{'subs':{'a':{}");
}

static void lines(void **state)
{
    struct message message = read_text("\n {} \r\n\n\t\n{}\n");

    assert_int_equal(message.end, 0);
    assert_int_equal(message.count, 2);
    free(message.bytes);

    /* What came before the malformed one has been carried out. */
    check_bad(read_text("{}\n{}\n{"), 2, __FILE__, __LINE__);
    BAD("");
    BAD("\n");
    BAD(" \n \r\n");
    BAD("{}{}");
    BAD("{} {}");
    BAD("{},{}");
    BAD("[{}]");
    BAD("{'id':1,\n'connect':{}}");
}

static void what_is_malformed(void **state)
{
    static const char *const texts[] = {
        "null",
        "1",
        "'x'",
        "x",
        "{",
        "}",
        "{'",
        "{'id",
        "{'id'",
        "{'id':",
        "{'id':1",
        "{'id':1,",
        "{'id':1,}",
        "{,}",
        "{'id':1 'connect':{}}",
        "{id:1}",
        "{'id':1}",
        "{'id':1}",
        "{'id':0}",
        "{'x':1}",
        "{'x':{}}",
        "{'id':1,'nothing':{}}",
        "{'connect':{}}",
        "{'id':0,'connect':{}}",
        "{'ping':{}}",
        "{'rpc':{}}",
        "{'id':1,'connect':{},'ping':{}}",
        "{'id':1,'connect':[]}",
        "{'id':1,'connect':''}",
        "{'id':1,'connect':1}",
        "{'id':1,'connect':true}",
        "{'id':1,'connect':{}}x",
        "{'id':1,'connect':{}},",
        "{'id':1,'connect':{},}",
        "{'id':1,'connect':{,}}",
        "{'id':1,'connect':{'a'}}",
        "{'id':1,'connect':{'a':}}",
        "{'id':1,'connect':{'a':1,}}",
        "{'id':1,'connect':{'a':01}}",
        "{'id':1,'connect':{'a':tru}}",
        "{'id':1,'connect':{'a':'\t'}}",
        "{'id':1,'connect':{'a':'\\x'}}",
        "{'id':1,'connect':{'token':1}}",
        "{'id':1,'connect':{'name':1}}",
        "{'id':1,'connect':{'token':'\\u12'}}",
        "{'id':1,'subscribe':{}}",
        "{'id':1,'subscribe':{'channel':''}}",
        "{'id':1,'subscribe':{'channel':1}}",
        "{'id':1,'subscribe':{'channel':'g','recover':1}}",
        "{'id':1,'subscribe':{'channel':'g','recover':'true'}}",
        "{'id':1,'subscribe':{'channel':'g','recover':truex}}",
        "{'id':1,'subscribe':{'channel':'g','epoch':1}}",
        "{'id':1,'subscribe':{'channel':'g','flag':1.5}}",
        "{'id':1,'subscribe':{'channel':'g','flag':9223372036854775808}}",
        "{'id':1,'unsubscribe':{}}",
        "{'id':1,'publish':{'data':1}}",
        "{'id':1,'publish':{'channel':'g','data':}}",
        "{'id':1,'publish':{'channel':'g','data':[1}}",
        "{'id':1,'publish':{'channel':'g','data':nul}}",
        "{'id':1,'presence':{}}",
        "{'id':1,'presence_stats':{}}",
        "{'id':1,'history':{}}",
        "{'id':1,'history':{'channel':'g','limit':'1'}}",
        "{'id':1,'history':{'channel':'g','limit':1e3}}",
        "{'id':1,'history':{'channel':'g','limit':-}}",
        "{'id':1,'history':{'channel':'g','limit':-9223372036854775809}}",
        "{'id':1,'history':{'channel':'g','since':[]}}",
        "{'id':1,'history':{'channel':'g','since':{'offset':'1'}}}",
        "{'id':1,'sub_refresh':{'token':'t'}}",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct message message = read_text(texts[i]);

        if (message.end != ERR_PROTOCOL || message.count)
            print_error("taken: %s\n", texts[i]);
        check_bad(message, 0, __FILE__, __LINE__);
    }
}

static void numbers_are_exact_or_refused(void **state)
{
    static const struct {
        const char *digits;
        bool good;
        uint64_t value;
    } numbers[] = {
        {"0", true, 0},
        {"9007199254740993", true, 9007199254740993},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"184467440737095516150", false, 0},
        {"-1", false, 0},
        {"-0", false, 0},
        {"1.0", false, 0},
        {"1e2", false, 0},
        {"00", false, 0},
        {"01", false, 0},
        {"+1", false, 0},
        {"", false, 0},
        {"'1'", false, 0},
        {"true", false, 0},
        {"{}", false, 0},
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[200];
        snprintf(text, sizeof(text), "{'id':1,'subscribe':{'channel':'g','offset':%s}}",
                 numbers[i].digits);
        if (!numbers[i].good) {
            BAD(text);
            continue;
        }
        struct message message = ONE(SDK_SUBSCRIBE, text);
        assert_true(message.commands[0].position.offset == numbers[i].value);
        free(message.bytes);
    }

    struct message message = ONE(SDK_PING, "{'id':18446744073709551615,'ping':{}}");
    assert_true(message.commands[0].id == UINT64_MAX);
    free(message.bytes);
    message = ONE(SDK_HISTORY, "{'id':1,'history':{'channel':'g','limit':"
                               "-9223372036854775808}}");
    assert_true(message.commands[0].limit == INT64_MIN);
    free(message.bytes);
}

/* Each beginning of a good message is either malformed or ends between two lines. */
static void every_cut(void **state)
{
    const char *text = "{'id':1,'connect':{'subs':{'a':{'recover':true}},'token':'\\u0041'}}\n"
                       "{'id':2,'publish':{'channel':'g','data':{'a':[-1.5e3,'\\\\\"]}}}\n{}";
    char *json = json_of(text);
    size_t size = strlen(json);

    for (size_t cut = 0; cut < size; cut++) {
        struct message message = read_message(SDK_JSON, json, cut);
        bool between = cut && (text[cut] == '\n' || text[cut - 1] == '\n');

        assert_int_equal(message.end, between ? 0 : ERR_PROTOCOL);
        free(message.bytes);
    }
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_frame_of_the_javascript_sdk),
        cmocka_unit_test(every_method),
        cmocka_unit_test(history_with_and_without_a_position),
        cmocka_unit_test(data_is_the_text_as_it_stands),
        cmocka_unit_test(data_that_is_not_there),
        cmocka_unit_test(data_of_too_many_levels_can_be_answered),
        cmocka_unit_test(too_many_levels_elsewhere_are_malformed),
        cmocka_unit_test(names),
        cmocka_unit_test(a_name_has_128_bytes_at_most),
        cmocka_unit_test(an_epoch_that_can_be_none_matches_none),
        cmocka_unit_test(the_last_of_a_key_counts),
        cmocka_unit_test(null_is_an_absent_field),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(another_type_is_reported),
        cmocka_unit_test(subs_of_a_connect),
        cmocka_unit_test(lines),
        cmocka_unit_test(what_is_malformed),
        cmocka_unit_test(numbers_are_exact_or_refused),
        cmocka_unit_test(every_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
