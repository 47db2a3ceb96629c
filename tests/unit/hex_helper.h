/* Bytes written in hexadecimal, as the tests of binary forms have them. */
#ifndef SHARDCAST_TESTS_HEX_HELPER_H
#define SHARDCAST_TESTS_HEX_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/varint.h"

struct bytes {
    size_t size;
    uint8_t at[600];
};

/* "0a 01 67", with spaces or without; what stands in braces has its length, a varint, put before
 * it. */
static inline struct bytes hex(const char *text)
{
    struct bytes bytes = {.size = 0};
    size_t open[8], depth = 0;

    for (; *text; text++) {
        char digits[3] = {text[0], text[1], '\0'}, *end;

        if (*text == ' ')
            continue;
        if (*text == '{') {
            assert_true(depth < 8);
            open[depth++] = bytes.size;
        } else if (*text == '}') {
            uint8_t *inside = bytes.at + open[--depth];
            size_t size = bytes.size - open[depth], head = varint_bytes(size);

            memmove(inside + head, inside, size);
            varint_write(inside, size);
            bytes.size += head;
        } else {
            bytes.at[bytes.size++] = (uint8_t)strtoul(digits, &end, 16);
            assert_ptr_equal(end, digits + 2);
            text++;
        }
        assert_true(bytes.size < sizeof(bytes.at) - VARINT_MAX);
    }
    assert_int_equal(depth, 0);
    return bytes;
}

#endif
