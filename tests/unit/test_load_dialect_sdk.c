/* bench/load_dialect_sdk_*: what Centrifuge clients say, and what they understand, in both forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/load_base64.h"
#include "bench/load_dialect.h"

#define PACKETS_MAX 8

struct seen {
    unsigned count;
    struct packet packets[PACKETS_MAX];
    char payloads[PACKETS_MAX][64];
    char epochs[PACKETS_MAX][64];
};

static void see(void *context, const struct packet *packet)
{
    struct seen *seen = context;
    unsigned i = seen->count++;

    assert_true(i < PACKETS_MAX);
    seen->packets[i] = *packet;
    if (packet->size)
        memcpy(seen->payloads[i], packet->payload, packet->size);
    if (packet->epoch_size)
        memcpy(seen->epochs[i], packet->epoch, packet->epoch_size);
}

/* From a copy of its own, so that reading past the end is found out. */
static int take(const struct dialect *dialect, const void *frame, size_t size, struct seen *seen)
{
    uint8_t *bytes = malloc(size + (size == 0));
    int result;

    assert_non_null(bytes);
    memcpy(bytes, frame, size);
    memset(seen, 0, sizeof(*seen));
    result = dialect->frame(bytes, size, see, seen);
    free(bytes);
    return result;
}

#define JSON(text, seen)      take(&dialect_sdk_json, text, sizeof(text) - 1, seen)
#define PROTOBUF(bytes, seen) take(&dialect_sdk_protobuf, bytes, sizeof(bytes) - 1, seen)

static void assert_message(const struct seen *seen, unsigned i, const char *payload,
                           uint64_t offset)
{
    assert_int_equal(seen->packets[i].kind, PACKET_MESSAGE);
    assert_int_equal(seen->packets[i].size, strlen(payload));
    assert_string_equal(seen->payloads[i], payload);
    assert_int_equal(seen->packets[i].offset, offset);
}

static void assert_joined(const struct seen *seen, unsigned i, const char *epoch, uint64_t offset,
                          bool recovered)
{
    assert_int_equal(seen->packets[i].kind, PACKET_JOINED);
    assert_string_equal(seen->epochs[i], epoch);
    assert_int_equal(seen->packets[i].offset, offset);
    assert_int_equal(seen->packets[i].recovered, recovered);
}

static void test_what_is_said_in_json(void **state)
{
    const struct dialect_position since = {12, "AbC"};
    char out[DIALECT_ROOM];
    int size = dialect_sdk_json.join(out, sizeof(out), "room", 0);

    assert_string_equal(out, "{\"id\":1,\"connect\":{}}\n"
                             "{\"id\":2,\"subscribe\":{\"channel\":\"room\"}}");
    assert_int_equal(size, strlen(out));
    size = dialect_sdk_json.rejoin(out, sizeof(out), "room", &since);
    assert_string_equal(out, "{\"id\":1,\"connect\":{}}\n"
                             "{\"id\":2,\"subscribe\":{\"channel\":\"room\",\"recover\":true,"
                             "\"epoch\":\"AbC\",\"offset\":12}}");
    assert_int_equal(size, strlen(out));
    assert_int_equal(dialect_sdk_json.join(out, 20, "room", 0), -1);
}

/* Against the bytes that the protocol's documentation has. */
static void test_what_is_said_in_protobuf(void **state)
{
    static const char plain[] = "\x04\x08\x01\x22\x00"
                                "\x07\x08\x02\x2a\x03\x0a\x01g";
    static const char again[] = "\x04\x08\x01\x22\x00"
                                "\x0e\x08\x02\x2a\x0a\x0a\x01g\x18\x01\x32\x01"
                                "e\x38\x03";
    const struct dialect_position since = {3, "e"};
    char out[DIALECT_ROOM];

    assert_int_equal(dialect_sdk_protobuf.join(out, sizeof(out), "g", 0), sizeof(plain) - 1);
    assert_memory_equal(out, plain, sizeof(plain) - 1);
    assert_int_equal(dialect_sdk_protobuf.rejoin(out, sizeof(out), "g", &since), sizeof(again) - 1);
    assert_memory_equal(out, again, sizeof(again) - 1);
    assert_int_equal(dialect_sdk_protobuf.join(out, 20, "g", 0), -1);
}

static void test_a_json_frame_of_everything(void **state)
{
    struct seen seen;

    assert_int_equal(
        JSON("{\"id\":1,\"connect\":{\"client\":\"c\",\"subs\":{\"*\":{},\"user:a\":{}}}}\n"
             "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"epoch\":\"e1\",\"publications\":["
             "{\"data\":\"eA==\",\"offset\":4},{\"data\":\"eHk=\",\"info\":{\"user\":\"\\\"}\"},"
             "\"offset\":5}],\"recovered\":true,\"offset\":3,\"positioned\":true}}\n"
             "{}\n"
             "{\"push\":{\"channel\":\"g\",\"pub\":{\"data\":\"eHl6\",\"offset\":6}}}\n"
             "{\"push\":{\"channel\":\"g\",\"join\":{\"info\":{\"user\":\"u\"}}}}",
             &seen),
        0);
    assert_int_equal(seen.count, 5);
    assert_message(&seen, 0, "x", 4);
    assert_message(&seen, 1, "xy", 5);
    assert_joined(&seen, 2, "e1", 3, true);
    assert_int_equal(seen.packets[3].kind, PACKET_PING);
    assert_message(&seen, 4, "xyz", 6);
}

static void test_a_protobuf_frame_of_everything(void **state)
{
    struct seen seen;

    assert_int_equal(PROTOBUF("\x18\x08\x02\x32\x14\x18\x01\x32\x01"
                              "e\x3a\x05\x22\x01x\x30\x04\x40\x01\x48\x03\x50\x01\x60\x01"
                              "\x00"
                              "\x0c\x22\x0a\x12\x01g\x22\x05\x22\x01y\x30\x05",
                              &seen),
                     0);
    assert_int_equal(seen.count, 4);
    assert_message(&seen, 0, "x", 4);
    assert_joined(&seen, 1, "e", 3, true);
    assert_int_equal(seen.packets[2].kind, PACKET_PING);
    assert_message(&seen, 3, "y", 5);
}

static void test_joining_without_history_and_unrecovered(void **state)
{
    struct seen seen;

    assert_int_equal(JSON("{\"id\":2,\"subscribe\":{}}", &seen), 0);
    assert_joined(&seen, 0, "", 0, false);
    assert_int_equal(JSON("{\"id\":2,\"subscribe\":{\"epoch\":\"e\",\"recovered\":false,"
                          "\"offset\":9,\"publications\":[]}}",
                          &seen),
                     0);
    assert_joined(&seen, 0, "e", 9, false);
    assert_int_equal(PROTOBUF("\x04\x08\x02\x32\x00", &seen), 0);
    assert_joined(&seen, 0, "", 0, false);
}

static void test_an_error_ends_it(void **state)
{
    struct seen seen;

    assert_int_equal(
        JSON("{\"id\":2,\"error\":{\"code\":106,\"message\":\"limit exceeded\"}}", &seen), -1);
    assert_int_equal(PROTOBUF("\x06\x08\x02\x12\x02\x08\x6a", &seen), -1);
}

/* What others publish, and what a later server may add, is stepped over. */
static void test_other_data_and_unknown_fields(void **state)
{
    struct seen seen;

    assert_int_equal(
        JSON("{\"push\":{\"channel\":\"g\",\"pub\":{\"data\":{\"a\":[1,{\"b\":\"}\"}]},"
             "\"new\":[[],{},\"\\\\\"],\"offset\":7}}}",
             &seen),
        0);
    assert_message(&seen, 0, "{\"a\":[1,{\"b\":\"}\"}]}", 7);
    assert_int_equal(JSON("{\"push\":{\"pub\":{\"data\":\"no base64!\"}}}", &seen), 0);
    assert_message(&seen, 0, "", 0);
    assert_int_equal(JSON("{\"push\":{\"pub\":{\"data\":-1.5e3}}}", &seen), 0);
    assert_message(&seen, 0, "-1.5e3", 0);
    assert_int_equal(PROTOBUF("\x0c\x22\x0a\x22\x08\xf8\x07\x01\x22\x01x\x6a\x00", &seen), 0);
    assert_message(&seen, 0, "x", 0);
}

/* A frame that was cut, and any that has a byte changed, is read to its end at the most. */
static void test_cut_and_changed_frames_are_not_read_past(void **state)
{
    static const char json[] = "{\"id\":2,\"subscribe\":{\"epoch\":\"e\",\"publications\":["
                               "{\"data\":\"eHk=\",\"offset\":4}],\"recovered\":true}}\n{}";
    static const char protobuf[] = "\x18\x08\x02\x32\x14\x18\x01\x32\x01"
                                   "e\x3a\x05\x22\x01x\x30\x04\x40\x01\x48\x03\x50\x01\x60\x01";
    char changed[sizeof(json) > sizeof(protobuf) ? sizeof(json) : sizeof(protobuf)];
    struct seen seen;

    for (size_t cut = 0; cut < sizeof(json) - 4; cut++)
        assert_int_equal(take(&dialect_sdk_json, json, cut, &seen), -1);
    for (size_t cut = 0; cut < sizeof(protobuf) - 1; cut++)
        assert_int_equal(take(&dialect_sdk_protobuf, protobuf, cut, &seen), -1);
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t i = 0; i < sizeof(json) - 1; i++) {
            memcpy(changed, json, sizeof(json));
            changed[i] = (char)byte;
            (void)take(&dialect_sdk_json, changed, sizeof(json) - 1, &seen);
        }
        for (size_t i = 0; i < sizeof(protobuf) - 1; i++) {
            memcpy(changed, protobuf, sizeof(protobuf));
            changed[i] = (char)byte;
            (void)take(&dialect_sdk_protobuf, changed, sizeof(protobuf) - 1, &seen);
        }
    }
}

static void test_base64(void **state)
{
    static const struct {
        const char *text, *bytes;
    } good[] = {{"", ""},
                {"Zg==", "f"},
                {"Zm8=", "fo"},
                {"Zm9v", "foo"},
                {"Zm9vYg==", "foob"},
                {"Zm9vYmE=", "fooba"},
                {"Zm9vYmFy", "foobar"}};
    static const char *const bad[] = {
        "Z", "Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Zm9 ", "Zm=v", "Zm9vYm-y"};
    uint8_t out[16];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        size_t size = strlen(good[i].text);

        memcpy(out, good[i].text, size);
        assert_int_equal(base64_decode(out, out, size), strlen(good[i].bytes));
        assert_memory_equal(out, good[i].bytes, strlen(good[i].bytes));
    }
    assert_int_equal(base64_decode(out, (const uint8_t *)"+/+/", 4), 3);
    assert_memory_equal(out, "\xfb\xff\xbf", 3);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(base64_decode(out, (const uint8_t *)bad[i], strlen(bad[i])), -1);
}

static void test_sets_of_dialects(void **state)
{
    struct dialect_set set;

    assert_int_equal(dialect_set_parse(&set, "msgpack"), 0);
    assert_int_equal(set.count, 1);
    assert_int_equal(dialect_set_parse(&set, "msgpack,sdk-json,sdk-protobuf"), 0);
    assert_int_equal(set.count, 3);
    assert_ptr_equal(set.dialects[0], &dialect_msgpack);
    assert_ptr_equal(set.dialects[2], &dialect_sdk_protobuf);
    assert_int_equal(dialect_set_parse(&set, ""), -1);
    assert_int_equal(dialect_set_parse(&set, "msgpack,"), -1);
    assert_int_equal(dialect_set_parse(&set, "msgpack,other"), -1);
    assert_int_equal(dialect_set_parse(&set, "nats,nats,nats,nats,nats"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said_in_json),
        cmocka_unit_test(test_what_is_said_in_protobuf),
        cmocka_unit_test(test_a_json_frame_of_everything),
        cmocka_unit_test(test_a_protobuf_frame_of_everything),
        cmocka_unit_test(test_joining_without_history_and_unrecovered),
        cmocka_unit_test(test_an_error_ends_it),
        cmocka_unit_test(test_other_data_and_unknown_fields),
        cmocka_unit_test(test_cut_and_changed_frames_are_not_read_past),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_sets_of_dialects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
