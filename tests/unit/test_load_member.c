/* bench/load_member: frames in any cut, and what must not come is counted as what it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/load_member.h"

#define RUN     7
#define GROUP   3
#define PAYLOAD 128

struct fixture {
    struct member member;
    struct member_more more;
    struct member_rules rules;
    struct position positions[GROUP + 1];
    struct mix mix;
    struct tally tally;
    uint8_t bytes[70000];
    size_t size;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    if (!fixture)
        return -1;
    fixture->member = (struct member){.fd = -1, .group = GROUP, .state = MEMBER_OPEN};
    fixture->rules = (struct member_rules){.dialect = &dialect_msgpack,
                                           .run = RUN,
                                           .members = &fixture->member,
                                           .more = &fixture->more};
    fixture->tally.rules = &fixture->rules;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* Appends a server's frame; returns where its payload lies. */
static uint8_t *frame(struct fixture *fixture, uint8_t first, size_t size)
{
    uint8_t *at = fixture->bytes + fixture->size;

    *at++ = first;
    if (size < 126) {
        *at++ = (uint8_t)size;
    } else if (size < 65536) {
        *at++ = 126;
        *at++ = (uint8_t)(size >> 8);
        *at++ = (uint8_t)size;
    } else {
        *at++ = 127;
        for (int i = 7; i >= 0; i--)
            *at++ = (uint8_t)((uint64_t)size >> (8 * i));
    }
    memset(at, 'x', size);
    fixture->size = (size_t)(at - fixture->bytes) + size;
    return at;
}

static uint8_t *message(struct fixture *fixture, size_t size, uint32_t group, uint64_t sequence)
{
    struct stamp stamp = {.group = group,
                          .run = RUN,
                          .phase = PHASE_MEASURE,
                          .sequence = sequence,
                          .intended_ns = 1000};
    uint8_t *payload = frame(fixture, 0x82, size);

    stamp_write(payload, size, &stamp);
    return payload;
}

static int64_t take(struct fixture *fixture)
{
    return member_take(&fixture->member, &fixture->tally, fixture->bytes, fixture->size, 3000);
}

static void test_messages_of_every_length_form(void **state)
{
    struct fixture *fixture = *state;

    message(fixture, 100, GROUP, 1);
    message(fixture, 1000, GROUP, 2);
    message(fixture, 65600, GROUP, 3);
    assert_int_equal(take(fixture), fixture->size);
    assert_int_equal(fixture->tally.delivered, 3);
    assert_int_equal(fixture->tally.bytes, 66700);
    assert_int_equal(fixture->tally.heard, 1);
    assert_true(faults_none(&fixture->tally.faults));
    assert_int_equal(latency_percentile(&fixture->tally.latency[MIX_NORMAL], 50), 2000);
}

static void test_every_cut_leaves_what_is_incomplete(void **state)
{
    struct fixture *fixture = *state;
    size_t first, size;

    message(fixture, PAYLOAD, GROUP, 1);
    first = fixture->size;
    message(fixture, PAYLOAD, GROUP, 2);
    size = fixture->size;
    for (size_t cut = 0; cut < size; cut++) {
        int64_t expected = cut < first ? 0 : (int64_t)first;

        fixture->member.own = (struct stream){0};
        fixture->size = cut;
        assert_int_equal(take(fixture), expected);
    }
    assert_true(faults_none(&fixture->tally.faults));
}

static void test_misdelivered(void **state)
{
    struct fixture *fixture = *state;

    message(fixture, PAYLOAD, GROUP + 1, 1);
    assert_int_equal(take(fixture), fixture->size);
    assert_int_equal(fixture->tally.faults.misdelivered, 1);
    assert_int_equal(fixture->tally.delivered, 0);
}

static void test_everyone_has_a_sequence_of_its_own(void **state)
{
    struct fixture *fixture = *state;

    message(fixture, PAYLOAD, GROUP, 10);
    message(fixture, PAYLOAD, STAMP_EVERYONE, 1);
    message(fixture, PAYLOAD, GROUP, 11);
    message(fixture, PAYLOAD, STAMP_EVERYONE, 2);
    assert_int_equal(take(fixture), fixture->size);
    assert_int_equal(fixture->tally.delivered, 4);
    assert_true(faults_none(&fixture->tally.faults));
}

static void test_any_changed_byte_is_corruption(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *payload = message(fixture, PAYLOAD, GROUP, 1);

    for (size_t i = 0; i < PAYLOAD; i++) {
        payload[i] ^= 0x40;
        assert_int_equal(take(fixture), fixture->size);
        payload[i] ^= 0x40;
    }
    assert_int_equal(fixture->tally.faults.corrupted, PAYLOAD);
    assert_int_equal(fixture->tally.delivered, 0);
}

static void test_a_payload_too_short_for_a_stamp_is_corruption(void **state)
{
    struct fixture *fixture = *state;

    frame(fixture, 0x82, 0);
    frame(fixture, 0x82, STAMP_BYTES_MIN - 1);
    assert_int_equal(take(fixture), fixture->size);
    assert_int_equal(fixture->tally.faults.corrupted, 2);
}

static void test_text_and_fragments_are_unexpected(void **state)
{
    struct fixture *fixture = *state;

    frame(fixture, 0x81, 5);
    frame(fixture, 0x02, 5);
    frame(fixture, 0x80, 5);
    assert_int_equal(take(fixture), fixture->size);
    assert_int_equal(fixture->tally.faults.unexpected, 3);
}

static void test_a_critical_message_may_overtake_others(void **state)
{
    struct fixture *fixture = *state;
    uint64_t critical = 1;

    assert_int_equal(mix_parse(&fixture->mix, "critical=1,normal=4"), 0);
    fixture->rules.mix = &fixture->mix;
    while (mix_priority_of(&fixture->mix, GROUP, critical) != MIX_CRITICAL)
        critical++;
    fixture->member.own = stream_behind(0);
    fixture->more.critical = stream_behind(0);
    message(fixture, PAYLOAD, GROUP, critical);
    for (uint64_t number = 1; number <= 5; number++)
        if (number != critical)
            message(fixture, PAYLOAD, GROUP, number);
    assert_int_equal(take(fixture), fixture->size);
    assert_true(faults_none(&fixture->tally.faults));
    assert_int_equal(fixture->tally.latency[MIX_CRITICAL].count, 1);
    assert_int_equal(fixture->tally.latency[MIX_NORMAL].count, 4);
    assert_int_equal(member_missing(&fixture->member, &fixture->rules, 5), 0);
    assert_int_equal(member_missing(&fixture->member, &fixture->rules, 10), 5);
    fixture->size = 0;
    message(fixture, PAYLOAD, GROUP, critical + 10); /* without the one between */
    assert_int_equal(take(fixture), fixture->size);
    assert_int_equal(fixture->tally.faults.lost, 1);
    assert_int_equal(member_missing(&fixture->member, &fixture->rules, 15), 8);
}

static void hello(struct fixture *fixture, const char *text)
{
    memcpy(frame(fixture, 0x81, strlen(text)), text, strlen(text));
}

static void test_hello_says_what_must_come_next(void **state)
{
    struct fixture *fixture = *state;

    fixture->rules.positions = fixture->positions;
    for (unsigned times = 0; times < 2; times++) {
        member_reset(&fixture->member, &fixture->rules);
        fixture->member.state = MEMBER_JOINING;
        fixture->size = 0;
        /* 7 had been published before this run; when it comes back there are 2 more. */
        hello(fixture, times ? "{\"groups\": {\"g\": {\"epoch\": \"e\", \"offset\": 9}}}"
                             : "{\"groups\": {\"g\": {\"epoch\": \"e\", \"offset\": 7}}}");
        message(fixture, PAYLOAD, GROUP, times ? 4 : 1);
        assert_int_equal(take(fixture), fixture->size);
        assert_int_equal(fixture->member.state, MEMBER_OPEN);
        assert_int_equal(fixture->tally.faults.lost, times);
    }
}

static void test_nothing_comes_before_hello(void **state)
{
    struct fixture *fixture = *state;

    fixture->rules.positions = fixture->positions;
    fixture->member.state = MEMBER_JOINING;
    message(fixture, PAYLOAD, GROUP, 1);
    hello(fixture, "{\"groups\": {}}");
    assert_int_equal(take(fixture), fixture->size);
    assert_int_equal(fixture->member.state, MEMBER_JOINING);
    assert_int_equal(fixture->tally.faults.unexpected, 2);
}

static void test_of_a_group_that_was_forgotten_nothing_is_known(void **state)
{
    struct fixture *fixture = *state;

    fixture->rules.positions = fixture->positions;
    fixture->member.state = MEMBER_JOINING;
    fixture->positions[GROUP] = (struct position){.epoch = 1, .state = POSITION_KNOWN};
    hello(fixture, "{\"groups\": {\"g\": {\"epoch\": \"e\", \"offset\": 2}}}");
    message(fixture, PAYLOAD, GROUP, 30);
    assert_int_equal(take(fixture), fixture->size);
    assert_true(faults_none(&fixture->tally.faults));
}

static void test_close_ends_with_its_code(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *payload = frame(fixture, 0x88, 6);

    payload[0] = 3008 >> 8;
    payload[1] = 3008 & 0xff;
    assert_int_equal(take(fixture), -1);
    assert_int_equal(fixture->tally.close_code, 3008);
}

static void test_a_masked_frame_ends_the_connection(void **state)
{
    struct fixture *fixture = *state;

    memcpy(fixture->bytes, "\x82\xfe\x00\x01", 4);
    fixture->size = 4;
    assert_int_equal(take(fixture), -1);
}

/* Appends a NATS message to a text. */
static size_t nats_message(uint8_t *text, uint64_t sequence)
{
    struct stamp stamp = {.group = GROUP, .run = RUN, .phase = PHASE_MEASURE, .sequence = sequence};
    size_t head = (size_t)sprintf((char *)text, "MSG load3 1 %d\r\n", PAYLOAD);

    memset(text + head, 'x', PAYLOAD);
    stamp_write(text + head, PAYLOAD, &stamp);
    memcpy(text + head + PAYLOAD, "\r\n", 2);
    return head + PAYLOAD + 2;
}

/* Reads the fixture's bytes in pieces, as a worker does: what is left comes again. */
static void take_in_pieces(struct fixture *fixture, size_t piece)
{
    static uint8_t buffer[sizeof(fixture->bytes)];
    size_t have = 0;

    for (size_t at = 0; at < fixture->size;) {
        size_t n = fixture->size - at < piece ? fixture->size - at : piece;
        int64_t used;

        memcpy(buffer + have, fixture->bytes + at, n);
        at += n;
        have += n;
        used = member_take(&fixture->member, &fixture->tally, buffer, have, 3000);
        assert_true(used >= 0);
        have -= (size_t)used;
        memmove(buffer, buffer + used, have);
    }
    assert_int_equal(have, 0);
}

/* Messages that do not end where frames do, with a ping between the frames. */
static void test_packets_in_any_frames_and_any_pieces(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 7, 100, 1000, 70000};
    struct fixture *fixture = *state;
    uint8_t text[4096];

    fixture->rules.dialect = &dialect_nats;
    for (size_t cut = 1; cut < 400; cut += 13) {
        for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
            size_t size = 0;

            for (uint64_t sequence = 1; sequence <= 20; sequence++)
                size += nats_message(text + size, sequence);
            fixture->size = 0;
            for (size_t at = 0; at < size; at += cut) {
                size_t n = size - at < cut ? size - at : cut;

                memcpy(frame(fixture, 0x82, n), text + at, n);
                frame(fixture, 0x89, at % 5);
            }
            fixture->member.own = (struct stream){0};
            fixture->tally.delivered = 0;
            take_in_pieces(fixture, pieces[p]);
            assert_int_equal(fixture->tally.delivered, 20);
        }
    }
    assert_true(faults_none(&fixture->tally.faults));
}

static void test_a_packet_cut_twice_over_64_kib_ends_the_connection(void **state)
{
    struct fixture *fixture = *state;

    fixture->rules.dialect = &dialect_nats;
    memcpy(frame(fixture, 0x82, 60000), "MSG load3 1 69000\r\n", 19);
    frame(fixture, 0x82, 9000);
    assert_int_equal(take(fixture), -1);
}

static void test_a_member_is_in_when_the_server_says_so(void **state)
{
    struct fixture *fixture = *state;

    fixture->rules.dialect = &dialect_nats;
    fixture->member.state = MEMBER_JOINING;
    memcpy(frame(fixture, 0x82, 9), "INFO {}\r\n", 9);
    assert_int_equal(take(fixture), fixture->size);
    assert_int_equal(fixture->member.state, MEMBER_JOINING);
    memcpy(frame(fixture, 0x82, 6), "PONG\r\n", 6);
    assert_int_equal(take(fixture), fixture->size);
    assert_int_equal(fixture->member.state, MEMBER_OPEN);
}

/* A reply that says where the member is in, with one message of the history. */
static void joined(struct fixture *fixture, const char *epoch, bool recovered, uint64_t offset,
                   uint64_t sequence)
{
    struct stamp stamp = {.group = GROUP, .run = RUN, .sequence = sequence};
    uint8_t payload[STAMP_BYTES_MIN], reply[128] = {0}, *at = reply;

    stamp_write(payload, sizeof(payload), &stamp);
    *at++ = (uint8_t)(2 + 3 + (sequence ? 4 + sizeof(payload) + 2 : 0) + 4);
    *at++ = 0x32; /* Reply.subscribe */
    *at++ = (uint8_t)(reply[0] - 2);
    at += sprintf((char *)at, "\x32\x01%s", epoch);
    if (sequence) {
        at += sprintf((char *)at, "\x3a%c\x22%c", (int)sizeof(payload) + 4, (int)sizeof(payload));
        memcpy(at, payload, sizeof(payload));
        at += sizeof(payload);
        at += sprintf((char *)at, "\x30%c", (int)sequence + 100);
    }
    *at++ = 0x40;
    *at++ = recovered;
    *at++ = 0x48;
    *at++ = (uint8_t)offset;
    memcpy(frame(fixture, BINARY_FRAME, (size_t)(at - reply)), reply, (size_t)(at - reply));
    fixture->member.state = MEMBER_JOINING;
    assert_int_equal(take(fixture), fixture->size);
    assert_int_equal(fixture->member.state, MEMBER_OPEN);
    fixture->size = 0;
}

/* What a member that was cut asks from is what it has got, not where it had been in. */
static void test_what_was_seen_last_is_kept_for_the_next_time(void **state)
{
    struct fixture *fixture = *state;
    struct dialect_position seen = {0};

    fixture->rules.dialect = &dialect_sdk_protobuf;
    fixture->rules.seen = &seen;
    joined(fixture, "e", false, 7, 0);
    assert_string_equal(seen.epoch, "e");
    assert_int_equal(seen.offset, 7);
    joined(fixture, "e", true, 7, 1);
    assert_int_equal(seen.offset, 101);
    assert_int_equal(fixture->tally.replayed, 1);
    joined(fixture, "e", true, 101, 2);
    assert_int_equal(seen.offset, 102);
    assert_int_equal(fixture->tally.delivered, 2);
    assert_true(faults_none(&fixture->tally.faults));
    joined(fixture, "f", false, 9, 0);
    assert_int_equal(fixture->tally.faults.unrecovered, 1);
    assert_string_equal(seen.epoch, "f");
    assert_int_equal(seen.offset, 9);
}

static void test_answers_to_the_handshake(void **state)
{
    static const char good[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    static const char refused[] = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
    static const char wrong[] = "HTTP/1.1 101 Switching Protocols\r\n"
                                "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    const size_t size = sizeof(good) - 1;

    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(member_answer((const uint8_t *)good, cut), 0);
    assert_int_equal(member_answer((const uint8_t *)good, size), size);
    assert_int_equal(member_answer((const uint8_t *)refused, sizeof(refused) - 1), -1);
    assert_int_equal(member_answer((const uint8_t *)wrong, sizeof(wrong) - 1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages_of_every_length_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_cut_leaves_what_is_incomplete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_misdelivered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_everyone_has_a_sequence_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_changed_byte_is_corruption, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_payload_too_short_for_a_stamp_is_corruption, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_text_and_fragments_are_unexpected, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_critical_message_may_overtake_others, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_hello_says_what_must_come_next, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_comes_before_hello, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_a_group_that_was_forgotten_nothing_is_known, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_close_ends_with_its_code, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_masked_frame_ends_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_packets_in_any_frames_and_any_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_packet_cut_twice_over_64_kib_ends_the_connection,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_member_is_in_when_the_server_says_so, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_was_seen_last_is_kept_for_the_next_time, setup,
                                        teardown),
        cmocka_unit_test(test_answers_to_the_handshake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
