/* One GET over HTTP/1.1, blocking, with a time limit: what the command line asks of the admin
 * port. */
#ifndef SHARDCAST_ENGINE_CLI_HTTP_H
#define SHARDCAST_ENGINE_CLI_HTTP_H

#include <stdint.h>

#include "engine/cli/net.h"
#include "proto/answer.h"

/* Fetches `path`; `token` NULL: none. On success returns 0 and `body` holds the answer's body, for
 * the caller to free. A status other than 200 is a failure. ERR_SYS, ERR_PROTOCOL, ERR_NOMEM after
 * one line on stderr. */
int http_get(const struct net_address *address, const char *path, const char *token,
             uint32_t timeout_seconds, struct buffer *body) MUST_CHECK;

#endif
