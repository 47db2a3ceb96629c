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
#include "bench/load_expected.h"
#include "bench/load_hello.h"
#include "bench/load_latency.h"
#include "bench/load_mix.h"
#include "bench/load_stamp.h"
#include "bench/load_stream.h"

enum member_state {
    MEMBER_IDLE,       /* not connected yet */
    MEMBER_CONNECTING, /* the request waits for the connection */
    MEMBER_UPGRADING,  /* the request is sent, its answer is not whole */
    MEMBER_JOINING,    /* the server will say when it is in */
    MEMBER_OPEN,
    MEMBER_LEAVING, /* it has said that it goes, and waits for the server to end it */
    MEMBER_CLOSED   /* the server ended it, or it could not be made */
};

struct member {
    int fd; /* in the worker's own table; -1: none */
    uint32_t group;
    uint8_t state; /* enum member_state */
    bool slow;     /* reads only so much per second */
    uint32_t carry_size;
    uint8_t *carry;         /* the beginning of a frame whose rest has not come; NULL: none */
    struct stream own;      /* messages of its group (with priorities: but the critical ones) */
    struct stream everyone; /* messages sent to all */
    uint64_t received;      /* messages that were whole and its own */
};

_Static_assert(sizeof(struct member) == 64, "a member is one cache line");

/* What a member has besides in runs with priorities or churn, at the same index. */
struct member_more {
    struct stream critical; /* critical messages of its group */
    uint64_t joined;        /* messages of its group before it joined; UINT64_MAX: not known */
    uint64_t taken;         /* since then; gaps that count as lost are among them */
    uint64_t since_ns;      /* when it began to connect */
};

/* What the members of a worker have in common. */
struct member_rules {
    const struct dialect *dialect;
    struct dialect_position *seen; /* what each has got last, to go on from; NULL: it is not kept */
    const struct mix *mix;         /* NULL: messages have no priorities */
    uint16_t run;                  /* whose messages are this run's */
    struct member *members;
    struct member_more *more;        /* NULL: they have no more */
    struct position *positions;      /* by group, where members ask for hello; else NULL */
    const struct expected *expected; /* what a replay's members must get; else NULL */
    struct expected_member *taken;   /* and what each of them has */
};

/* What a worker counts of its members; those that are slow are counted apart. */
struct tally {
    const struct member_rules *rules;
    uint64_t delivered; /* messages, of any phase */
    uint64_t bytes;     /* of payload */
    uint64_t heard;     /* members that got at least one message */
    uint64_t replayed;  /* messages that came before their member was in: of the group's history */
    struct faults faults;
    uint16_t close_code; /* of the first close frame that came unasked; 0: none */
    struct latency latency[MIX_PRIORITIES]; /* without priorities all is normal */
    struct latency joins;                   /* from connect to hello */
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

/* How many messages of its group, of which the last is number `last`, have not come (the gaps that
 * are counted as lost aside). */
uint64_t member_missing(const struct member *member, const struct member_rules *rules,
                        uint64_t last);

/* Says that it goes; it is over when the server has ended it. False: it cannot be sent. */
bool member_leave(struct member *member);

/* Forgets what it has got: it is to connect anew. */
void member_reset(struct member *member, const struct member_rules *rules);

/* Subscribes, where the path of the request has not done it; until the server answers, the member
 * is MEMBER_JOINING. Where it is kept what it has seen, it goes on from there. False: it cannot be
 * sent. */
bool member_join(struct member *member, const struct member_rules *rules, const char *group,
                 uint32_t number);

/* Keeps `size` bytes (an incomplete frame) for the next read; false when out of memory. */
bool member_keep(struct member *member, const uint8_t *bytes, size_t size);

/* Ends the connection at once, with a reset: a run's last act should not fill the machine with
 * sockets in TIME_WAIT. */
void member_cut(struct member *member);

#endif
