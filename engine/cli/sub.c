/* shardcast sub: joins groups and prints what is published to them, a line for each frame.
 *
 * One libwebsockets client on lws's own loop. When the connection ends it is made anew after a
 * pause that doubles up to ten seconds, with jitter, so that a restarted engine does not meet all
 * its subscribers in one moment. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "engine/cli/commands.h"
#include "engine/cli/net.h"
#include "engine/cli/print.h"
#include "engine/cli/subscribe_url.h"

#define RECEIVE_BYTES 65536
#define STEADY_MS     10000 /* a connection that lasted so long makes the next pause a short one */

enum subscriber_state {
    SUB_WAITING,    /* until the timer for the next connect */
    SUB_CONNECTING, /* TCP or the upgrade is under way */
    SUB_OPEN,
    SUB_LEAVING, /* our close frame is to be sent, or the engine's is awaited */
    SUB_ENDED    /* `status` is what the program returns */
};

struct subscriber {
    const struct options *options;
    struct net_address address;
    char url[SUBSCRIBE_URL_MAX];
    char host[300]; /* of the Host header */

    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws *wsi;                  /* from connect to CLOSED, else NULL */
    lws_sorted_usec_list_t reconnect; /* armed while SUB_WAITING */
    uint16_t tries;                   /* since the last connection that lasted */
    int64_t opened_at;                /* ms */
    enum subscriber_state state;
    int status;

    uint64_t received; /* whole frames */
    bool in_message;   /* a part of a message is printed, its end is still to come */
    bool unflushed;
    int output_error;    /* errno of the first failed write to standard output */
    bool was_closed;     /* the engine has sent a close frame: */
    uint16_t close_code; /* its code, 1005 where it had none */
};

/* 0.2 s doubling to 10 s; up to half as much again at random. An engine that says nothing for 35 s
 * is pinged and given up after 45: its own pings come every 25 s. */
static const uint32_t delays_ms[] = {200, 400, 800, 1600, 3200, 6400, 10000};
static const lws_retry_bo_t retry = {
    .retry_ms_table = delays_ms,
    .retry_ms_table_count = LWS_ARRAY_SIZE(delays_ms),
    .conceal_count = LWS_RETRY_CONCEAL_ALWAYS,
    .secs_since_valid_ping = 35,
    .secs_since_valid_hangup = 45,
    .jitter_percent = 50,
};

static void end(struct subscriber *sub, int status)
{
    if (sub->state == SUB_ENDED)
        return;
    sub->state = SUB_ENDED;
    sub->status = status;
    lws_cancel_service(sub->context);
}

static void connect_now(lws_sorted_usec_list_t *timer)
{
    struct subscriber *sub = lws_container_of(timer, struct subscriber, reconnect);
    struct lws_client_connect_info info = {
        .context = sub->context,
        .vhost = sub->vhost,
        .address = sub->address.host,
        .port = atoi(sub->address.port),
        .path = sub->url,
        .host = sub->host,
        .protocol = "shardcast.raw",
        .ietf_version_or_minus_one = -1,
        .pwsi = &sub->wsi,
        .retry_and_idle_policy = &retry,
        .userdata = sub,
    };

    sub->state = SUB_CONNECTING;
    sub->was_closed = false;
    /* A failure that shows at once has already been told by the callback; the state says so. */
    if (!lws_client_connect_via_info(&info) && sub->state == SUB_CONNECTING) {
        cli_error("cannot connect to %s", sub->host);
        end(sub, CLI_FAILURE);
    }
}

/* The connection is gone: come back, or end. `final`: coming back is of no use. */
static void gone(struct subscriber *sub, bool final)
{
    sub->wsi = NULL;
    if (sub->state == SUB_ENDED)
        return;
    if (sub->state == SUB_OPEN && net_now() - sub->opened_at >= STEADY_MS)
        sub->tries = 0;
    if (sub->in_message) {
        putchar('\n');
        sub->in_message = false;
        sub->unflushed = true;
        cli_error("the last message was cut short");
    }
    if (sub->state == SUB_LEAVING) {
        end(sub, sub->status);
    } else if (sub->options->once) {
        bool clean = sub->was_closed && (sub->close_code == 1000 || sub->close_code == 1001);

        end(sub, clean ? CLI_OK : CLI_FAILURE);
    } else if (final) {
        end(sub, CLI_FAILURE);
    } else {
        sub->state = SUB_WAITING;
        lws_retry_sul_schedule(sub->context, 0, &sub->reconnect, &retry, connect_now, &sub->tries);
    }
}

/* Ends the program; with a connection by a close frame first. */
static void leave(struct subscriber *sub, int status)
{
    if (sub->state == SUB_LEAVING)
        return end(sub, status); /* asked a second time: without waiting for the engine */
    if (sub->state != SUB_OPEN)
        return end(sub, status);
    sub->state = SUB_LEAVING;
    sub->status = status;
    lws_callback_on_writable(sub->wsi);
}

/* A piece of a message: printed as it comes, so that no size of message needs memory here. */
static void on_receive(struct subscriber *sub, struct lws *wsi, const uint8_t *bytes, size_t size)
{
    bool last = lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi);

    if (sub->state != SUB_OPEN)
        return;
    print_bytes(bytes, size, lws_frame_is_binary(wsi) && !sub->options->raw);
    if (last)
        putchar('\n');
    if (ferror(stdout) && !sub->output_error)
        sub->output_error = errno;
    sub->in_message = !last;
    sub->unflushed = true;
    if (!last)
        return;
    if (++sub->received == sub->options->count)
        leave(sub, CLI_OK);
}

static void on_peer_close(struct subscriber *sub, const uint8_t *bytes, size_t size)
{
    sub->was_closed = true;
    sub->close_code = size >= 2 ? (uint16_t)(bytes[0] << 8 | bytes[1]) : 1005;
    cli_error("closed by the engine: %u%s%.*s%s", sub->close_code, size > 2 ? " \"" : "",
              size > 2 ? (int)(size - 2) : 0, size > 2 ? (const char *)bytes + 2 : "",
              size > 2 ? "\"" : "");
}

/* Codes after which coming back cannot help: the engine says that it would end the same way. */
static bool is_final(uint16_t code)
{
    return code == 1002 || code == 1007 || code == 1008 || code == 1009 ||
           (code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999);
}

static void on_refused(struct subscriber *sub, struct lws *wsi, const char *why, size_t size)
{
    unsigned status = lws_http_client_http_response(wsi);
    const char *meaning = status == 400   ? ": bad group name or request"
                          : status == 403 ? ": not allowed"
                          : status == 404 ? ": no such path (is this the engine's client port?)"
                          : status == 503 ? ": at the connection limit, or shutting down"
                                          : "";

    if (status >= 300)
        cli_error("refused by %s: HTTP status %u%s", sub->host, status, meaning);
    else
        cli_error("cannot connect to %s: %.*s", sub->host, (int)size, why ? why : "");
    gone(sub, status >= 300 && status < 500);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct subscriber *sub = user;

    switch (reason) {
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        on_refused(sub, wsi, in, in ? size : 0);
        break;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        sub->state = SUB_OPEN;
        sub->opened_at = net_now();
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        on_receive(sub, wsi, in, size);
        break;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        on_peer_close(sub, in, size);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        if (sub->state == SUB_LEAVING) {
            lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
            return -1;
        }
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        if (!sub->was_closed && sub->state == SUB_OPEN)
            cli_error("lost the connection to %s", sub->host);
        gone(sub, sub->was_closed && is_final(sub->close_code));
        break;
    default:
        break;
    }
    return 0;
}

/* The signalfd, adopted into lws's loop: no handler, so nothing global. */
static int on_signal(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t size)
{
    struct signalfd_siginfo info;

    if (reason == LWS_CALLBACK_RAW_RX_FILE &&
        read(lws_get_socket_fd(wsi), &info, sizeof(info)) == sizeof(info))
        leave(lws_context_user(lws_get_context(wsi)), CLI_OK);
    return 0;
}

static const struct lws_protocols protocols[] = {
    {.name = "shardcast.raw", .callback = on_event, .rx_buffer_size = RECEIVE_BYTES},
    {.name = "signals", .callback = on_signal},
    {.name = NULL},
};

static int open_context(struct subscriber *sub)
{
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .user = sub,
        .fd_limit_per_thread = 16, /* tables of this size instead of RLIMIT_NOFILE's */
        .pt_serv_buf_size = SUBSCRIBE_URL_MAX + 1024, /* the request is made in it */
        .max_http_header_data2 = 8192,
        .timeout_secs = sub->options->timeout,
        .connect_timeout_secs = sub->options->timeout,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .retry_and_idle_policy = &retry,
    };
    lws_sock_file_fd_type signals;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* a write then fails with EPIPE */
    lws_set_log_level(0, NULL);
    sub->context = lws_create_context(&info);
    sub->vhost = sub->context ? lws_create_vhost(sub->context, &info) : NULL;
    signals.filefd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (!sub->vhost || signals.filefd < 0 ||
        !lws_adopt_descriptor_vhost(sub->vhost, LWS_ADOPT_RAW_FILE_DESC, signals, "signals",
                                    NULL)) {
        cli_error("cannot start the client: %s", errno ? strerror(errno) : "libwebsockets");
        return ERR_SYS;
    }
    return 0;
}

/* Flushing once per round of the loop, not per frame. */
static void flush(struct subscriber *sub)
{
    if (!sub->unflushed)
        return;
    sub->unflushed = false;
    if (fflush(stdout) && !sub->output_error)
        sub->output_error = errno;
    if (!sub->output_error)
        return;
    if (sub->output_error != EPIPE)
        cli_error("standard output: %s", strerror(sub->output_error));
    end(sub, sub->output_error == EPIPE ? CLI_OK : CLI_FAILURE);
}

int sub_main(const struct options *options)
{
    struct subscriber *sub;
    int status;

    if (!options->operand_count && !options->user) {
        cli_error("sub: no group given; see shardcast sub --help");
        return CLI_USAGE;
    }
    sub = calloc(1, sizeof(*sub));
    if (!sub) {
        cli_error("%s", error_text(ERR_NOMEM));
        return CLI_FAILURE;
    }
    sub->options = options;
    status = CLI_USAGE;
    if (net_address_read(&sub->address, options->server, "server"))
        goto out;
    if (subscribe_url(sub->url, options->operands, options->operand_count, options->user)) {
        cli_error("sub: the groups' names do not fit one request");
        goto out;
    }
    snprintf(sub->host, sizeof(sub->host), "%s", options->server);
    status = CLI_FAILURE;
    if (open_context(sub))
        goto out;
    connect_now(&sub->reconnect);
    while (sub->state != SUB_ENDED && lws_service(sub->context, 0) >= 0)
        flush(sub);
    flush(sub);
    status = sub->status;
out:
    if (sub->context)
        lws_context_destroy(sub->context);
    free(sub);
    return status;
}
