#include "proto/json_string.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/evp.h>

/* What stands behind the backslash: 'u' for the control characters without a short form; 0: the
 * byte needs no escape. */
static char escape_of(uint8_t c)
{
    static const char control[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

    if (c >= 32)
        return c == '"' || c == '\\' ? (char)c : 0;
    return control[c] ? control[c] : 'u';
}

/* Whether one of eight bytes needs an escape: below 32, a quote or a backslash. Subtracting borrows
 * into the top bit of a byte that is too small; a wrong hit can only lie behind a right one. */
static bool word_needs_escape(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';

    return (((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
            ((backslash - ones) & ~backslash)) &
           tops;
}

const uint8_t *json_plain_end(const uint8_t *at, const uint8_t *end)
{
    for (uint64_t word; end - at >= (ptrdiff_t)sizeof(word); at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        if (word_needs_escape(word))
            break;
    }
    while (at < end && !escape_of(*at))
        at++;
    return at;
}

size_t json_escape(char out[JSON_ESCAPE_MAX], uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    char sequence[JSON_ESCAPE_MAX] = {'\\', escape_of(byte), '0',
                                      '0',  hex[byte >> 4],  hex[byte & 15]};

    memcpy(out, sequence, JSON_ESCAPE_MAX);
    return sequence[1] == 'u' ? JSON_ESCAPE_MAX : 2;
}

size_t json_string_bytes(const uint8_t *text, size_t size)
{
    const uint8_t *at = text, *end = text + size;
    size_t bytes = 2 + size;

    while ((at = json_plain_end(at, end)) < end)
        bytes += escape_of(*at++) == 'u' ? JSON_ESCAPE_MAX - 1 : 1;
    return bytes;
}

uint8_t *json_string_write(uint8_t *out, const uint8_t *text, size_t size)
{
    const uint8_t *at = text, *end = text + size;

    *out++ = '"';
    for (;;) {
        const uint8_t *run = at;
        char escape[JSON_ESCAPE_MAX];

        at = json_plain_end(at, end);
        if (at > run)
            memcpy(out, run, (size_t)(at - run));
        out += at - run;
        if (at == end)
            break;
        size_t escape_bytes = json_escape(escape, *at++);
        memcpy(out, escape, escape_bytes);
        out += escape_bytes;
    }
    *out++ = '"';
    return out;
}

uint8_t *json_base64_write(uint8_t *out, const uint8_t *bytes, size_t size)
{
    *out++ = '"';
    /* It ends what it writes with a NUL; the quote then takes that byte. */
    out += EVP_EncodeBlock(out, bytes, (int)size);
    *out++ = '"';
    return out;
}
