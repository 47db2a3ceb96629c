#include "shards/lws_adapter.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <unistd.h>

#include "shards/connection.h"
#include "shards/shard.h"

struct lws_adapter {
    struct lws_context *context;
    struct lws_vhost *vhost;
};

/* Bytes that one read takes at the most. */
#define READ_BYTES 16384

static void begin(struct shard *shard)
{
    shard_turn_begins(shard);
    shard_between_events(shard);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct connection *connection;
    struct shard *shard;

    switch (reason) {
    case LWS_CALLBACK_RAW_RX:
        if ((connection = lws_get_opaque_user_data(wsi))) {
            begin(connection->shard);
            connection_read(connection, in, size);
        }
        break;
    case LWS_CALLBACK_RAW_WRITEABLE:
        if ((connection = lws_get_opaque_user_data(wsi))) {
            begin(connection->shard);
            connection_writable(connection);
        }
        break;
    case LWS_CALLBACK_RAW_CLOSE:
        if ((connection = lws_get_opaque_user_data(wsi))) {
            shard = connection->shard;
            lws_set_opaque_user_data(wsi, NULL);
            connection_gone(connection);
            begin(shard); /* nothing is written to this one any more */
        }
        break;
    case LWS_CALLBACK_WSI_DESTROY: /* by libuv, of all that were closed in a turn behind its end */
        begin(lws_context_user(lws_get_context(wsi)));
        break;
    default:
        break;
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    {.name = "shardcast", .callback = on_event, .rx_buffer_size = 128},
    {0},
};

/* All zero, and on the vhost: otherwise each connection gets a timer in one sorted list, which
 * makes an upgrade O(connections). Health checks are the shard's own (shards/wheel.h). */
static const lws_retry_bo_t no_timers;

static void *plain_realloc(void *memory, size_t size, const char *reason)
{
    if (size)
        return realloc(memory, size);
    free(memory);
    return NULL;
}

void lws_adapter_setup(void)
{
    lws_set_log_level(0, NULL);
    lws_set_allocator(plain_realloc);
}

struct lws_adapter *lws_adapter_new(struct shard *shard)
{
    struct lws_adapter *adapter = calloc(1, sizeof(*adapter));
    void *loops[] = {&shard->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = loops,
        .user = shard,
        .protocols = protocols,
        .retry_and_idle_policy = &no_timers,
        .pt_serv_buf_size = READ_BYTES,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };

    if (!adapter)
        return NULL;
    adapter->context = lws_create_context(&info);
    if (adapter->context)
        adapter->vhost = lws_create_vhost(adapter->context, &info);
    if (!adapter->vhost) {
        if (adapter->context)
            lws_context_destroy(adapter->context);
        free(adapter);
        return NULL;
    }
    return adapter;
}

void lws_adapter_stop(struct lws_adapter *adapter)
{
    lws_context_destroy(adapter->context);
}

void lws_adapter_free(struct lws_adapter *adapter)
{
    lws_context_destroy(adapter->context); /* the second call frees what the first could not */
    free(adapter);
}

int lws_adapter_adopt(struct lws_adapter *adapter, struct connection *connection)
{
    lws_adopt_desc_t info = {
        .vh = adapter->vhost,
        .type = LWS_ADOPT_SOCKET,
        .fd.sockfd = connection->fd,
        .vh_prot_name = protocols[0].name,
        .opaque = connection,
    };

    struct lws *wsi = lws_adopt_descriptor_vhost_via_info(&info);

    if (!wsi) /* it may have told of the close already: the connection may be gone */
        return ERR_NOMEM;
    connection->wsi = wsi;
    return 0;
}

void lws_adapter_want_write(struct connection *connection)
{
    if (connection->wsi)
        lws_callback_on_writable(connection->wsi);
}

void lws_adapter_pause_reading(struct connection *connection, bool pause)
{
    if (connection->wsi)
        lws_rx_flow_control(connection->wsi, !pause);
}

void lws_adapter_close(struct connection *connection)
{
    lws_set_timeout(connection->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}
