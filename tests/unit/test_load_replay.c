/* bench/load_recording and bench/load_expected: what is written is read back, what is no recording
 * is refused, and what a faulty server makes of a replay is reported as what it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/load_dialect.h"
#include "bench/load_expected.h"
#include "bench/load_recording.h"
#include "tests/unit/pack_format.h"

static char path[] = "/tmp/test_load_replay_XXXXXX";

static int setup(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

/* Writes the file: packed values, one after the other. */
static void write_packed(const struct packed *values, unsigned count)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(fwrite(values[i].bytes, 1, values[i].size, file), values[i].size);
        free(values[i].bytes);
    }
    assert_int_equal(fclose(file), 0);
}

static struct packed header(int version)
{
    return pack_format("{ss si ss}", "format", "shardcast-recording", "version", version, "by",
                       "a test");
}

static struct packed broadcast(int us, const char *group, const char *text)
{
    return pack_format("[i {ss ss ss}]", us, "op", "broadcast", "group", group, "data", text);
}

static void test_what_is_written_is_read_back(void **state)
{
    struct recorder *recorder = recorder_open(path);
    struct packed command = pack_format("{ss st sn}", "op", "ping", "x", "y");
    struct recording recording;

    assert_non_null(recorder);
    for (uint64_t i = 0; i < 1000; i++)
        recorder_add(recorder, i * 1000000 + 999, command.bytes, command.size);
    assert_int_equal(recorder_close(recorder), 0);
    assert_int_equal(recording_open(&recording, path), 0);
    assert_int_equal(recording.count, 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(recording.entries[i].ns, i * 1000000);
        assert_int_equal(recording.entries[i].size, command.size);
        assert_memory_equal(recording.entries[i].command, command.bytes, command.size);
    }
    recording_close(&recording);
    free(command.bytes);
}

static void assert_refused(const struct packed *values, unsigned count)
{
    struct recording recording;

    write_packed(values, count);
    assert_int_equal(recording_open(&recording, path), -1);
    recording_close(&recording);
}

static void test_what_is_no_recording_is_refused(void **state)
{
    struct recording recording;

    assert_refused(NULL, 0);
    assert_refused((struct packed[]){pack_format("r", "\xc1", 1)}, 1);
    assert_refused((struct packed[]){header(2)}, 1);
    assert_refused((struct packed[]){pack_format("{si}", "version", 1)}, 1);
    assert_refused((struct packed[]){header(1), pack_format("{}")}, 2);
    assert_refused((struct packed[]){header(1), pack_format("[i]", 1)}, 2);
    assert_refused((struct packed[]){header(1), pack_format("[i{}i]", 1, 2)}, 2);
    assert_refused((struct packed[]){header(1), pack_format("[i{}]", -1)}, 2);
    assert_refused((struct packed[]){header(1), pack_format("[u{}]", UINT64_MAX)}, 2);
    assert_refused((struct packed[]){header(1), pack_format("[ii]", 1, 1)}, 2);
    assert_refused((struct packed[]){header(1), pack_format("[i{}]", 2), pack_format("[i{}]", 1)},
                   3);
    assert_refused((struct packed[]){header(1), pack_format("r", "\x92\x01\x81\xa1", 4)}, 2);
    assert_int_equal(recording_open(&recording, "/no/such/file"), -1);
    recording_close(&recording);
}

/* A replay of `text` messages to group "a": each character is a message. */
static struct expected *expect(struct recording *recording, const char *text)
{
    struct packed values[64] = {header(1)};
    unsigned count = 1;
    struct expected *expected;

    for (; *text; text++, count++)
        values[count] = broadcast((int)count, "a", (char[]){*text, 0});
    values[count++] = broadcast(1000, "b", "other");
    write_packed(values, count);
    assert_int_equal(recording_open(recording, path), 0);
    expected = expected_new(recording, 3);
    assert_non_null(expected);
    return expected;
}

/* What a member of group "a" counts that gets the messages `got` of those that are `sent`. */
static struct faults take(const char *sent, const char *got)
{
    struct recording recording;
    struct expected *expected = expect(&recording, sent);
    struct expected_member member;
    struct faults faults = {0};
    uint64_t due;

    expected_begin(&member);
    for (; *got; got++)
        (void)expected_take(expected, &member, 0, &faults, TEXT_FRAME, (const uint8_t *)got, 1,
                            &due);
    faults.lost += expected_missing(expected, &member, 0);
    expected_free(expected);
    recording_close(&recording);
    return faults;
}

static void test_all_in_order_is_right(void **state)
{
    struct faults faults = take("abcabcaabb", "abcabcaabb");

    assert_true(faults_none(&faults));
}

static void test_each_fault_is_what_it_is(void **state)
{
    struct faults faults = take("abcdef", "abdef");

    assert_int_equal(faults.lost, 1);
    assert_int_equal(faults.repeated + faults.reordered + faults.corrupted, 0);
    faults = take("abcdef", "abcde");
    assert_int_equal(faults.lost, 1);
    faults = take("abcdef", "abccdef");
    assert_int_equal(faults.repeated, 1);
    assert_int_equal(faults.lost + faults.reordered + faults.corrupted, 0);
    faults = take("abcdef", "abdcef");
    assert_int_equal(faults.reordered, 1);
    assert_int_equal(faults.lost + faults.repeated + faults.corrupted, 0);
    faults = take("abcdef", "abXdef");
    assert_int_equal(faults.corrupted, 1);
    assert_int_equal(faults.lost, 1);
    assert_int_equal(faults.repeated + faults.reordered + faults.misdelivered, 0);
}

static void test_another_groups_message_is_misdelivered(void **state)
{
    struct recording recording;
    struct expected *expected = expect(&recording, "ab");
    struct expected_member member;
    struct faults faults = {0};
    uint64_t due;

    expected_begin(&member);
    assert_int_equal(expected->groups->count, 2);
    assert_false(expected_take(expected, &member, 0, &faults, TEXT_FRAME, (const uint8_t *)"other",
                               5, &due));
    assert_int_equal(faults.misdelivered, 1);
    /* The same bytes in another kind of frame are not the same message. */
    assert_false(
        expected_take(expected, &member, 0, &faults, BINARY_FRAME, (const uint8_t *)"a", 1, &due));
    assert_int_equal(faults.corrupted, 1);
    expected_free(expected);
    recording_close(&recording);
}

/* All targets and kinds of data; what is no broadcast is left out. */
static void test_commands_as_the_engine_reads_them(void **state)
{
    struct packed values[] = {
        header(1),
        pack_format("[i {ss ss sb}]", 0, "op", "broadcast", "group", "a", "data", "\1\2", 2),
        pack_format("[i {ss ss s{ss}}]", 500, "op", "broadcast", "user", "ann", "data", "k", "v"),
        pack_format("[i {ss s[ss] ss ss}]", 700, "op", "broadcast", "groups", "a", "c", "data",
                    "two", "priority", "critical"),
        pack_format("[i {ss st ss}]", 800, "op", "broadcast", "all", "data", "all"),
        pack_format("[i {ss ss}]", 900, "op", "disconnect", "group", "a"),
        pack_format("[i {ss si}]", 900, "op", "stats", "id", 1),
        pack_format("[i {ss si ss si}]", 1000, "op", "broadcast", "experiment", 42, "data", "x",
                    "id", 9),
    };
    struct recording recording;
    struct expected *expected;
    struct expected_member ann;
    struct faults faults = {0};
    uint64_t due = 0;

    write_packed(values, sizeof(values) / sizeof(values[0]));
    assert_int_equal(recording_open(&recording, path), 0);
    expected = expected_new(&recording, 2);
    assert_non_null(expected);
    assert_int_equal(recording.count, 5);
    assert_int_equal(expected->skipped, 2);
    assert_int_equal(expected->groups->count, 4);
    assert_string_equal(expected->groups->names[1], "user:ann");
    assert_string_equal(expected->groups->names[3], "experiment:42");
    /* 5 to groups of 2 members, and 1 to all 8. */
    assert_int_equal(expected_deliveries(expected), 5 * 2 + 8);
    expected->began_ns = 1000;
    expected->speed = 2;
    expected_begin(&ann);
    assert_true(
        expected_take(expected, &ann, 1, &faults, TEXT_FRAME, (const uint8_t *)"all", 3, &due));
    assert_int_equal(due, 401000);
    assert_true(expected_take(expected, &ann, 1, &faults, TEXT_FRAME,
                              (const uint8_t *)"{\"k\":\"v\"}", 9, &due));
    assert_int_equal(due, 251000);
    assert_true(faults_none(&faults));
    assert_int_equal(expected_missing(expected, &ann, 1), 0);
    expected_free(expected);
    recording_close(&recording);
}

static void test_a_wrong_command_is_refused(void **state)
{
    struct packed values[] = {header(1),
                              pack_format("[i {ss ss}]", 0, "op", "broadcast", "group", "a")};
    struct recording recording;

    write_packed(values, 2);
    assert_int_equal(recording_open(&recording, path), 0);
    assert_null(expected_new(&recording, 2));
    recording_close(&recording);
}

static void test_very_many_groups_and_messages(void **state)
{
    struct recorder *recorder = recorder_open(path);
    struct recording recording;
    struct expected *expected;

    assert_non_null(recorder);
    for (unsigned i = 0; i < 20000; i++) {
        char name[32], text[32];
        struct packed command;

        snprintf(name, sizeof(name), "session:%u", i % 5000);
        snprintf(text, sizeof(text), "message %u", i);
        command = pack_format("{ss ss ss}", "op", "broadcast", "group", name, "data", text);
        recorder_add(recorder, i, command.bytes, command.size);
        free(command.bytes);
    }
    assert_int_equal(recorder_close(recorder), 0);
    assert_int_equal(recording_open(&recording, path), 0);
    expected = expected_new(&recording, 1);
    assert_non_null(expected);
    assert_int_equal(expected->groups->count, 5000);
    assert_int_equal(expected_deliveries(expected), 20000);
    for (uint32_t i = 0; i < 5000; i += 777) {
        struct expected_member member;
        struct faults faults = {0};
        uint64_t due;

        expected_begin(&member);
        for (uint32_t n = 0; n < 4; n++) {
            char text[32];
            int size = snprintf(text, sizeof(text), "message %u", i + 5000 * n);

            assert_true(expected_take(expected, &member, i, &faults, TEXT_FRAME,
                                      (const uint8_t *)text, (size_t)size, &due));
        }
        assert_true(faults_none(&faults));
        assert_int_equal(expected_missing(expected, &member, i), 0);
    }
    expected_free(expected);
    recording_close(&recording);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read_back),
        cmocka_unit_test(test_what_is_no_recording_is_refused),
        cmocka_unit_test(test_all_in_order_is_right),
        cmocka_unit_test(test_each_fault_is_what_it_is),
        cmocka_unit_test(test_another_groups_message_is_misdelivered),
        cmocka_unit_test(test_commands_as_the_engine_reads_them),
        cmocka_unit_test(test_a_wrong_command_is_refused),
        cmocka_unit_test(test_very_many_groups_and_messages),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
