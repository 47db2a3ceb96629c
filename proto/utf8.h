/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef SHARDCAST_PROTO_UTF8_H
#define SHARDCAST_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_ACCEPT 0u /* state between characters; also the state to begin with */
#define UTF8_REJECT 1u /* invalid; stays so */

/* Goes on with a check over more bytes. Returns the new state: UTF8_ACCEPT, UTF8_REJECT, or another
 * value inside a character. ASCII runs take eight bytes at a time. */
uint32_t utf8_check(uint32_t state, const void *bytes, size_t size);

static inline bool utf8_valid(const void *bytes, size_t size)
{
    return utf8_check(UTF8_ACCEPT, bytes, size) == UTF8_ACCEPT;
}

#endif
