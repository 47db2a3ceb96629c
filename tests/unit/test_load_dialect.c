/* bench/load_dialect: what is said to each server, and what is understood of it, in any cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/load_dialect.h"

static void assert_bytes(const char *bytes, int size, const char *expected, size_t expected_size)
{
    assert_int_equal(size, expected_size);
    assert_memory_equal(bytes, expected, expected_size);
}

#define assert_says(bytes, size, text) assert_bytes(bytes, size, text, sizeof(text) - 1)

/* Reads the packet at the start of a text, after every shorter beginning was found incomplete. */
static struct packet packet_of(const struct dialect *dialect, const char *text, size_t size,
                               int64_t length)
{
    struct packet packet = {0};

    for (size_t cut = 1; cut < (size_t)length; cut++) {
        /* A copy of its own, so that reading past the end is found out. */
        uint8_t *bytes = malloc(cut);

        assert_non_null(bytes);
        memcpy(bytes, text, cut);
        assert_int_equal(dialect->packet(bytes, cut, &packet), 0);
        free(bytes);
    }
    assert_int_equal(dialect->packet((const uint8_t *)text, size, &packet), length);
    return packet;
}

#define assert_packet(dialect, text, length, expected) \
    assert_int_equal(packet_of(dialect, text, sizeof(text) - 1, length).kind, expected)

static void assert_message(const struct packet *packet, const char *payload)
{
    assert_int_equal(packet->kind, PACKET_MESSAGE);
    assert_int_equal(packet->size, strlen(payload));
    assert_memory_equal(packet->payload, payload, packet->size);
}

/* The same for an answer. */
static struct answer answer_of(const struct dialect *dialect, const char *text, size_t size,
                               int64_t length)
{
    struct answer answer = {0};

    for (size_t cut = 1; cut < (size_t)length; cut++) {
        uint8_t *bytes = malloc(cut);

        assert_non_null(bytes);
        memcpy(bytes, text, cut);
        assert_int_equal(dialect->answer(bytes, cut, &answer), 0);
        free(bytes);
    }
    assert_int_equal(dialect->answer((const uint8_t *)text, size, &answer), length);
    return answer;
}

#define ANSWER(dialect, text, length) answer_of(dialect, text, sizeof(text) - 1, length)

static int64_t refused(const struct dialect *dialect, const char *text, size_t size)
{
    struct packet packet;

    return dialect->packet((const uint8_t *)text, size, &packet);
}

#define assert_refused(dialect, text) assert_int_equal(refused(dialect, text, sizeof(text) - 1), -1)

static void paths_name_the_group_where_the_server_wants_it(void **state)
{
    char path[32];

    assert_says(path, dialect_path(&dialect_msgpack, path, sizeof(path), "room", false),
                "/ws/room");
    assert_says(path, dialect_path(&dialect_msgpack, path, sizeof(path), "a:b&c", true),
                "/ws/a:b%26c?hello=1");
    assert_says(path, dialect_path(&dialect_msgpack, path, sizeof(path), "user:ann", true),
                "/ws?user=ann&hello=1");
    assert_says(path, dialect_path(&dialect_nats, path, sizeof(path), "room", false), "/");
    for (size_t room = 0; room < sizeof("/ws/room?hello=1"); room++)
        assert_int_equal(dialect_path(&dialect_msgpack, path, room, "room", true), -1);
}

static void shardcast_is_told_in_msgpack(void **state)
{
    char out[DIALECT_ROOM];

    assert_says(out, dialect_msgpack.head(out, sizeof(out), "room", 5),
                "\x83\xa2op\xa9"
                "broadcast\xa5group\xa4room\xa4"
                "data\xc4\x05");
    assert_says(out, dialect_msgpack.head(out, sizeof(out), NULL, 300),
                "\x83\xa2op\xa9"
                "broadcast\xa3"
                "all\xc3\xa4"
                "data\xc5\x01\x2c");
    assert_int_equal(dialect_msgpack.head(out, 10, "room", 5), -1);
}

static void shardcasts_refusals_are_read(void **state)
{
    static const char text[] = "\x84\xa2id\xc0\xa2ok\xc2\xa5"
                               "error\xac"
                               "rate_limited\xa7message\xa8"
                               "too fast";
    struct answer answer = ANSWER(&dialect_msgpack, text, sizeof(text) - 1);

    assert_int_equal(answer.kind, ANSWER_REFUSED);
    assert_string_equal(answer.refusal, "rate_limited: too fast");
}

static void a_client_frame_has_the_length_it_says(void **state)
{
    uint8_t head[CLIENT_HEAD_MAX];

    assert_says((char *)head, (int)client_frame_head(head, BINARY_FRAME, 125), "\x82\xfd\0\0\0\0");
    assert_says((char *)head, (int)client_frame_head(head, BINARY_FRAME, 126),
                "\x82\xfe\0\x7e\0\0\0\0");
    assert_says((char *)head, (int)client_frame_head(head, BINARY_FRAME, 65536),
                "\x82\xff\0\0\0\0\0\1\0\0\0\0\0\0");
}

static void nchan_is_posted_to(void **state)
{
    char out[DIALECT_ROOM];

    assert_says(out, dialect_nchan.head(out, sizeof(out), "room", 128),
                "POST /pub/room HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Type: application/octet-stream\r\nContent-Length: 128\r\n\r\n");
    assert_int_equal(dialect_nchan.head(out, sizeof(out), NULL, 128), 0);
}

static void nchans_answers_end_where_their_body_does(void **state)
{
    static const char created[] = "HTTP/1.1 201 Created\r\nServer: nginx\r\nContent-Length: 4\r\n"
                                  "Connection: keep-alive\r\n\r\nfine";
    static const char large[] =
        "HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\n\r\n";
    struct answer answer = ANSWER(&dialect_nchan, created, sizeof(created) - 1);

    assert_int_equal(answer.kind, ANSWER_FINE);
    answer = ANSWER(&dialect_nchan, large, sizeof(large) - 1);
    assert_int_equal(answer.kind, ANSWER_REFUSED);
    assert_string_equal(answer.refusal, "HTTP/1.1 413 Request Entity Too Large");
}

static void nats_is_told_in_lines(void **state)
{
    char out[DIALECT_ROOM];
    int size = dialect_nats.join(out, sizeof(out), "room", 1);

    assert_memory_equal(out, "CONNECT {", 9);
    assert_memory_equal(out + size - 18, "SUB room 1\r\nPING\r\n", 18);
    assert_int_equal(dialect_nats.join(out, 40, "room", 1), -1);
    assert_says(out, dialect_nats.head(out, sizeof(out), "room", 128), "PUB room 128\r\n");
}

static void nats_messages_are_found(void **state)
{
    static const char plain[] = "MSG room 1 5\r\nhello\r\nPING\r\n";
    static const char reply[] = "MSG room 1 inbox 12\r\nhello\r\nworld\r\n";
    struct packet packet = packet_of(&dialect_nats, plain, sizeof(plain) - 1, 21);

    assert_message(&packet, "hello");
    packet = packet_of(&dialect_nats, reply, sizeof(reply) - 1, sizeof(reply) - 1);
    assert_message(&packet, "hello\r\nworld");
}

static void nats_says_other_things_as_well(void **state)
{
    assert_packet(&dialect_nats, "INFO {}\r\n", 9, PACKET_OTHER);
    assert_packet(&dialect_nats, "+OK\r\n", 5, PACKET_OTHER);
    assert_packet(&dialect_nats, "PONG\r\n", 6, PACKET_JOINED);
    assert_packet(&dialect_nats, "PING\r\n", 6, PACKET_PING);
    assert_int_equal(ANSWER(&dialect_nats, "PING\r\n", 6).kind, ANSWER_PING);
    assert_string_equal(ANSWER(&dialect_nats, "-ERR 'no'\r\n", 11).refusal, "-ERR 'no'");
}

static void what_nats_never_says_is_refused(void **state)
{
    assert_refused(&dialect_nats, "-ERR 'Authorization Violation'\r\n");
    assert_refused(&dialect_nats, "MSG\r\n");
    assert_refused(&dialect_nats, "MSG room 1 x\r\n");
    assert_refused(&dialect_nats, "MSG room 1 99999999999999999999\r\n");
    assert_refused(&dialect_nats, "\n");
    assert_refused(&dialect_nats, "M\n");
}

static void mqtt_is_told_in_packets(void **state)
{
    char out[DIALECT_ROOM];
    int size = dialect_mqtt.join(out, sizeof(out), "room", 0x2a);

    assert_int_equal(out[0], 0x10);
    assert_int_equal(out[1] + 2 + 11, size);
    assert_memory_equal(out + 2, "\0\4MQTT\4\2\0\0\0", 11);
    assert_memory_equal(out + size - 11, "\x82\x09\0\1\0\4room\0", 11);
    assert_says(out, dialect_mqtt.head(out, sizeof(out), "room", 121), "\x30\x7f\0\4room");
    assert_says(out, dialect_mqtt.head(out, sizeof(out), "room", 122), "\x30\x80\1\0\4room");
}

static void mqtt_messages_are_found(void **state)
{
    static const char text[] = "\x30\x0b\0\4roomhello";
    struct packet packet = packet_of(&dialect_mqtt, text, sizeof(text) - 1, sizeof(text) - 1);

    assert_message(&packet, "hello");
    assert_packet(&dialect_mqtt, "\x20\2\0\0", 4, PACKET_OTHER);
    assert_packet(&dialect_mqtt, "\x90\3\0\1\0", 5, PACKET_JOINED);
    assert_packet(&dialect_mqtt, "\xd0\0", 2, PACKET_OTHER);
}

static void what_mqtt_refuses_is_noticed(void **state)
{
    assert_refused(&dialect_mqtt, "\x20\2\0\5");
    assert_refused(&dialect_mqtt, "\x90\3\0\1\x80");
    assert_refused(&dialect_mqtt, "\x30\4\0\4ro");
    assert_refused(&dialect_mqtt, "\x30\0");
    assert_refused(&dialect_mqtt, "\x30\xff\xff\xff\xff\1");
}

static void dialects_go_by_their_names(void **state)
{
    assert_ptr_equal(dialect_find("mqtt"), &dialect_mqtt);
    assert_ptr_equal(dialect_find("msgpack"), &dialect_msgpack);
    assert_null(dialect_find("mqt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_name_the_group_where_the_server_wants_it),
        cmocka_unit_test(shardcast_is_told_in_msgpack),
        cmocka_unit_test(shardcasts_refusals_are_read),
        cmocka_unit_test(a_client_frame_has_the_length_it_says),
        cmocka_unit_test(nchan_is_posted_to),
        cmocka_unit_test(nchans_answers_end_where_their_body_does),
        cmocka_unit_test(nats_is_told_in_lines),
        cmocka_unit_test(nats_messages_are_found),
        cmocka_unit_test(nats_says_other_things_as_well),
        cmocka_unit_test(what_nats_never_says_is_refused),
        cmocka_unit_test(mqtt_is_told_in_packets),
        cmocka_unit_test(mqtt_messages_are_found),
        cmocka_unit_test(what_mqtt_refuses_is_noticed),
        cmocka_unit_test(dialects_go_by_their_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
