/* A connection to the engine's producer port: commands out, answers in, both as msgpack. What the
 * command line needs of it, without blocking: the caller polls. */
#ifndef SHARDCAST_ENGINE_CLI_PRODUCER_H
#define SHARDCAST_ENGINE_CLI_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

struct producer; /* opaque: msgpack stays inside */

/* Where a message goes: {"group": "analytics_dashboard"}, {"all": true}. */
struct producer_target {
    const char *key;  /* group, experiment, session, user or all */
    const char *name; /* NULL with all */
};

struct producer_answer {
    bool has_id, ok, has_position;
    uint64_t id, members, offset;
    int64_t retry_after_ms; /* -1: the answer has none */
    char epoch[33];
    char error[64];
    char message[512];
    uint32_t message_count; /* of a history: see producer_message() */
};

/* One message of a history. */
struct producer_message {
    uint64_t offset;
    const uint8_t *bytes;
    size_t size;
    bool binary;
};

/* Takes over a connected, non-blocking socket. NULL: out of memory. */
struct producer *producer_new(int fd) MUST_CHECK;
void producer_free(struct producer *producer); /* closes the socket, too */

int producer_fd(const struct producer *producer);

/* How many bytes wait to be sent. */
size_t producer_unsent(const struct producer *producer);

/* Queue a command. `priority` NULL: the group's own. A payload that is UTF-8 goes as str unless
 * `binary`, anything else as bin. ERR_NOMEM. */
int producer_hello(struct producer *producer, uint64_t id, const char *token) MUST_CHECK;
int producer_broadcast(struct producer *producer, uint64_t id, struct producer_target target,
                       const char *priority, const void *bytes, size_t size,
                       bool binary) MUST_CHECK;

/* `limit` UINT64_MAX and `since` NULL: not given. */
int producer_history(struct producer *producer, uint64_t id, const char *group, uint64_t limit,
                     const char *since) MUST_CHECK;

/* Sends what the socket takes now. ERR_SYS: errno says why. */
int producer_send(struct producer *producer) MUST_CHECK;

/* Reads what the socket has now. `*end` is set when the engine has closed. ERR_SYS, ERR_NOMEM. */
int producer_receive(struct producer *producer, bool *end) MUST_CHECK;

/* Takes the next answer. Returns 1, or 0 where there is none yet; ERR_PROTOCOL: not an answer. */
int producer_next(struct producer *producer, struct producer_answer *answer) MUST_CHECK;

/* A message of the answer that was taken last, by its place; valid until the next is taken. */
struct producer_message producer_message(const struct producer *producer, uint32_t place);

#endif
