#include "engine/admin_connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libwebsockets.h>

/* lws closes a connection whose time is up. */
static void allow_time(struct admin_connection *connection)
{
    lws_set_timeout(connection->wsi, PENDING_TIMEOUT_HTTP_CONTENT, ADMIN_TIMEOUT_SECONDS);
}

static void await_request(struct admin_connection *connection, uint64_t now)
{
    connection->state = ADMIN_READING;
    connection->since = now;
    allow_time(connection);
}

void admin_connection_open(struct admin_connection *connection, struct lws *wsi,
                           const struct admin_source *source, const char *token, uint64_t now)
{
    connection->magic = ADMIN_CONNECTION_MAGIC;
    connection->wsi = wsi;
    connection->source = source;
    connection->token = token;
    await_request(connection, now);
}

static void drop_response(struct admin_connection *connection)
{
    free(connection->response.bytes);
    connection->response = (struct admin_response){0};
    connection->sent = 0;
}

void admin_connection_close(struct admin_connection *connection)
{
    assert(connection->magic == ADMIN_CONNECTION_MAGIC);
    drop_response(connection);
    connection->magic = 0;
}

/* Answers the first request in `input`. Returns 1: it did; 0: none is whole; negative: an error. */
static int answer(struct admin_connection *connection)
{
    size_t size = http_head_end(connection->input, connection->have, connection->scanned);
    int error;

    connection->scanned = connection->have;
    if (size && size <= HTTP_HEAD_MAX) {
        error = admin_pages_answer(connection->source, connection->token, connection->input, size,
                                   &connection->response);
        connection->have -= size;
        connection->scanned = 0;
        memmove(connection->input, connection->input + size, connection->have);
    } else if (size || connection->have > HTTP_HEAD_MAX) {
        error = admin_pages_too_large(&connection->response);
    } else {
        return 0;
    }
    connection->state = ADMIN_WRITING;
    return error ? error : 1;
}

/* Hands the response to the socket. Returns 1: all of it; 0: the socket is full; negative: gone.
 * Straight to the socket, not through lws_write(): that would keep a copy of what is left, and lose
 * it where the connection is closed behind it. */
static int flush(struct admin_connection *connection)
{
    const struct admin_response *response = &connection->response;

    while (connection->sent < response->size) {
        ssize_t sent = send(lws_get_socket_fd(connection->wsi), response->bytes + connection->sent,
                            response->size - connection->sent, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            /* Nothing more is read meanwhile, so a peer that does not read cannot make us work. */
            lws_rx_flow_control(connection->wsi, 0);
            lws_callback_on_writable(connection->wsi);
            return 0;
        }
        if (sent < 0)
            return ERR_SYS;
        connection->sent += (size_t)sent;
        allow_time(connection); /* it gets on */
    }
    return 1;
}

/* Goes on until it waits for the peer. */
static int run(struct admin_connection *connection, uint64_t now)
{
    int status;

    for (;;) {
        if (connection->state == ADMIN_READING) {
            status = answer(connection);
            if (status <= 0)
                return status;
        }
        status = flush(connection);
        if (status <= 0)
            return status;

        bool keep = connection->response.keep_alive;
        drop_response(connection);
        lws_rx_flow_control(connection->wsi, 1);
        if (!keep) {
            connection->state = ADMIN_LINGERING;
            allow_time(connection);
            return shutdown(lws_get_socket_fd(connection->wsi), SHUT_WR) ? ERR_SYS : 0;
        }
        await_request(connection, now);
    }
}

int admin_connection_input(struct admin_connection *connection, const char *bytes, size_t size,
                           uint64_t now)
{
    assert(connection->magic == ADMIN_CONNECTION_MAGIC && size <= ADMIN_READ_MAX);
    if (connection->state == ADMIN_LINGERING)
        return 0; /* until the peer closes or its time is up */
    if (connection->have + size > sizeof(connection->input))
        return ERR_TOO_LARGE;
    memcpy(connection->input + connection->have, bytes, size);
    connection->have += size;
    return connection->state == ADMIN_READING ? run(connection, now) : 0;
}

int admin_connection_writeable(struct admin_connection *connection, uint64_t now)
{
    assert(connection->magic == ADMIN_CONNECTION_MAGIC);
    return connection->state == ADMIN_WRITING ? run(connection, now) : 0;
}
