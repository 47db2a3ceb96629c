/* Where commands end, in any cut of the stream, and what is refused before it is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/command.h"
#include "tests/unit/pack_format.h"

#define MAX 131072

/* Every head that msgpack has, in one command after another. */
static const uint8_t stream[] = {
    0x00,                                                    /* fixint */
    0xff,                                                    /* negative fixint */
    0x80,                                                    /* {} */
    0x90,                                                    /* [] */
    0xa0,                                                    /* "" */
    0xa3, 'a',  'b',  'c',                                   /* fixstr */
    0xc0, 0xc2, 0xc3,                                        /* nil, false, true */
    0xc4, 2,    0xc1, 0xc1,                                  /* bin: bodies are not looked into */
    0xc5, 0,    1,    0xc1,                                  /* */
    0xc6, 0,    0,    0,    1,    0xc1,                      /* */
    0xc7, 2,    5,    0xc1, 0xc1,                            /* ext */
    0xc8, 0,    1,    5,    0xc1,                            /* */
    0xc9, 0,    0,    0,    1,    5,    0xc1,                /* */
    0xca, 1,    2,    3,    4,                               /* float */
    0xcb, 1,    2,    3,    4,    5,    6,    7,    8,       /* */
    0xcc, 1,    0xcd, 1,    2,    0xce, 1,    2,    3,    4, /* uint */
    0xcf, 1,    2,    3,    4,    5,    6,    7,    8,       /* */
    0xd0, 1,    0xd1, 1,    2,    0xd2, 1,    2,    3,    4, /* int */
    0xd3, 1,    2,    3,    4,    5,    6,    7,    8,       /* */
    0xd4, 1,    2,    0xd5, 1,    2,    3,                   /* fixext */
    0xd6, 1,    2,    3,    4,    5,                         /* */
    0xd7, 1,    2,    3,    4,    5,    6,    7,    8,    9, /* */
    0xd8, 1,    2,    3,    4,    5,    6,    7,    8,    9, /* 16 bytes */
    10,   11,   12,   13,   14,   15,   16,   17,            /* */
    0xd9, 1,    'a',                                         /* str */
    0xda, 0,    1,    'a',                                   /* */
    0xdb, 0,    0,    0,    1,    'a',                       /* */
    0x92, 0x91, 0x90, 0x81, 0x01, 0x80,                      /* [[[]], {1: {}}] */
    0xdc, 0,    2,    0xc0, 0xc0,                            /* array */
    0xdd, 0,    0,    0,    1,    0xa1, 'x',                 /* */
    0xde, 0,    1,    0xc0, 0xc0,                            /* map */
    0xdf, 0,    0,    0,    1,    0xa1, 'x',  0x91, 0xc0,    /* */
};

static const unsigned lengths[] = {1, 1, 1, 1, 1, 4, 1, 1, 1, 4,  4,  6, 5, 5, 7, 5, 9, 2, 3,
                                   5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18, 3, 4, 6, 6, 5, 7, 5, 9};

#define COUNT (sizeof(lengths) / sizeof(lengths[0]))

static void finds_every_kind_of_value(void **state)
{
    struct command_scanner scanner;
    size_t at = 0;

    command_scanner_init(&scanner);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(command_scan(&scanner, stream + at, sizeof(stream) - at, MAX), lengths[i]);
        at += lengths[i];
    }
    assert_int_equal(at, sizeof(stream));
    assert_int_equal(command_scan(&scanner, stream + at, 0, MAX), 0);
    assert_int_equal(scanner.pending, 0);
}

/* Feeds `bytes` so that `step` more are there at each call, in memory that ends there. */
static void scan_in_steps(const uint8_t *bytes, size_t size, size_t first, size_t step,
                          const unsigned *expected, size_t count)
{
    struct command_scanner scanner;
    size_t begin = 0, have = first, found = 0;

    command_scanner_init(&scanner);
    while (begin < size) {
        size_t there = have < size ? have - begin : size - begin;
        uint8_t *copy = malloc(there ? there : 1);
        memcpy(copy, bytes + begin, there);
        int64_t length = command_scan(&scanner, copy, there, MAX);
        free(copy);
        if (length) {
            assert_true(found < count);
            assert_int_equal(length, expected[found++]);
            begin += (size_t)length;
            continue;
        }
        assert_true(have < size);
        have += step;
    }
    assert_int_equal(found, count);
}

static void finds_the_same_in_every_cut(void **state)
{
    for (size_t first = 0; first < sizeof(stream); first++)
        scan_in_steps(stream, sizeof(stream), first, sizeof(stream), lengths, COUNT);
    for (size_t step = 1; step < 20; step++)
        scan_in_steps(stream, sizeof(stream), step, step, lengths, COUNT);
}

static void finds_pipelined_broadcasts_in_every_cut(void **state)
{
    struct packed packed =
        pack_format("{ss ss s[{sf}{sd}nt] si}{ss si}{ss ss sb}", "op", "broadcast", "group", "a",
                    "data", "x", 1.5, "y", 2.5, "id", 300, "op", "ping", "id", 1, "op", "broadcast",
                    "group", "b", "data", "\xc1\xc1", 2);
    unsigned expected[3];
    struct packed parts[3] = {
        pack_format("{ss ss s[{sf}{sd}nt] si}", "op", "broadcast", "group", "a", "data", "x", 1.5,
                    "y", 2.5, "id", 300),
        pack_format("{ss si}", "op", "ping", "id", 1),
        pack_format("{ss ss sb}", "op", "broadcast", "group", "b", "data", "\xc1\xc1", 2)};

    for (int i = 0; i < 3; i++) {
        expected[i] = (unsigned)parts[i].size;
        free(parts[i].bytes);
    }
    for (size_t first = 0; first < packed.size; first++) {
        for (size_t step = 1; step < packed.size; step++)
            scan_in_steps(packed.bytes, packed.size, first, step, expected, 3);
    }
    free(packed.bytes);
}

static int64_t scan(const void *bytes, size_t size, size_t max)
{
    struct command_scanner scanner;

    command_scanner_init(&scanner);
    return command_scan(&scanner, bytes, size, max);
}

static void refuses_what_is_no_msgpack(void **state)
{
    struct command_scanner scanner;

    assert_int_equal(scan("\xc1", 1, MAX), ERR_PROTOCOL);
    assert_int_equal(scan("\x82\xa1"
                          "a\xc1",
                          4, MAX),
                     ERR_PROTOCOL);

    /* The error stays: the stream cannot be read on. */
    command_scanner_init(&scanner);
    assert_int_equal(command_scan(&scanner, (const uint8_t *)"\x92\x01", 2, MAX), 0);
    assert_int_equal(command_scan(&scanner, (const uint8_t *)"\x92\x01\xc1", 3, MAX), ERR_PROTOCOL);
    assert_int_equal(command_scan(&scanner, (const uint8_t *)"\x92\x01\xc1", 3, MAX), ERR_PROTOCOL);
}

static void refuses_absurd_lengths_at_the_header(void **state)
{
    static const struct {
        const char *head;
        size_t size;
    } heads[] = {
        {"\xdd\x01\xff\xff\xff", 5},     /* array of 33 million */
        {"\xdd\xff\xff\xff\xff", 5},     /* of 4 thousand million */
        {"\xdf\xff\xff\xff\xff", 5},     /* a map: twice as many values */
        {"\xdf\x00\x00\xff\xff", 5},     /* 65535 pairs: 131070 values, one byte too many */
        {"\xdb\xff\xff\xff\xff", 5},     /* str */
        {"\xc6\x00\x02\x00\x00", 5},     /* bin of 131072 */
        {"\xc9\xff\xff\xff\xff\x01", 6}, /* ext */
        {"\x82\xa1x\xdb\xff\xff\xff\xff", 8}, {"\x91\x91\x91\xdd\x7f\xff\xff\xff", 8},
    };

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        for (size_t have = 0; have < heads[i].size; have++)
            assert_int_equal(scan(heads[i].head, have, MAX), 0);
        assert_int_equal(scan(heads[i].head, heads[i].size, MAX), ERR_TOO_LARGE);
        /* No sum overflows however much is allowed. */
        int64_t most = scan(heads[i].head, heads[i].size, SIZE_MAX);
        assert_int_equal(most, 0);
    }
}

static void counts_to_the_byte(void **state)
{
    /* [str8 of 10, x]: 1 + 2 + 10 + 1 bytes at least. */
    assert_int_equal(scan("\x92\xd9\x0a", 3, 14), 0);
    assert_int_equal(scan("\x92\xd9\x0a", 3, 13), ERR_TOO_LARGE);
    /* Three values where two bytes are left. */
    assert_int_equal(scan("\x93", 1, 4), 0);
    assert_int_equal(scan("\x93", 1, 3), ERR_TOO_LARGE);
    /* A head alone that does not fit any more, of which one byte is there. */
    assert_int_equal(scan("\xcf", 1, 9), 0);
    assert_int_equal(scan("\xcf", 1, 8), ERR_TOO_LARGE);
    assert_int_equal(scan("\x92\xcf", 2, 11), 0);
    assert_int_equal(scan("\x92\xcf", 2, 10), ERR_TOO_LARGE);
    assert_int_equal(scan("\xc0", 1, 1), 1);
    assert_int_equal(scan("\xc0", 1, 0), ERR_TOO_LARGE);
}

static void takes_a_limit_that_is_lowered_meanwhile(void **state)
{
    static const uint8_t bytes[] = {0x94, 1, 2, 3};
    struct command_scanner scanner;

    for (size_t max = 0; max < 5; max++) {
        command_scanner_init(&scanner);
        assert_int_equal(command_scan(&scanner, bytes, 3, MAX), 0);
        assert_int_equal(command_scan(&scanner, bytes, 4, max), ERR_TOO_LARGE);
    }
}

static void takes_any_depth(void **state)
{
    struct command_scanner scanner;
    static uint8_t deep[MAX];

    memset(deep, 0x91, sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = 0xc0;
    assert_int_equal(scan(deep, sizeof(deep), MAX), MAX);
    assert_int_equal(scan(deep, sizeof(deep) - 1, MAX), 0);

    /* One level deeper than the limit has bytes. */
    deep[sizeof(deep) - 1] = 0x91;
    assert_int_equal(scan(deep, sizeof(deep), MAX), ERR_TOO_LARGE);

    /* Byte by byte it is as cheap: this would not end if it began anew each time. */
    deep[sizeof(deep) - 1] = 0xc0;
    command_scanner_init(&scanner);
    for (size_t have = 1; have < sizeof(deep); have++)
        assert_int_equal(command_scan(&scanner, deep, have, MAX), 0);
    assert_int_equal(command_scan(&scanner, deep, sizeof(deep), MAX), MAX);
}

/* Random bytes: whatever they are, `max` bytes are enough to say so. */
static void never_wants_more_than_the_limit(void **state)
{
    uint32_t seed = 1;
    uint8_t bytes[64];

    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (uint8_t)(seed >> 24);
        }
        struct command_scanner scanner;
        command_scanner_init(&scanner);
        int64_t at_once = scan(bytes, sizeof(bytes), sizeof(bytes)), stepwise = 0;
        for (size_t have = 0; !stepwise && have <= sizeof(bytes); have++)
            stepwise = command_scan(&scanner, bytes, have, sizeof(bytes));
        assert_int_not_equal(at_once, 0);
        assert_int_equal(stepwise, at_once);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_kind_of_value),
        cmocka_unit_test(finds_the_same_in_every_cut),
        cmocka_unit_test(finds_pipelined_broadcasts_in_every_cut),
        cmocka_unit_test(refuses_what_is_no_msgpack),
        cmocka_unit_test(refuses_absurd_lengths_at_the_header),
        cmocka_unit_test(counts_to_the_byte),
        cmocka_unit_test(takes_a_limit_that_is_lowered_meanwhile),
        cmocka_unit_test(takes_any_depth),
        cmocka_unit_test(never_wants_more_than_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
