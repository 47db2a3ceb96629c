#define _GNU_SOURCE /* accept4 */
#include "engine/admin.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "engine/address.h"
#include "engine/admin_connection.h"

#define ADMIN_MAGIC   0x61646d6eu
#define BACKLOG       128
#define RETRY_MS      200 /* after the process ran out of something */
#define PROTOCOL_NAME "shardcast-admin"

/* How often the loop turns while lws closes: wsi first, then its own handles, each in one turn. */
#define CLOSING_TURNS 8

struct admin {
    uint32_t magic;
    uv_loop_t *loop;
    struct admin_source source;
    char *token;
    char address[ADDRESS_MAX];

    struct lws_context *context; /* lws makes it NULL once it is gone */
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];

    int listen_fd;
    uv_poll_t accepting;
    uv_timer_t retry; /* begins to accept again */
    unsigned open_handles;

    struct admin_connection *connections[ADMIN_CONNECTIONS_MAX];
    unsigned connection_count;
};

static uint64_t now_ms(const struct admin *admin)
{
    return uv_now(admin->loop);
}

/* ---- accepting ---- */

static void on_acceptable(uv_poll_t *handle, int status, int events);

static void start_accepting(struct admin *admin)
{
    uv_poll_start(&admin->accepting, UV_READABLE, on_acceptable);
}

static void on_retry(uv_timer_t *timer)
{
    start_accepting(timer->data);
}

/* Room for the next: whoever has kept a connection open longest without asking for anything makes
 * it, so that idle ones cannot keep a health check out. lws closes it in a later turn. */
static void close_idlest(struct admin *admin)
{
    struct admin_connection *idlest = NULL;

    for (unsigned i = 0; i < admin->connection_count; i++) {
        struct admin_connection *connection = admin->connections[i];

        if (admin_connection_idle(connection) && (!idlest || connection->since < idlest->since))
            idlest = connection;
    }
    if (idlest)
        lws_set_timeout(idlest->wsi, PENDING_TIMEOUT_HTTP_KEEPALIVE_IDLE, LWS_TO_KILL_ASYNC);
}

static void adopt(struct admin *admin, int fd)
{
    const lws_sock_file_fd_type descriptor = {.sockfd = fd};
    int yes = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    /* Closes the socket where it fails. */
    lws_adopt_descriptor_vhost(admin->vhost, LWS_ADOPT_SOCKET, descriptor, PROTOCOL_NAME, NULL);
}

/* Takes what waits. Where there is no room, the poll rests: a connection that is not taken would
 * keep the socket readable and the loop turning. */
static void on_acceptable(uv_poll_t *handle, int status, int events)
{
    struct admin *admin = handle->data;

    for (;;) {
        if (admin->connection_count >= ADMIN_CONNECTIONS_MAX) {
            uv_poll_stop(&admin->accepting);
            close_idlest(admin);
            return;
        }
        int fd = accept4(admin->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            adopt(admin, fd);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        uv_poll_stop(&admin->accepting); /* no descriptors, no memory */
        uv_timer_start(&admin->retry, on_retry, RETRY_MS, 0);
        return;
    }
}

/* ---- lws ---- */

static void add_connection(struct admin *admin, struct admin_connection *connection,
                           struct lws *wsi)
{
    assert(admin->connection_count < ADMIN_CONNECTIONS_MAX);
    admin->connections[admin->connection_count++] = connection;
    admin_connection_open(connection, wsi, &admin->source, admin->token, now_ms(admin));
}

static void remove_connection(struct admin *admin, struct admin_connection *connection)
{
    for (unsigned i = 0; i < admin->connection_count; i++) {
        if (admin->connections[i] != connection)
            continue;
        admin->connections[i] = admin->connections[--admin->connection_count];
        admin_connection_close(connection);
        /* There is room again; while stopping there is no poll to start. */
        if (!uv_is_closing((uv_handle_t *)&admin->accepting) &&
            !uv_is_active((uv_handle_t *)&admin->retry))
            start_accepting(admin);
        return;
    }
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t size)
{
    struct admin *admin = lws_context_user(lws_get_context(wsi));

    switch (reason) {
    case LWS_CALLBACK_RAW_ADOPT:
        add_connection(admin, user, wsi);
        return 0;
    case LWS_CALLBACK_RAW_RX:
        return admin_connection_input(user, in, size, now_ms(admin)) ? -1 : 0;
    case LWS_CALLBACK_RAW_WRITEABLE:
        return admin_connection_writeable(user, now_ms(admin)) ? -1 : 0;
    case LWS_CALLBACK_RAW_CLOSE:
        remove_connection(admin, user);
        return 0;
    default:
        return 0;
    }
}

static int create_context(struct admin *admin)
{
    void *loops[] = {admin->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN,
        .foreign_loops = loops,
        .user = admin,
        .pcontext = &admin->context,
        .gid = -1,
        .uid = -1,
        .pt_serv_buf_size = ADMIN_READ_MAX,
    };

    admin->protocols[0] = (struct lws_protocols){
        .name = PROTOCOL_NAME,
        .callback = on_lws,
        .per_session_data_size = sizeof(struct admin_connection),
    };
    admin->context = lws_create_context(&info);
    if (!admin->context)
        return ERR_NOMEM;
    info.protocols = admin->protocols;
    info.vhost_name = PROTOCOL_NAME;
    admin->vhost = lws_create_vhost(admin->context, &info);
    return admin->vhost ? 0 : ERR_NOMEM;
}

/* ---- the listening socket ---- */

/* Its own and not lws's, which returns a context also where the bind failed. */
static int open_socket(struct admin *admin, const char *address, char *error)
{
    struct sockaddr_storage where;
    socklen_t size;
    const char *why;
    int yes = 1;

    if (address_resolve(address, &where, &size, &why)) {
        snprintf(error, ADMIN_ERROR_MAX, "cannot listen on %s: %s", address, why);
        return ERR_SYS;
    }
    int fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        goto fail;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, (const struct sockaddr *)&where, size) || listen(fd, BACKLOG))
        goto fail;
    size = sizeof(where);
    if (getsockname(fd, (struct sockaddr *)&where, &size))
        goto fail;
    address_format(&where, admin->address);
    admin->listen_fd = fd;
    return 0;

fail:
    snprintf(error, ADMIN_ERROR_MAX, "cannot listen on %s: %s", address, strerror(errno));
    if (fd >= 0)
        close(fd);
    return ERR_SYS;
}

static int open_handles(struct admin *admin)
{
    if (uv_timer_init(admin->loop, &admin->retry))
        return ERR_SYS;
    admin->retry.data = admin;
    admin->open_handles++;
    if (uv_poll_init_socket(admin->loop, &admin->accepting, admin->listen_fd))
        return ERR_SYS;
    admin->accepting.data = admin;
    admin->open_handles++;
    start_accepting(admin);
    return 0;
}

int admin_start(struct admin **result, uv_loop_t *loop, const char *address, const char *token,
                const struct admin_source *source, char error[ADMIN_ERROR_MAX])
{
    struct admin *admin = calloc(1, sizeof(*admin));
    int status = ERR_NOMEM;

    *result = NULL;
    if (!admin)
        goto nomem;
    admin->magic = ADMIN_MAGIC;
    admin->loop = loop;
    admin->source = *source;
    admin->listen_fd = -1;
    if (token && !(admin->token = strdup(token)))
        goto nomem;

    status = open_socket(admin, address, error);
    if (status)
        goto fail;
    status = create_context(admin);
    if (!status)
        status = open_handles(admin);
    if (status) {
        snprintf(error, ADMIN_ERROR_MAX, "cannot serve %s: %s", address, error_text(status));
        goto fail;
    }
    *result = admin;
    return 0;

nomem:
    snprintf(error, ADMIN_ERROR_MAX, "cannot serve %s: out of memory", address);
fail:
    admin_stop(admin);
    return status;
}

const char *admin_address(const struct admin *admin)
{
    assert(admin->magic == ADMIN_MAGIC);
    return admin->address;
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct admin *admin = handle->data;

    admin->open_handles--;
}

/* Two steps with turns of the loop between them: lws's sockets and timers are closed by libuv, and
 * the context may go only when they are. */
static void destroy_context(struct admin *admin)
{
    if (!admin->context)
        return;
    lws_context_destroy(admin->context);
    for (unsigned turn = 0; admin->context && turn < CLOSING_TURNS; turn++)
        uv_run(admin->loop, UV_RUN_NOWAIT);
    if (admin->context)
        lws_context_destroy(admin->context);
}

void admin_stop(struct admin *admin)
{
    if (!admin)
        return;
    assert(admin->magic == ADMIN_MAGIC);
    if (admin->open_handles > 1)
        uv_close((uv_handle_t *)&admin->accepting, on_closed);
    if (admin->open_handles > 0)
        uv_close((uv_handle_t *)&admin->retry, on_closed);
    destroy_context(admin);
    while (admin->open_handles)
        uv_run(admin->loop, UV_RUN_NOWAIT);
    if (admin->listen_fd >= 0)
        close(admin->listen_fd);
    free(admin->token);
    admin->magic = 0;
    free(admin);
}
