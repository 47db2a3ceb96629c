/* Replies of the Centrifuge client protocol in Protobuf, byte for byte. */
#include "tests/unit/hex_helper.h"
#include "tests/unit/sdk_payload_helper.h"

#include <stdio.h>

#include "proto/sdk_reply.h"

#define NO_LIMIT SIZE_MAX

/* Frees the buffer. */
static void check_hex(struct buffer *out, const char *text)
{
    struct bytes expected = hex(text);

    if (out->size != expected.size || memcmp(out->bytes, expected.at, expected.size) != 0) {
        for (size_t i = 0; i < out->size; i++)
            print_error("%02x ", out->bytes[i]);
        print_error("instead of %s\n", text);
        fail();
    }
    buffer_free(out);
}

static void connect_reply(void **state)
{
    struct sdk_server_sub subs[] = {
        {.channel = view_of("user:u")},
        {.channel = view_of("*"),
         .subscription = {.recoverable = true, .positioned = true, .epoch = "e", .offset = 9}},
    };
    struct sdk_connected connected = {
        .client = view_of("c"), .version = "v", .ping_seconds = 25, .subs = subs, .sub_count = 1};
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_connect(&out, SDK_PROTOBUF, 1, &connected, NO_LIMIT), 0);
    check_hex(&out, "1a 08 01 2a 16 0a 01 63 12 01 76 32 0a 0a 06 75 73 65 72 3a 75 12 00 38 19 40 "
                    "01");

    connected.sub_count = 2;
    connected.ping_seconds = 0;
    assert_int_equal(sdk_reply_connect(&out, SDK_PROTOBUF, 1, &connected, NO_LIMIT), 0);
    check_hex(&out, "{08 01 2a {0a 01 63 12 01 76 32 {0a {75 73 65 72 3a 75} 12 {}} 32 {0a {2a} 12 "
                    "{18 01 32 01 65 48 09 50 01}}}}");

    connected.sub_count = 0;
    assert_int_equal(sdk_reply_connect(&out, SDK_PROTOBUF, 1, &connected, NO_LIMIT), 0);
    check_hex(&out, "{08 01 2a {0a 01 63 12 01 76}}");
}

static void subscribe_reply(void **state)
{
    struct sdk_publication publication = {text_of("x"), 4};
    struct sdk_subscription subscription = {.was_recovering = false};
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_subscribe(&out, SDK_PROTOBUF, 2, &subscription, NO_LIMIT), 0);
    check_hex(&out, "{08 02 32 {}}");

    subscription = (struct sdk_subscription){.recoverable = true,
                                             .positioned = true,
                                             .was_recovering = true,
                                             .recovered = true,
                                             .epoch = "e",
                                             .offset = 3,
                                             .publications = &publication,
                                             .publication_count = 1};
    assert_int_equal(sdk_reply_subscribe(&out, SDK_PROTOBUF, 2, &subscription, NO_LIMIT), 0);
    check_hex(&out, "18 08 02 32 14 18 01 32 01 65 3a 05 22 01 78 30 04 40 01 48 03 50 01 60 01");

    subscription.publication_count = 0;
    subscription.recovered = false;
    assert_int_equal(sdk_reply_subscribe(&out, SDK_PROTOBUF, 2, &subscription, NO_LIMIT), 0);
    check_hex(&out, "{08 02 32 {18 01 32 01 65 48 03 50 01 60 01}}");
    payload_unref(publication.payload);
}

static void publications_have_bytes_and_publishers(void **state)
{
    struct publisher publisher = publisher_of("c", "ann"), nobody = publisher_of("c", "");
    struct sdk_publication publications[] = {
        {payload_of(PAYLOAD_BINARY, "\xff\x00\n", 3), UINT64_MAX},
        {payload_new_published(PAYLOAD_TEXT, 0, &publisher), 1},
        {payload_new_published(PAYLOAD_TEXT, 0, &nobody), 2},
    };
    struct sdk_history history = {
        .publications = publications, .publication_count = 3, .epoch = "e", .offset = 300};
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_history(&out, SDK_PROTOBUF, 4, &history, NO_LIMIT), 0);
    check_hex(&out, "{08 04 5a {0a {22 {ff 00 0a} 30 ff ff ff ff ff ff ff ff ff 01} 0a {2a {0a {61 "
                    "6e 6e} 12 {63}} 30 01} 0a {2a {12 {63}} 30 02} 12 {65} 18 ac 02}}");
    for (int i = 0; i < 3; i++)
        payload_unref(publications[i].payload);

    history = (struct sdk_history){.epoch = ""};
    assert_int_equal(sdk_reply_history(&out, SDK_PROTOBUF, 4, &history, 0), 0);
    check_hex(&out, "{08 04 5a {}}");
}

/* The reply with `count` publications, at the end of `out`. */
static size_t history_bytes(struct buffer *out, const struct sdk_history *history, uint32_t count,
                            size_t max)
{
    struct sdk_history some = *history;
    size_t before = out->size;

    some.publication_count = count;
    assert_int_equal(sdk_reply_history(out, SDK_PROTOBUF, 4, &some, max), 0);
    return out->size - before;
}

static void history_over_the_limit_loses_its_end(void **state)
{
    struct sdk_publication publications[20];
    struct sdk_history history = {.publications = publications, .epoch = "e", .offset = 20};
    struct buffer out = {.size = 0};
    size_t whole;

    for (unsigned i = 0; i < 20; i++) {
        publications[i].payload = payload_of(PAYLOAD_TEXT, "0123456789012345678901234567890", i);
        publications[i].offset = 1 + i;
    }
    whole = history_bytes(&out, &history, 20, NO_LIMIT);
    for (size_t max = 0; max <= whole + 1; max++) {
        uint32_t most = 1; /* one is always there */

        while (most < 20 && history_bytes(&out, &history, most + 1, NO_LIMIT) <= max)
            most++;
        size_t expected = history_bytes(&out, &history, most, NO_LIMIT);
        assert_int_equal(history_bytes(&out, &history, 20, max), expected);
        assert_memory_equal(out.bytes + out.size - expected, out.bytes + out.size - 2 * expected,
                            expected);
        out.size = 0;
    }
    buffer_free(&out);
    for (unsigned i = 0; i < 20; i++)
        payload_unref(publications[i].payload);
}

static void a_recovery_over_the_limit_is_none(void **state)
{
    struct sdk_publication publication = {text_of("x"), 4};
    struct sdk_subscription subscription = {
        .recoverable = true, .epoch = "e", .publications = &publication, .publication_count = 1};
    struct sdk_server_sub sub = {view_of("user:ann"), subscription};
    struct sdk_connected connected = {.version = "0", .subs = &sub, .sub_count = 1};
    struct buffer out = {.size = 0};
    size_t bytes;

    assert_int_equal(sdk_reply_ping(&out, SDK_PROTOBUF), 0);
    assert_int_equal(sdk_reply_subscribe(&out, SDK_PROTOBUF, 2, &subscription, NO_LIMIT), 0);
    bytes = out.size - 1;
    out.size = 1;
    assert_int_equal(sdk_reply_subscribe(&out, SDK_PROTOBUF, 2, &subscription, bytes - 1),
                     ERR_TOO_LARGE);
    assert_int_equal(out.size, 1);
    assert_int_equal(sdk_reply_subscribe(&out, SDK_PROTOBUF, 2, &subscription, bytes), 0);
    out.size = 0;
    assert_int_equal(sdk_reply_connect(&out, SDK_PROTOBUF, 1, &connected, NO_LIMIT), 0);
    bytes = out.size;
    assert_int_equal(sdk_reply_connect(&out, SDK_PROTOBUF, 1, &connected, bytes - 1),
                     ERR_TOO_LARGE);
    assert_int_equal(out.size, bytes);
    buffer_free(&out);
    payload_unref(publication.payload);
}

static void presence_replies(void **state)
{
    struct publisher clients[] = {publisher_of("c", "ann"), {view_of("d"), {NULL, 0}}};
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_presence(&out, SDK_PROTOBUF, 3, clients, 0), 0);
    check_hex(&out, "{08 03 4a {}}");
    assert_int_equal(sdk_reply_presence(&out, SDK_PROTOBUF, 3, clients, 2), 0);
    check_hex(&out,
              "{08 03 4a {0a {0a {63} 12 {0a {61 6e 6e} 12 {63}}} 0a {0a {64} 12 {12 {64}}}}}");
    assert_int_equal(sdk_reply_presence_stats(&out, SDK_PROTOBUF, 3, 0, 0), 0);
    check_hex(&out, "{08 03 52 {}}");
    assert_int_equal(sdk_reply_presence_stats(&out, SDK_PROTOBUF, 3, UINT32_MAX, 2), 0);
    check_hex(&out, "{08 03 52 {08 ff ff ff ff 0f 10 02}}");
}

static void many_are_present(void **state)
{
    static struct publisher clients[1000];
    static char ids[1000][8];
    struct buffer out = {.size = 0};

    for (unsigned i = 0; i < 1000; i++) {
        snprintf(ids[i], sizeof(ids[i]), "c%06u", i);
        clients[i] = publisher_of(ids[i], "ann");
    }
    assert_int_equal(sdk_reply_presence(&out, SDK_PROTOBUF, 3, clients, 1000), 0);
    assert_int_equal(out.size, 3 + 2 + 4 + 1000 * (2 + 9 + 2 + 5 + 9));
    buffer_free(&out);
}

static void empty_results_are_there(void **state)
{
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_empty(&out, SDK_PROTOBUF, 3, SDK_PUBLISH), 0);
    check_hex(&out, "04 08 03 42 00");
    assert_int_equal(sdk_reply_empty(&out, SDK_PROTOBUF, 5, SDK_UNSUBSCRIBE), 0);
    check_hex(&out, "04 08 05 3a 00");
    assert_int_equal(sdk_reply_empty(&out, SDK_PROTOBUF, 5, SDK_PING), 0);
    check_hex(&out, "04 08 05 62 00");
}

static void errors(void **state)
{
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_error(&out, SDK_PROTOBUF, 6, SDK_ERROR_TOO_MANY_REQUESTS), 0);
    check_hex(&out, "1b 08 06 12 17 08 6f 12 11 74 6f 6f 20 6d 61 6e 79 20 72 65 71 75 65 73 74 73 "
                    "18 01");
    assert_int_equal(sdk_reply_error(&out, SDK_PROTOBUF, 6, SDK_ERROR_BAD_REQUEST), 0);
    check_hex(&out, "{08 06 12 {08 6b 12 {62 61 64 20 72 65 71 75 65 73 74}}}");
}

static void several_replies_follow_each_other(void **state)
{
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_reply_ping(&out, SDK_PROTOBUF), 0);
    assert_int_equal(sdk_reply_empty(&out, SDK_PROTOBUF, 3, SDK_PUBLISH), 0);
    assert_int_equal(sdk_reply_ping(&out, SDK_PROTOBUF), 0);
    check_hex(&out, "00 04 08 03 42 00 00");
}

static void pushes_to_one(void **state)
{
    struct buffer out = {.size = 0};

    assert_int_equal(sdk_push_unsubscribe(&out, SDK_PROTOBUF, view_of("g"), 2500, "r"), 0);
    check_hex(&out, "{22 {12 {67} 3a {10 c4 13 1a {72}}}}");
    assert_int_equal(sdk_push_disconnect(&out, SDK_PROTOBUF, 3503, "r"), 0);
    check_hex(&out, "{22 {5a {08 af 1b 12 {72}}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_reply),
        cmocka_unit_test(subscribe_reply),
        cmocka_unit_test(publications_have_bytes_and_publishers),
        cmocka_unit_test(history_over_the_limit_loses_its_end),
        cmocka_unit_test(a_recovery_over_the_limit_is_none),
        cmocka_unit_test(presence_replies),
        cmocka_unit_test(many_are_present),
        cmocka_unit_test(empty_results_are_there),
        cmocka_unit_test(errors),
        cmocka_unit_test(several_replies_follow_each_other),
        cmocka_unit_test(pushes_to_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
