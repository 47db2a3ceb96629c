#include "shards/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "shards/shard.h"

#define BACKLOG      4096
#define ACCEPT_BATCH 256 /* connections that one event accepts */

struct listener {
    uv_poll_t poll; /* first */
    struct shard *shard;
    listener_accepted accepted;
    int fd;
    bool paused;
};

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

static int open_socket(const struct sockaddr_storage *address, socklen_t bytes, bool shared)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    /* TCP_NODELAY is inherited by what is accepted, which saves a call for each. */
    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) ||
        (shared && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
        bind(fd, (const struct sockaddr *)address, bytes) || listen(fd, BACKLOG)) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* With SO_REUSEPORT a second engine could listen on the same address, and each would get some of
 * the connections: so the first shard tries without. */
static int claim_address(struct sockaddr_storage *address, socklen_t bytes)
{
    int fd = open_socket(address, bytes, false);

    if (fd < 0)
        return ERR_SYS;
    int failed = getsockname(fd, (struct sockaddr *)address, &bytes);
    close(fd);
    return failed ? ERR_SYS : 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = (struct listener *)poll;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0 && errno == EAGAIN)
            return;
        /* Out of fds or memory: what waits keeps the socket readable, so that polling would spin.
         */
        if (fd < 0 || !listener->accepted(listener->shard, fd)) {
            uv_poll_stop(&listener->poll);
            listener->paused = true;
            return;
        }
    }
}

int listener_new(struct listener **out, struct shard *shard, struct sockaddr_storage *address,
                 socklen_t bytes, bool first, listener_accepted accepted)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        return ERR_NOMEM;
    if ((first && claim_address(address, bytes)) ||
        (listener->fd = open_socket(address, bytes, true)) < 0) {
        free(listener);
        return ERR_SYS;
    }
    listener->shard = shard;
    listener->accepted = accepted;
    uv_poll_init(&shard->loop, &listener->poll, listener->fd);
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    *out = listener;
    return 0;
}

void listener_resume(struct listener *listener)
{
    if (!listener || !listener->paused)
        return;
    listener->paused = false;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void listener_close(struct listener *listener)
{
    if (!listener)
        return;
    uv_poll_stop(&listener->poll);
    close(listener->fd);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
}
