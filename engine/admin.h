/* The admin HTTP server: /healthz, /readyz, /stats and /metrics.
 *
 * Lives on the main thread's loop, with a libwebsockets context of its own. Sockets are adopted as
 * raw-skt and the requests are parsed here, strictly, with the same parser as the clients': lws
 * 4.1.6's HTTP role drops unknown methods without an answer, upgrades whoever offers h2c, and turns
 * in circles while a client that does not read has sent more.
 *
 * What it shows comes from a struct admin_source, so it knows nothing of the engine around it. */
#ifndef SHARDCAST_ENGINE_ADMIN_H
#define SHARDCAST_ENGINE_ADMIN_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "engine/metrics.h"
#include "proto/error.h"
#include "shards/stats.h"

#define ADMIN_CONNECTIONS_MAX 64
#define ADMIN_TIMEOUT_SECONDS 10 /* for a request to come, and for a response to get on */
#define ADMIN_ERROR_MAX       512

/* Where the answers come from; all are called on the main thread. */
struct admin_source {
    void *ctx;
    uint32_t shards;
    bool (*ready)(void *ctx);                   /* neither starting nor draining */
    bool (*turning)(void *ctx, uint32_t shard); /* whether the shard's loop turns */
    void (*gather)(void *ctx, struct stats *stats);
    /* Memberships by namespace; valid until the next call. Returns how many. */
    uint32_t (*namespaces)(void *ctx, const struct metrics_namespace **namespaces);
};

struct admin;

/* Begins to listen on ADDR:PORT; port 0 takes a free one. With a token (NULL: none) /stats and
 * /metrics want it. `source` is copied. Returns 0, or a negative error with a sentence in `error`:
 * the address is taken, the name is unknown, and so on. Contexts of lws are made one at a time: not
 * while a shard starts. */
int admin_start(struct admin **admin, uv_loop_t *loop, const char *address, const char *token,
                const struct admin_source *source, char error[ADMIN_ERROR_MAX]) MUST_CHECK;

/* The address that it listens on, with the actual port. */
const char *admin_address(const struct admin *admin);

/* Stops and frees; NULL is fine. Cuts connections. Not to be called from a callback of the loop: it
 * runs the loop, without waiting, until its own handles are closed. */
void admin_stop(struct admin *admin);

#endif
