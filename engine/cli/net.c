#include "engine/cli/net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/cli/options.h"

int net_address_read(struct net_address *address, const char *text, const char *option)
{
    const char *colon = strrchr(text, ':');
    const char *host = text;
    size_t host_size = colon ? (size_t)(colon - text) : 0;
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    bool brackets = host_size >= 2 && text[0] == '[' && colon[-1] == ']';

    if (brackets) {
        host++;
        host_size -= 2;
    }
    if (!host_size || host_size >= sizeof(address->host) ||
        (!brackets && memchr(host, ':', host_size)) || digits < 1 || digits > 5 ||
        colon[1 + digits] || atoi(colon + 1) < 1 || atoi(colon + 1) > 65535) {
        cli_error("--%s: \"%s\" is not ADDR:PORT", option, text);
        return ERR_CONFIG;
    }
    memcpy(address->host, host, host_size);
    address->host[host_size] = '\0';
    memcpy(address->port, colon + 1, digits + 1);
    return 0;
}

int64_t net_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the connect that is under way has ended. Returns 0 or an errno. */
static int wait_connected(int fd, int64_t deadline)
{
    struct pollfd item = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);

    for (;;) {
        int64_t left = deadline - net_now();
        int n = left > 0 ? poll(&item, 1, (int)left) : 0;

        if (n > 0)
            break;
        if (n == 0)
            return ETIMEDOUT;
        if (errno != EINTR)
            return errno;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
        return errno;
    return error;
}

/* Returns the socket, or -errno. */
static int connect_one(const struct addrinfo *info, int64_t deadline)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    int on = 1, error = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, info->ai_addr, info->ai_addrlen))
        error = errno == EINPROGRESS ? wait_connected(fd, deadline) : errno;
    if (error) {
        close(fd);
        return -error;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

int net_connect(const struct net_address *address, uint32_t timeout_seconds)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int64_t deadline = net_now() + (int64_t)timeout_seconds * 1000;
    int error = getaddrinfo(address->host, address->port, &hints, &list);
    int fd = -1;

    if (error) {
        cli_error("%s:%s: %s", address->host, address->port, gai_strerror(error));
        return ERR_SYS;
    }
    for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
        fd = connect_one(info, deadline);
    freeaddrinfo(list);
    if (fd < 0) {
        cli_error("cannot connect to %s:%s: %s%s", address->host, address->port, strerror(-fd),
                  fd == -ECONNREFUSED ? " (is shardcastd running there?)" : "");
        return ERR_SYS;
    }
    return fd;
}
