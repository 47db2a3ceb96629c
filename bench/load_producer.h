/* The publishing side's connection to the server under test.
 *
 * Everything is encoded beforehand but the payload, as the server's dialect has it.
 *
 * Owned by one thread at a time. */
#ifndef SHARDCAST_BENCH_LOAD_PRODUCER_H
#define SHARDCAST_BENCH_LOAD_PRODUCER_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/load_dialect.h"
#include "bench/load_groups.h"
#include "bench/load_mix.h"
#include "bench/load_sizes.h"
#include "bench/load_stamp.h"

struct producer;

struct producer_config {
    struct sockaddr_in server;
    const struct dialect *dialect;
    const struct groups *groups; /* borrowed */
    const struct sizes *sizes;   /* of messages; borrowed */
    const struct mix *mix;       /* their priorities; borrowed */
};

/* Connects and prepares commands for every group, and for everyone. NULL: it cannot be, and stderr
 * says why. */
struct producer *producer_open(const struct producer_config *config);
void producer_close(struct producer *producer);

/* The most that one encoded message takes. */
size_t producer_message_max(const struct producer *producer);

/* Writes one message for stamp->group (or STAMP_EVERYONE) at `out` and returns its length. */
size_t producer_encode(struct producer *producer, uint8_t *out, const struct stamp *stamp);

/* Sends all of it, reading answers meanwhile. Adds to `blocked_ns` the time for which the server
 * took nothing. -1: the connection is over, or the server took nothing for 30 s; producer_error()
 * says which. */
int producer_send(struct producer *producer, const uint8_t *bytes, size_t size,
                  uint64_t *blocked_ns);

/* Takes what the server has answered. -1: the connection is over. */
int producer_answers(struct producer *producer);

/* The socket, for poll(). */
int producer_fd(const struct producer *producer);

/* How many commands were refused, and the first refusal or failure ("" where there is none). */
uint64_t producer_refused(const struct producer *producer);
const char *producer_error(const struct producer *producer);

#endif
