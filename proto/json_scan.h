/* Reading JSON text (RFC 8259) from front to back, without making values of it. Pure, in constant
 * stack; every read is bounded by `end`. The text is UTF-8 already (utf8_valid()): bytes from 0x80
 * up are only looked at for where they stand, which is inside strings. */
#ifndef SHARDCAST_PROTO_JSON_SCAN_H
#define SHARDCAST_PROTO_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/error.h"

/* Containers in each other; clients' parsers give up beyond some such depth. */
#define JSON_SCAN_LEVELS_MAX 128

struct json_scan {
    const char *at, *end;
};

static inline void json_skip_space(struct json_scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
}

/* Moves behind a character or a word, if that is what comes next. */
static inline bool json_take(struct json_scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

bool json_take_word(struct json_scan *scan, const char *word);

/* Moves behind a string. False: it is none. */
bool json_skip_string(struct json_scan *scan);

/* Moves behind a whole value and the white space before it. ERR_PROTOCOL: it is none;
 * ERR_TOO_LARGE: it is deeper than JSON_SCAN_LEVELS_MAX. */
int json_skip_value(struct json_scan *scan) MUST_CHECK;

/* True for one whole value, white space around it allowed, that is not too deep. */
bool json_valid(const char *text, size_t size);

#endif
