/* Pushes of the Centrifuge client protocol in Protobuf: the payload's bytes, whatever they are. */
#include "tests/unit/hex_helper.h"
#include "tests/unit/sdk_payload_helper.h"

#include "proto/centrifuge.pb-c.h"
#include "proto/sdk_push.h"

static void check_hex(struct payload *push, const char *text)
{
    struct bytes expected = hex(text);

    check_frame(push, FRAME_BINARY, expected.at, expected.size);
}

/* A publication of that payload to "g". Gives the payload back. */
static struct payload *publication(struct payload *payload, uint64_t offset)
{
    struct payload *push = sdk_push_publication(SDK_PROTOBUF, view_of("g"), payload, offset);

    payload_unref(payload);
    return push;
}

static void data_is_the_payload(void **state)
{
    check_hex(publication(text_of("x"), 5), "0c 22 0a 12 01 67 22 05 22 01 78 30 05");
    check_hex(publication(text_of("x"), 0), "{22 {12 {67} 22 {22 {78}}}}");
    check_hex(publication(text_of("{\n}"), 1), "{22 {12 {67} 22 {22 {7b 0a 7d} 30 01}}}");
    check_hex(publication(payload_of(PAYLOAD_BINARY, "\xff\x00", 2), UINT64_MAX),
              "{22 {12 {67} 22 {22 {ff 00} 30 ff ff ff ff ff ff ff ff ff 01}}}");
    check_hex(publication(payload_of(PAYLOAD_JSON, "[]", 2), 128),
              "{22 {12 {67} 22 {22 {5b 5d} 30 80 01}}}");
    check_hex(publication(text_of(""), 0), "{22 {12 {67} 22 {}}}");
}

static void publishers(void **state)
{
    struct publisher publisher = publisher_of("c", "ann");

    check_hex(publication(payload_new_published(PAYLOAD_TEXT, 0, &publisher), 2),
              "{22 {12 {67} 22 {2a {0a {61 6e 6e} 12 {63}} 30 02}}}");
    publisher = publisher_of("c", "");
    check_hex(publication(payload_new_published(PAYLOAD_TEXT, 0, &publisher), 0),
              "{22 {12 {67} 22 {2a {12 {63}}}}}");
}

static void joins_and_leaves(void **state)
{
    struct publisher client = publisher_of("c", "ann");

    check_hex(sdk_push_join(SDK_PROTOBUF, view_of("g"), &client),
              "{22 {12 {67} 2a {0a {0a {61 6e 6e} 12 {63}}}}}");
    client.user = (struct name_view){NULL, 0};
    check_hex(sdk_push_leave(SDK_PROTOBUF, view_of("g"), &client),
              "{22 {12 {67} 32 {0a {12 {63}}}}}");
}

/* What is written by hand is what libprotobuf-c would write, at every length of a length. */
static void by_hand_as_by_protobuf_c(void **state)
{
    static const uint32_t sizes[] = {0,   1,   90,    100,   110,   120,   127,   128,    129,
                                     255, 256, 16250, 16380, 16384, 65535, 65536, 2097152};
    struct publisher publisher = publisher_of("client", "ann");

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]) * 2; i++) {
        uint32_t size = sizes[i / 2];
        struct payload *payload = i % 2 ? payload_new_published(PAYLOAD_TEXT, size, &publisher)
                                        : payload_new(PAYLOAD_TEXT, size);
        Sdk__ClientInfo info = SDK__CLIENT_INFO__INIT;
        Sdk__Publication pub = SDK__PUBLICATION__INIT;
        Sdk__Push push = SDK__PUSH__INIT;
        Sdk__Reply reply = SDK__REPLY__INIT;

        memset(payload_body(payload), 'x', size);
        info.user = (char[]){"ann"};
        info.client = (char[]){"client"};
        pub.data = (ProtobufCBinaryData){size, payload_body(payload)};
        pub.offset = (uint64_t)i << i;
        pub.info = i % 2 ? &info : NULL;
        push.channel = (char[]){"g"};
        push.pub = &pub;
        reply.push = &push;

        size_t bytes = sdk__reply__get_packed_size(&reply), head = varint_bytes(bytes);
        uint8_t *packed = malloc(head + bytes);
        assert_non_null(packed);
        varint_write(packed, bytes);
        sdk__reply__pack(&reply, packed + head);
        check_frame(publication(payload, pub.offset), FRAME_BINARY, packed, head + bytes);
        free(packed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_the_payload),
        cmocka_unit_test(publishers),
        cmocka_unit_test(joins_and_leaves),
        cmocka_unit_test(by_hand_as_by_protobuf_c),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
