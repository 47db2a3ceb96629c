/* Replies of the Centrifuge client protocol in JSON, byte for byte. */
#include "tests/unit/sdk_payload_helper.h"

#include <stdio.h>

#include "proto/sdk_reply.h"

#define NO_LIMIT SIZE_MAX

/* The tests write ' for ", so that they can be read. Frees the buffer. */
static void check_text(struct buffer *out, const char *text)
{
    char *json = strdup(text);

    assert_non_null(json);
    for (char *at = json; (at = strchr(at, '\'')); at++)
        *at = '"';
    check_buffer(out, json, strlen(json));
    free(json);
}

/* Three messages of a history: 5, 6 and 7. */
static void make_publications(struct sdk_publication publications[3])
{
    publications[0] = (struct sdk_publication){text_of("{\"a\":1}"), 5};
    publications[1] = (struct sdk_publication){text_of("plain"), 6};
    publications[2] = (struct sdk_publication){payload_of(PAYLOAD_BINARY, "\xff", 1), 7};
}

static void free_publications(struct sdk_publication publications[3])
{
    for (int i = 0; i < 3; i++)
        payload_unref(publications[i].payload);
}

#define PUBLICATION_5 "{'data':{'a':1},'offset':5}"
#define PUBLICATION_6 "{'data':'plain','offset':6}"
#define PUBLICATION_7 "{'data':'/w==','offset':7}"

static void connect_reply(void **state)
{
    struct sdk_server_sub subs[] = {
        {.channel = view_of("*")},
        {.channel = view_of("user:ann"),
         .subscription = {.recoverable = true, .positioned = true, .epoch = "e", .offset = 9}},
    };
    struct sdk_connected connected = {.client = view_of("c-1"),
                                      .version = "0.1.0",
                                      .ping_seconds = 25,
                                      .subs = subs,
                                      .sub_count = 2};
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_connect(&out, SDK_JSON, 1, &connected, NO_LIMIT), 0);
    check_text(&out, "{'id':1,'connect':{'client':'c-1','version':'0.1.0','subs':{'*':{},'user:ann'"
                     ":{'recoverable':true,'epoch':'e','offset':9,'positioned':true}},'ping':25,"
                     "'pong':true}}");

    connected.sub_count = 1;
    connected.ping_seconds = 0;
    assert_int_equal(sdk_reply_connect(&out, SDK_JSON, 1, &connected, NO_LIMIT), 0);
    check_text(&out, "{'id':1,'connect':{'client':'c-1','version':'0.1.0','subs':{'*':{}}}}");

    connected.sub_count = 0;
    assert_int_equal(sdk_reply_connect(&out, SDK_JSON, 1, &connected, NO_LIMIT), 0);
    check_text(&out, "{'id':1,'connect':{'client':'c-1','version':'0.1.0'}}");
}

static void subscribe_reply(void **state)
{
    struct sdk_publication publications[3];
    struct sdk_subscription subscription = {.was_recovering = false};
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_subscribe(&out, SDK_JSON, 2, &subscription, NO_LIMIT), 0);
    check_text(&out, "{'id':2,'subscribe':{}}");

    subscription.was_recovering = true; /* without history */
    assert_int_equal(sdk_reply_subscribe(&out, SDK_JSON, 2, &subscription, NO_LIMIT), 0);
    check_text(&out, "{'id':2,'subscribe':{'recovered':false,'was_recovering':true}}");

    subscription = (struct sdk_subscription){
        .recoverable = true, .positioned = true, .epoch = "e", .offset = 0};
    assert_int_equal(sdk_reply_subscribe(&out, SDK_JSON, 2, &subscription, NO_LIMIT), 0);
    check_text(&out, "{'id':2,'subscribe':{'recoverable':true,'epoch':'e','offset':0,'positioned':"
                     "true}}");

    make_publications(publications);
    subscription.was_recovering = subscription.recovered = true;
    subscription.offset = 4;
    subscription.publications = publications;
    subscription.publication_count = 3;
    assert_int_equal(sdk_reply_subscribe(&out, SDK_JSON, 2, &subscription, NO_LIMIT), 0);
    check_text(&out, "{'id':2,'subscribe':{'recoverable':true,'epoch':'e','publications':"
                     "[" PUBLICATION_5 "," PUBLICATION_6 "," PUBLICATION_7 "],'recovered':true,"
                     "'offset':4,'positioned':true,'was_recovering':true}}");
    free_publications(publications);
}

static void a_recovery_over_the_limit_is_none(void **state)
{
    struct sdk_publication publications[3];
    struct sdk_subscription subscription = {.recoverable = true,
                                            .positioned = true,
                                            .epoch = "e",
                                            .was_recovering = true,
                                            .recovered = true,
                                            .publications = publications,
                                            .publication_count = 3};
    struct sdk_server_sub sub = {view_of("user:ann"), subscription};
    struct sdk_connected connected = {.version = "0", .subs = &sub, .sub_count = 1};
    struct buffer out = {.size = 0};
    size_t bytes;

    make_publications(publications);
    assert_int_equal(sdk_reply_ping(&out, SDK_JSON), 0);
    assert_int_equal(sdk_reply_subscribe(&out, SDK_JSON, 2, &subscription, NO_LIMIT), 0);
    bytes = out.size - 2; /* the newline before it counts */
    for (size_t max = 0; max < bytes; max++) {
        out.size = 2;
        assert_int_equal(sdk_reply_subscribe(&out, SDK_JSON, 2, &subscription, max), ERR_TOO_LARGE);
        assert_int_equal(out.size, 2);
    }
    assert_int_equal(sdk_reply_subscribe(&out, SDK_JSON, 2, &subscription, bytes), 0);
    assert_int_equal(out.size, 2 + bytes);

    buffer_free(&out);
    assert_int_equal(sdk_reply_connect(&out, SDK_JSON, 1, &connected, NO_LIMIT), 0);
    bytes = out.size;
    for (size_t max = 0; max < bytes; max++) {
        out.size = 0;
        assert_int_equal(sdk_reply_connect(&out, SDK_JSON, 1, &connected, max), ERR_TOO_LARGE);
    }
    assert_int_equal(sdk_reply_connect(&out, SDK_JSON, 1, &connected, bytes), 0);
    buffer_free(&out);
    free_publications(publications);
}

static void history_reply(void **state)
{
    struct sdk_publication publications[3];
    struct sdk_history history = {.epoch = "", .publications = publications};
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_history(&out, SDK_JSON, 4, &history, 0), 0);
    check_text(&out, "{'id':4,'history':{'publications':[],'epoch':'','offset':0}}");

    make_publications(publications);
    history.epoch = "0123456789abcdefghijABCDEFGHIJ-_";
    history.offset = UINT64_MAX;
    history.publication_count = 3;
    assert_int_equal(sdk_reply_history(&out, SDK_JSON, UINT64_MAX, &history, NO_LIMIT), 0);
    check_text(&out,
               "{'id':18446744073709551615,'history':{'publications':[" PUBLICATION_5
               "," PUBLICATION_6 "," PUBLICATION_7
               "],'epoch':'0123456789abcdefghijABCDEFGHIJ-_','offset':18446744073709551615}}");
    free_publications(publications);
}

static void history_over_the_limit_loses_its_end(void **state)
{
    static const char *const expected[] = {
        "{'id':4,'history':{'publications':[" PUBLICATION_5 "],'epoch':'e','offset':7}}",
        "{'id':4,'history':{'publications':[" PUBLICATION_5 "," PUBLICATION_6
        "],'epoch':'e','offset':7}}",
        "{'id':4,'history':{'publications':[" PUBLICATION_5 "," PUBLICATION_6 "," PUBLICATION_7
        "],'epoch':'e','offset':7}}",
    };
    struct sdk_publication publications[3];
    struct sdk_history history = {
        .epoch = "e", .offset = 7, .publications = publications, .publication_count = 3};
    size_t whole = strlen(expected[2]);

    make_publications(publications);
    for (size_t max = 0; max <= whole + 1; max++) {
        struct buffer out = {.size = 0};
        int most = 0; /* one is always there */

        while (most < 2 && strlen(expected[most + 1]) <= max)
            most++;
        assert_int_equal(sdk_reply_history(&out, SDK_JSON, 4, &history, max), 0);
        check_text(&out, expected[most]);
    }
    free_publications(publications);
}

static void presence_replies(void **state)
{
    struct publisher clients[] = {publisher_of("c1", "ann"), publisher_of("c2", "")};
    struct buffer out = {.size = 0};

    clients[1].user.bytes = NULL; /* none */
    assert_int_equal(sdk_reply_presence(&out, SDK_JSON, 3, clients, 0), 0);
    check_text(&out, "{'id':3,'presence':{'presence':{}}}");
    assert_int_equal(sdk_reply_presence(&out, SDK_JSON, 3, clients, 2), 0);
    check_text(&out, "{'id':3,'presence':{'presence':{'c1':{'user':'ann','client':'c1'},'c2':{"
                     "'user':'','client':'c2'}}}}");
    assert_int_equal(sdk_reply_presence_stats(&out, SDK_JSON, 3, 0, 0), 0);
    check_text(&out, "{'id':3,'presence_stats':{'num_clients':0,'num_users':0}}");
    assert_int_equal(sdk_reply_presence_stats(&out, SDK_JSON, 3, UINT32_MAX, 2), 0);
    check_text(&out, "{'id':3,'presence_stats':{'num_clients':4294967295,'num_users':2}}");
}

static void empty_results_are_there(void **state)
{
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_empty(&out, SDK_JSON, 3, SDK_UNSUBSCRIBE), 0);
    check_text(&out, "{'id':3,'unsubscribe':{}}");
    assert_int_equal(sdk_reply_empty(&out, SDK_JSON, 3, SDK_PUBLISH), 0);
    check_text(&out, "{'id':3,'publish':{}}");
    assert_int_equal(sdk_reply_empty(&out, SDK_JSON, 3, SDK_PING), 0);
    check_text(&out, "{'id':3,'ping':{}}");
}

static void every_error(void **state)
{
    static const char *const expected[SDK_ERROR_COUNT] = {
        [SDK_ERROR_NOT_ALLOWED] = "'code':103,'message':'permission denied'",
        [SDK_ERROR_ALREADY_SUBSCRIBED] = "'code':105,'message':'already subscribed'",
        [SDK_ERROR_GROUP_FULL] = "'code':106,'message':'limit exceeded','temporary':true",
        [SDK_ERROR_TOO_MANY_GROUPS] = "'code':106,'message':'limit exceeded'",
        [SDK_ERROR_BAD_REQUEST] = "'code':107,'message':'bad request'",
        [SDK_ERROR_NOT_AVAILABLE] = "'code':108,'message':'not available'",
        [SDK_ERROR_TOKEN_EXPIRED] = "'code':109,'message':'token expired'",
        [SDK_ERROR_TOO_MANY_REQUESTS] = "'code':111,'message':'too many requests','temporary':true",
        [SDK_ERROR_UNRECOVERABLE] = "'code':112,'message':'unrecoverable position'",
    };

    for (enum sdk_error error = 0; error < SDK_ERROR_COUNT; error++) {
        struct buffer out = {.size = 0};
        char text[200];

        snprintf(text, sizeof(text), "{'id':6,'error':{%s}}", expected[error]);
        assert_int_equal(sdk_reply_error(&out, SDK_JSON, 6, error), 0);
        check_text(&out, text);
    }
}

static void several_replies_are_lines(void **state)
{
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_ping(&out, SDK_JSON), 0);
    assert_int_equal(sdk_reply_empty(&out, SDK_JSON, 3, SDK_PUBLISH), 0);
    assert_int_equal(sdk_reply_ping(&out, SDK_JSON), 0);
    check_text(&out, "{}\n{'id':3,'publish':{}}\n{}");
}

static void pushes_to_one(void **state)
{
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_push_unsubscribe(&out, SDK_JSON, view_of("g"), 2500, "a \"b\" \\\n\x01"),
                     0);
    check_text(&out, "{'push':{'channel':'g','unsubscribe':{'code':2500,'reason':'a \\'b\\' "
                     "\\\\\\n\\u0001'}}}");
    assert_int_equal(sdk_push_disconnect(&out, SDK_JSON, 3503, "force disconnect"), 0);
    check_text(&out, "{'push':{'disconnect':{'code':3503,'reason':'force disconnect'}}}");
}

static void names_of_methods_and_closes(void **state)
{
    static const char *const methods[SDK_METHOD_COUNT] = {
        [SDK_PONG] = "pong",
        [SDK_CONNECT] = "connect",
        [SDK_SUBSCRIBE] = "subscribe",
        [SDK_UNSUBSCRIBE] = "unsubscribe",
        [SDK_PUBLISH] = "publish",
        [SDK_PRESENCE] = "presence",
        [SDK_PRESENCE_STATS] = "presence_stats",
        [SDK_HISTORY] = "history",
        [SDK_PING] = "ping",
        [SDK_SEND] = "send",
        [SDK_RPC] = "rpc",
        [SDK_REFRESH] = "refresh",
        [SDK_SUB_REFRESH] = "sub_refresh",
    };
    static const struct sdk_close_info closes[SDK_CLOSE_COUNT] = {
        [SDK_CLOSE_SHUTDOWN] = {3001, "shutdown"},
        [SDK_CLOSE_SLOW] = {3008, "slow"},
        [SDK_CLOSE_INSUFFICIENT_STATE] = {3010, "insufficient state"},
        [SDK_CLOSE_NO_PONG] = {3012, "no pong"},
        [SDK_CLOSE_BAD_REQUEST] = {3501, "bad request"},
        [SDK_CLOSE_STALE] = {3502, "stale"},
        [SDK_CLOSE_FORCE_DISCONNECT] = {3503, "force disconnect"},
        [SDK_CLOSE_NOT_AVAILABLE] = {3508, "not available"},
    };

    for (enum sdk_method method = 0; method < SDK_METHOD_COUNT; method++)
        assert_string_equal(sdk_method_name(method), methods[method]);
    for (enum sdk_close close = 0; close < SDK_CLOSE_COUNT; close++) {
        assert_int_equal(sdk_close_info(close)->code, closes[close].code);
        assert_string_equal(sdk_close_info(close)->reason, closes[close].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_reply),
        cmocka_unit_test(subscribe_reply),
        cmocka_unit_test(a_recovery_over_the_limit_is_none),
        cmocka_unit_test(history_reply),
        cmocka_unit_test(history_over_the_limit_loses_its_end),
        cmocka_unit_test(presence_replies),
        cmocka_unit_test(empty_results_are_there),
        cmocka_unit_test(every_error),
        cmocka_unit_test(several_replies_are_lines),
        cmocka_unit_test(pushes_to_one),
        cmocka_unit_test(names_of_methods_and_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
