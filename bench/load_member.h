/* A member of a group as the load generator plays it: a raw socket, a WebSocket handshake, and a
 * frame parser that counts, checks and times messages straight from the read buffer.
 *
 * Owned by one worker thread; one cache line, because a run may hold a million of them. */
#ifndef SHARDCAST_BENCH_LOAD_MEMBER_H
#define SHARDCAST_BENCH_LOAD_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/load_dialect.h"
#include "bench/load_latency.h"
#include "bench/load_stamp.h"
#include "bench/load_stream.h"

enum member_state {
    MEMBER_IDLE,       /* not connected yet */
    MEMBER_CONNECTING, /* the request waits for the connection */
    MEMBER_UPGRADING,  /* the request is sent, its answer is not whole */
    MEMBER_JOINING,    /* it has subscribed, and the server will say when it is in */
    MEMBER_OPEN,
    MEMBER_CLOSED /* the server ended it, or it could not be made */
};

struct member {
    int fd; /* in the worker's own table; -1: none */
    uint32_t group;
    enum member_state state;
    uint32_t carry_size;
    uint8_t *carry;         /* the beginning of a frame whose rest has not come; NULL: none */
    struct stream own;      /* messages of its group */
    struct stream everyone; /* messages sent to all */
    uint64_t received;      /* messages that were whole and its own */
};

_Static_assert(sizeof(struct member) == 64, "a member is one cache line");

/* What a worker counts of all its members. */
struct tally {
    const struct dialect *dialect;
    const struct member *members;
    struct dialect_position *positions; /* of each of them; NULL: they are not kept */
    uint16_t run;                       /* whose messages are this run's */
    uint64_t delivered;                 /* messages, of any phase */
    uint64_t bytes;                     /* of payload */
    uint64_t heard;                     /* members that got at least one message */
    uint64_t replayed; /* messages that came before their member was in: of the group's history */
    struct faults faults;
    uint16_t close_code; /* of the first close frame that came unasked; 0: none */
    struct latency latency;
};

/* The handshake's request for `path`, NUL-ended; `subprotocol` NULL: none is offered. Returns its
 * length, or -1 where it does not fit. */
int member_request(char *request, size_t size, const char *host, const char *path,
                   const char *subprotocol);

/* Where the answer to the handshake ends: its length once it is whole and right, 0 while bytes are
 * missing, -1 when it is no right answer. */
int member_answer(const uint8_t *bytes, size_t size);

/* Takes all whole messages from `bytes` and returns how many bytes are done with, or -1 when the
 * stream cannot be read on or the server closed it; what is left must come again before the bytes
 * of the next read. May change the bytes. `now_ns` is when they were read. */
int64_t member_take(struct member *member, struct tally *tally, uint8_t *bytes, size_t size,
                    uint64_t now_ns);

/* Subscribes, where the path of the request has not done it; until the server answers, the member
 * is MEMBER_JOINING. Where positions are kept, it goes on from its own. False: it cannot be sent.
 */
bool member_join(struct member *member, const struct tally *tally, const char *group,
                 uint32_t number);

/* Keeps `size` bytes (an incomplete frame) for the next read; false when out of memory. */
bool member_keep(struct member *member, const uint8_t *bytes, size_t size);

/* Ends the connection at once, with a reset: a run's last act should not fill the machine with
 * sockets in TIME_WAIT. */
void member_cut(struct member *member);

#endif
