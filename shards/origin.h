/* Which pages may connect (RFC 6454, RFC 6455 section 10.2). Pure. */
#ifndef SHARDCAST_SHARDS_ORIGIN_H
#define SHARDCAST_SHARDS_ORIGIN_H

#include <stdbool.h>

#include "proto/http_request.h"
#include "shards/settings.h"

/* A request without Origin comes from no page and is allowed. With one, it must be in `origins`
 * (whole, without case; "*" allows any); while that list is empty, pages of the same host and port
 * as Host are, and of localhost and loopback addresses where clients listen on loopback. */
bool origin_allowed(const struct settings *settings, const struct http_request *request);

#endif
