/* Base64 (RFC 4648 section 4), as fast as a loop over a table is: a JSON client decodes every
 * message that it gets. Pure. */
#ifndef SHARDCAST_BENCH_LOAD_BASE64_H
#define SHARDCAST_BENCH_LOAD_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Decodes `size` characters, padding included, to `out`, which may be `text`. Returns how many
 * bytes they are, or -1: it is no base64. */
int64_t base64_decode(uint8_t *out, const uint8_t *text, size_t size);

#endif
