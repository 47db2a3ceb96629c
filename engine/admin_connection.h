/* One connection to the admin server: requests in, responses out, one after the other.
 *
 * A connection is reading a head, writing a response, or lingering: it has said all, and takes what
 * the peer still sends so that TCP does not reset what the peer has not read yet (RFC 9112 section
 * 9.6). Lives in the memory that lws keeps per connection; main thread. */
#ifndef SHARDCAST_ENGINE_ADMIN_CONNECTION_H
#define SHARDCAST_ENGINE_ADMIN_CONNECTION_H

#include <stddef.h>
#include <stdint.h>

#include "engine/admin_pages.h"
#include "proto/http_request.h"

#define ADMIN_CONNECTION_MAGIC 0x61646d63u
#define ADMIN_READ_MAX         4096 /* bytes that come at once */

struct lws;

enum admin_connection_state { ADMIN_READING, ADMIN_WRITING, ADMIN_LINGERING };

struct admin_connection {
    uint32_t magic;
    enum admin_connection_state state;
    struct lws *wsi;
    const struct admin_source *source;
    const char *token;
    uint64_t since; /* loop time, ms: when it began to wait for a request */
    struct admin_response response;
    size_t sent;    /* of the response */
    size_t have;    /* bytes in `input` */
    size_t scanned; /* of them, looked at for the end of a head */
    char input[HTTP_HEAD_MAX + ADMIN_READ_MAX];
};

void admin_connection_open(struct admin_connection *connection, struct lws *wsi,
                           const struct admin_source *source, const char *token, uint64_t now);

/* Bytes came, at most ADMIN_READ_MAX. Returns 0, or negative: it is to be closed. */
int admin_connection_input(struct admin_connection *connection, const char *bytes, size_t size,
                           uint64_t now) MUST_CHECK;

/* The socket takes more. Returns 0, or negative: it is to be closed. */
int admin_connection_writeable(struct admin_connection *connection, uint64_t now) MUST_CHECK;

/* Whether it waits for a request of which nothing has come. */
static inline bool admin_connection_idle(const struct admin_connection *connection)
{
    return connection->state == ADMIN_READING && !connection->have;
}

/* Frees what it owns. */
void admin_connection_close(struct admin_connection *connection);

#endif
