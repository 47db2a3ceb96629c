/* Blocking connects with a time limit, for the command line. */
#ifndef SHARDCAST_ENGINE_CLI_NET_H
#define SHARDCAST_ENGINE_CLI_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

struct net_address {
    char host[256]; /* without the brackets of IPv6 */
    char port[6];
};

/* Splits ADDR:PORT, where an IPv6 address stands in brackets. ERR_CONFIG after one line on stderr
 * that names `option`. */
int net_address_read(struct net_address *address, const char *text, const char *option) MUST_CHECK;

/* Connects and leaves the socket non-blocking. Returns it, or ERR_SYS after one line on stderr. */
int net_connect(const struct net_address *address, uint32_t timeout_seconds) MUST_CHECK;

/* Milliseconds of the monotonic clock. */
int64_t net_now(void);

#endif
