/* A msgpack value as JSON text (RFC 8259), which is how structured `data` reaches clients.
 *
 * All 64 bits of integers survive, floats read back as the same bits (NaN and infinities become
 * null), bin becomes a base64 string with padding, keys must be strings, extension types have no
 * JSON. The text has no spaces; keys stay in their order, repeated ones too. Pure. */
#ifndef SHARDCAST_PROTO_JSON_H
#define SHARDCAST_PROTO_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/value.h"

#define JSON_LEVELS_MAX 32 /* containers in each other, the outermost included */

/* The text under way: on the stack while it is short. Not to be copied. */
struct json_text {
    char *bytes; /* `small`, or allocated */
    size_t size, capacity;
    uint64_t max;
    char small[2048];
};

/* Writes `value`, whose contents lie before `end`, in at most `max` bytes. json_text_free() frees,
 * after an error too. Stops at the first error: ERR_TOO_LARGE; ERR_NOMEM; ERR_PROTOCOL, and `why`
 * is then a static text that says what has no JSON. */
int json_write(struct json_text *text, const struct value *value, const uint8_t *end, uint64_t max,
               const char **why) MUST_CHECK;

void json_text_free(struct json_text *text);

#endif
