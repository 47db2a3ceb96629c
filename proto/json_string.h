/* Strings as JSON text (RFC 8259 section 7), for all that write or read JSON here. Escaped is what
 * must be and nothing else. Pure; nothing is ended by NUL. */
#ifndef SHARDCAST_PROTO_JSON_STRING_H
#define SHARDCAST_PROTO_JSON_STRING_H

#include <stddef.h>
#include <stdint.h>

#define JSON_ESCAPE_MAX 6

/* Where the next byte is that cannot stand in a string as it is (a quote, a backslash, a control
 * character), or `end`. */
const uint8_t *json_plain_end(const uint8_t *at, const uint8_t *end);

/* Writes the escape for such a byte and returns its length: 2 or 6. */
size_t json_escape(char out[JSON_ESCAPE_MAX], uint8_t byte);

/* UTF-8 as a string, its quotes included: how long that is, and writing it. */
size_t json_string_bytes(const uint8_t *text, size_t size);
uint8_t *json_string_write(uint8_t *out, const uint8_t *text, size_t size);

/* Bytes as a string of base64 with padding, likewise. */
static inline size_t json_base64_bytes(size_t size)
{
    return 2 + (size + 2) / 3 * 4;
}

uint8_t *json_base64_write(uint8_t *out, const uint8_t *bytes, size_t size);

#endif
