#include "engine/cli/http.h"

#include <errno.h>
#include <http_parser.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/cli/options.h"

#define BODY_MAX (64u << 20) /* bytes; an engine of 1000 shards needs 2 MiB */

struct response {
    struct buffer *body;
    bool complete;
    int error;
};

static int on_body(http_parser *parser, const char *bytes, size_t size)
{
    struct response *response = parser->data;

    response->error = response->body->size + size > BODY_MAX
                          ? ERR_TOO_LARGE
                          : buffer_append(response->body, bytes, size);
    return response->error;
}

static int on_complete(http_parser *parser)
{
    struct response *response = parser->data;

    response->complete = true;
    return 0;
}

/* Waits for `events` until the deadline. */
static int wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd item = {.fd = fd, .events = events};

    for (;;) {
        int64_t left = deadline - net_now();
        int n = left > 0 ? poll(&item, 1, (int)left) : 0;

        if (n > 0)
            return 0;
        if (n == 0)
            errno = ETIMEDOUT;
        if (n == 0 || errno != EINTR)
            return ERR_SYS;
    }
}

static int send_all(int fd, const char *bytes, size_t size, int64_t deadline)
{
    while (size) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR)
                return ERR_SYS;
            if (wait_for(fd, POLLOUT, deadline))
                return ERR_SYS;
            continue;
        }
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

static int receive(int fd, http_parser *parser, struct response *response, int64_t deadline)
{
    static const http_parser_settings settings = {
        .on_body = on_body,
        .on_message_complete = on_complete,
    };
    char bytes[16384];

    while (!response->complete) {
        ssize_t n;

        if (wait_for(fd, POLLIN, deadline))
            return ERR_SYS;
        n = recv(fd, bytes, sizeof(bytes), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return ERR_SYS;
        /* Zero bytes tell the parser of the end, which may complete a body without a length. */
        if (http_parser_execute(parser, &settings, bytes, (size_t)n) != (size_t)n ||
            (n == 0 && !response->complete))
            return response->error ? response->error : ERR_PROTOCOL;
    }
    return 0;
}

static int exchange(int fd, const char *request, http_parser *parser, struct response *response,
                    int64_t deadline)
{
    int error = send_all(fd, request, strlen(request), deadline);

    return error ? error : receive(fd, parser, response, deadline);
}

static void tell_status(const struct net_address *address, const char *path, unsigned status)
{
    const char *hint = status == 401   ? " (SHARDCAST_ADMIN_TOKEN must hold the engine's token)"
                       : status == 404 ? " (is this the engine's admin port?)"
                                       : "";

    cli_error("%s:%s%s: HTTP status %u%s", address->host, address->port, path, status, hint);
}

int http_get(const struct net_address *address, const char *path, const char *token,
             uint32_t timeout_seconds, struct buffer *body)
{
    struct response response = {.body = body};
    http_parser parser;
    char *request = NULL;
    bool ipv6 = strchr(address->host, ':');
    int fd, error = ERR_NOMEM;

    memset(body, 0, sizeof(*body));
    fd = net_connect(address, timeout_seconds);
    if (fd < 0)
        return ERR_SYS;
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = &response;
    if (asprintf(&request, "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nConnection: close\r\n%s%s%s\r\n",
                 path, ipv6 ? "[" : "", address->host, ipv6 ? "]" : "", address->port,
                 token ? "Authorization: Bearer " : "", token ? token : "",
                 token ? "\r\n" : "") >= 0)
        error =
            exchange(fd, request, &parser, &response, net_now() + (int64_t)timeout_seconds * 1000);
    free(request);
    close(fd);
    if (!error && parser.status_code != 200) {
        tell_status(address, path, parser.status_code);
        error = ERR_PROTOCOL;
    } else if (error) {
        cli_error("%s:%s%s: %s", address->host, address->port, path,
                  error == ERR_SYS ? strerror(errno) : error_text(error));
    }
    if (error)
        buffer_free(body);
    return error;
}
