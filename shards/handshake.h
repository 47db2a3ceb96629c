/* Judges a whole request and answers it: 101 and joins, a page, or a refusal in the contract's
 * order. */
#ifndef SHARDCAST_SHARDS_HANDSHAKE_H
#define SHARDCAST_SHARDS_HANDSHAKE_H

#include <stddef.h>

struct connection;

/* `head` is the whole request, the empty line included. */
void handshake(struct connection *connection, const char *head, size_t size);

#endif
