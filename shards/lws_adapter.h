/* Client sockets on libwebsockets: the only module of the shards that knows it.
 *
 * A shard has a context with one vhost, on the shard's own libuv loop. An accepted socket is
 * adopted in libwebsockets' raw role: it polls, reads (and will do TLS), and tells the connection.
 * The upgrade request and the frames are parsed by proto/, which is strict where
 * libwebsockets 4.1.6 is not; frames are written straight from the group logs, so that what the
 * kernel has not taken stays there, to be counted, skipped or dropped. */
#ifndef SHARDCAST_SHARDS_LWS_ADAPTER_H
#define SHARDCAST_SHARDS_LWS_ADAPTER_H

#include <stdbool.h>

#include "proto/error.h"

struct connection;
struct lws_adapter;
struct shard;

/* Once per process, before any context: quiet logs, and an allocator without libwebsockets'
 * process-wide counter, which is a data race between contexts. Main thread. */
void lws_adapter_setup(void);

/* A context on the shard's loop. One at a time in the whole process. NULL: failed. */
struct lws_adapter *lws_adapter_new(struct shard *shard) MUST_CHECK;

/* Begins the end: closes what is open. Then the loop must run until its handles are closed, and
 * then lws_adapter_free(). */
void lws_adapter_stop(struct lws_adapter *adapter);
void lws_adapter_free(struct lws_adapter *adapter);

/* Takes over connection->fd and sets connection->wsi. On failure the fd is closed. */
int lws_adapter_adopt(struct lws_adapter *adapter, struct connection *connection) MUST_CHECK;

/* Asks for one connection_writable(). */
void lws_adapter_want_write(struct connection *connection);

/* Stops or goes on reading. */
void lws_adapter_pause_reading(struct connection *connection, bool pause);

/* Closes the socket and calls connection_gone() before it returns. Not from a callback of the same
 * connection. */
void lws_adapter_close(struct connection *connection);

#endif
