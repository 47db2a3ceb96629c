#include "proto/http_asset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <http_parser.h>
#include <xxhash.h>

/* The page runs its own scripts and styles, and connects to where it came from. */
#define SECURITY                                                                         \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; " \
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "          \
    "frame-ancestors 'none'\r\n"                                                         \
    "Cross-Origin-Resource-Policy: same-origin\r\n"                                      \
    "Referrer-Policy: no-referrer\r\n"                                                   \
    "X-Content-Type-Options: nosniff\r\n"

void http_asset_tag(struct http_asset *asset)
{
    snprintf(asset->etag, sizeof(asset->etag), "\"%016" PRIx64 "\"",
             (uint64_t)XXH3_64bits(asset->bytes, asset->size));
}

const struct http_asset *http_asset_find(const struct http_asset *assets, size_t count,
                                         struct name_view path)
{
    for (size_t i = 0; i < count; i++)
        if (path.size == strlen(assets[i].path) && !memcmp(path.bytes, assets[i].path, path.size))
            return &assets[i];
    return NULL;
}

unsigned http_asset_status(const struct http_asset *asset, const struct http_request *request)
{
    if (!http_host_valid(request))
        return HTTP_STATUS_BAD_REQUEST;
    if (!request->get && !request->head)
        return HTTP_STATUS_METHOD_NOT_ALLOWED;
    return http_etag_matches(request->if_none_match, asset->etag) ? HTTP_STATUS_NOT_MODIFIED
                                                                  : HTTP_STATUS_OK;
}

size_t http_asset_head(char out[HTTP_ASSET_HEAD_MAX], const struct http_asset *asset,
                       unsigned status)
{
    char content[128] = "";

    if (status == HTTP_STATUS_OK)
        snprintf(content, sizeof(content), "Content-Type: %s\r\nContent-Length: %zu\r\n",
                 asset->type, asset->size);
    return (size_t)snprintf(out, HTTP_ASSET_HEAD_MAX,
                            "HTTP/1.1 %u %s\r\n"
                            "%s"
                            "ETag: %s\r\n"
                            "Cache-Control: no-cache\r\n"
                            "Connection: close\r\n" SECURITY "\r\n",
                            status, http_status_str((enum http_status)status), content,
                            asset->etag);
}
