/* Whether text is JSON (RFC 8259), without making values of it. Pure, in constant stack. */
#ifndef SHARDCAST_PROTO_JSON_VALID_H
#define SHARDCAST_PROTO_JSON_VALID_H

#include <stdbool.h>
#include <stddef.h>

/* Containers in each other; clients' parsers give up beyond some such depth. */
#define JSON_VALID_LEVELS_MAX 128

/* True for one whole JSON value, white space around it allowed, that is no deeper than
 * JSON_VALID_LEVELS_MAX. `text` is UTF-8 already (utf8_valid()): bytes from 0x80 up are only
 * looked at for where they stand, which is inside strings. */
bool json_valid(const char *text, size_t size);

#endif
