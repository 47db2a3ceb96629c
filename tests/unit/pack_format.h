/* Msgpack from a format, for tests: pack_format("{ss si}", "op", "ping", "id", 7).
 *
 *   s  char *                 str            n t x   nil, true, false
 *   S  char *, int            str of a size  [ ]     array of what stands between
 *   b  char *, int            bin            { }     map of it: key, value, …
 *   i  int                    integer        e       int size: an extension of zeros
 *   u  uint64_t, l  int64_t   integer        r       char *, int: these bytes as they are
 *   f  double                 float of 32 bits
 *   d  double                 float of 64 bits */
#ifndef SHARDCAST_TESTS_PACK_FORMAT_H
#define SHARDCAST_TESTS_PACK_FORMAT_H

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

struct packed {
    uint8_t *bytes; /* allocated to the byte, so that a sanitizer sees what reads beyond */
    size_t size;
};

/* Values between the bracket before `at` and its partner. */
static inline size_t pack_count(const char *at)
{
    size_t count = 0;

    for (int depth = 0; depth >= 0; at++) {
        if (*at == ']' || *at == '}') {
            depth--;
            continue;
        }
        count += depth == 0 && *at != ' ';
        depth += *at == '[' || *at == '{';
    }
    return count;
}

static inline void pack_bytes(msgpack_packer *packer, char kind, const char *bytes, size_t size)
{
    char zeros[256] = {0};

    if (kind == 'S')
        msgpack_pack_str_with_body(packer, bytes, size);
    else if (kind == 'b')
        msgpack_pack_bin_with_body(packer, bytes, size);
    else if (kind == 'e')
        msgpack_pack_ext_with_body(packer, zeros, size, 1);
    else
        packer->callback(packer->data, bytes, size);
}

static inline void pack_value(msgpack_packer *packer, const char *at, va_list *arguments)
{
    const char *text;

    switch (*at) {
    case '[':
        msgpack_pack_array(packer, pack_count(at + 1));
        break;
    case '{':
        msgpack_pack_map(packer, pack_count(at + 1) / 2);
        break;
    case 's':
        text = va_arg(*arguments, const char *);
        pack_bytes(packer, 'S', text, strlen(text));
        break;
    case 'S':
    case 'b':
    case 'r':
        text = va_arg(*arguments, const char *);
        pack_bytes(packer, *at, text, (size_t)va_arg(*arguments, int));
        break;
    case 'e':
        pack_bytes(packer, 'e', NULL, (size_t)va_arg(*arguments, int));
        break;
    case 'i':
        msgpack_pack_int(packer, va_arg(*arguments, int));
        break;
    case 'u':
        msgpack_pack_uint64(packer, va_arg(*arguments, uint64_t));
        break;
    case 'l':
        msgpack_pack_int64(packer, va_arg(*arguments, int64_t));
        break;
    case 'f':
        msgpack_pack_float(packer, (float)va_arg(*arguments, double));
        break;
    case 'd':
        msgpack_pack_double(packer, va_arg(*arguments, double));
        break;
    case 'n':
        msgpack_pack_nil(packer);
        break;
    case 't':
        msgpack_pack_true(packer);
        break;
    case 'x':
        msgpack_pack_false(packer);
        break;
    default: /* spaces and closing brackets */
        break;
    }
}

static inline struct packed pack_format_v(const char *format, va_list *arguments)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    struct packed packed;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    for (; *format; format++)
        pack_value(&packer, format, arguments);
    packed.size = buffer.size;
    packed.bytes = malloc(buffer.size ? buffer.size : 1);
    if (packed.bytes && buffer.size)
        memcpy(packed.bytes, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    return packed;
}

/* The caller frees `bytes`. */
static inline struct packed pack_format(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    struct packed packed = pack_format_v(format, &arguments);
    va_end(arguments);
    return packed;
}

#endif
