/* Files that are served from memory, for browsers: pages and their scripts. Pure.
 *
 * A page may load what this server has and nothing else (Content Security Policy). It is asked for
 * anew each time, but its bytes go out again only when they have changed (ETag). */
#ifndef SHARDCAST_PROTO_HTTP_ASSET_H
#define SHARDCAST_PROTO_HTTP_ASSET_H

#include <stddef.h>
#include <stdint.h>

#include "proto/http_request.h"

#define HTTP_ETAG_MAX 20 /* 64 bits in hexadecimal, in quotes, and NUL */

struct http_asset {
    const char *path; /* compared byte for byte */
    const char *type; /* Content-Type */
    const uint8_t *bytes;
    size_t size;
    char etag[HTTP_ETAG_MAX];
};

/* Fills in the entity tag, which follows from the bytes. */
void http_asset_tag(struct http_asset *asset);

/* The asset at a path; NULL: there is none. */
const struct http_asset *http_asset_find(const struct http_asset *assets, size_t count,
                                         struct name_view path);

/* How a request for an asset is answered: 200; 304, the client has it; 400, a Host is missing; 405,
 * neither GET nor HEAD. */
unsigned http_asset_status(const struct http_asset *asset, const struct http_request *request);

/* Writes the head of a 200 or 304, with Connection: close. Returns its length. */
#define HTTP_ASSET_HEAD_MAX 1024
size_t http_asset_head(char out[HTTP_ASSET_HEAD_MAX], const struct http_asset *asset,
                       unsigned status);

#endif
