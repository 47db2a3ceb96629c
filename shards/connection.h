/* A client's connection, from accept to the end of its socket.
 *
 *   state      means                                       goes to
 *   HANDSHAKE  waits for the whole request                 JOINING, GREETING, ANSWERED,
 *                                                          dead (10 s)
 *   GREETING   a Centrifuge client: 101 sent; waits for    JOINING, CLOSING (15 s)
 *              its connect command
 *   JOINING    101 sent; homes are asked for its groups    OPEN, CLOSING
 *   OPEN       a member of all its groups                  FINISHING, CLOSING
 *   FINISHING  left its groups; sends what it has yet to   CLOSING
 *              get of them, then a close frame
 *   CLOSING    a close frame is queued or sent; waits for  LINGERING, dead (pong_timeout_seconds)
 *              the peer's
 *   ANSWERED   an HTTP response is queued: a refusal, or   LINGERING, dead
 *              a page (30 s)
 *   LINGERING  all is sent and our side is shut; waits for dead (2 s)
 *              the peer's end, so that no reset eats what
 *              it has not read
 *   DEAD       in the list of those to be destroyed at
 *              the end of the turn
 *
 * From any state it may die of the socket's end. One shard's own; created by the listener, freed by
 * connection_gone(), which is called once, when libwebsockets has let go of the socket. */
#ifndef SHARDCAST_SHARDS_CONNECTION_H
#define SHARDCAST_SHARDS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proto/frame.h"
#include "proto/refusal.h"
#include "shards/group.h"
#include "shards/records.h"
#include "shards/wheel.h"

struct lws;
struct reader;
struct replay;
struct sdk_session;
struct shard;

enum connection_state {
    CONNECTION_HANDSHAKE,
    CONNECTION_GREETING,
    CONNECTION_JOINING,
    CONNECTION_OPEN,
    CONNECTION_FINISHING,
    CONNECTION_CLOSING,
    CONNECTION_ANSWERED,
    CONNECTION_LINGERING,
    CONNECTION_DEAD
};

/* A connection's own bytes: responses, pongs, pings, hello, close. They go out between frames. */
struct output {
    uint32_t sent, size, room;
    uint32_t
        carried; /* bytes at the front that end a message's frame: delivered when they are sent */
    uint8_t bytes[];
};

struct connection {
    struct wheel_entry deadline; /* first */
    struct shard *shard;
    struct lws *wsi; /* NULL: libwebsockets has let go of it */
    int fd;
    struct slot_ref ref;
    struct member *members; /* allocated, member_count of them */
    uint32_t member_count;  /* those of a Centrifuge client come and go: some may be NONE */
    uint32_t joins_open;    /* homes that have not answered */
    uint8_t state;          /* enum connection_state */
    uint8_t end_reason;     /* enum close_reason, once it is known */
    bool blocked : 1;       /* the socket takes no more; a writable event has been asked for */
    bool writable : 1;   /* blocked, but the socket takes more again: it is in the list `resumed` */
    bool pinged : 1;     /* waits for a sign of life */
    bool over_limit : 1; /* beyond limits.connections: to be answered 503 */
    bool counted : 1;    /* in world->sockets */
    bool no_echo : 1;
    bool hello : 1;
    bool peer_closed : 1; /* its close frame has come */
    bool opened : 1;      /* counts as a connection */
    bool reading_paused : 1;
    bool watched : 1;           /* the kernel gives up if the peer acknowledges nothing */
    bool progress : 1;          /* FINISHING: something was sent since the last look */
    bool output_moved : 1;      /* some of its own was sent since the last look */
    bool refused : 1;           /* and counted as that */
    uint8_t mid_log;            /* log that `mid` is about */
    uint16_t close_code;        /* FINISHING: what to close with */
    uint32_t seen;              /* tick of the last sign of life */
    uint32_t ping_ticks;        /* 0: no pings; as it began */
    struct member *mid;         /* the kernel has begun a frame of this member's group */
    struct output *output;      /* NULL: nothing of its own to send */
    struct replay *replay;      /* NULL: nothing to recover */
    struct reader *reader;      /* NULL: between messages */
    struct sdk_session *sdk;    /* of a Centrifuge client; NULL: a raw one */
    struct position *positions; /* JOINING with hello=1: one per member */
    char *close_reason;         /* FINISHING; allocated */
};

struct position {
    uint64_t epoch, offset;
};

/* A shard's connections. */
struct connection_table {
    struct slot_table slots;
    struct slot_list doomed;   /* to be destroyed */
    struct slot_list resumed;  /* have a lag, and a socket that may take it: their turn comes */
    struct slot_list answered; /* sessions that can go on: their turn comes */
    struct slot_list overrun;  /* past their backlog: to be closed as slow */
    struct slot_list missed;   /* would miss a message that they have a position for: likewise */
    struct slot_list paused;   /* their frames wait until commands need not wait */
};

void connection_table_init(struct connection_table *table);
void connection_table_free(struct connection_table *table);

/* Makes a connection of a fresh socket, which is closed if that fails. */
void connection_accept(struct shard *shard, int fd, bool over_limit, bool counted);

/* libwebsockets' side: bytes have come, the socket takes more, the socket is gone. */
void connection_read(struct connection *connection, uint8_t *bytes, size_t size);
void connection_writable(struct connection *connection);
void connection_gone(struct connection *connection);

/* Joining (shards/connection_join.c). */

/* The upgrade has been accepted: asks for the groups. Names are copied. */
struct ws_target;
void connection_join(struct connection *connection, const struct ws_target *target);

/* A home has answered for a member. */
void connection_joined(struct connection *connection, const struct record_joined *joined);

/* It is a client from now on: counts as a connection. */
void connection_opened(struct connection *connection);

/* Members (shards/connection_members.c). */

/* A member that is NONE, for a group that the connection asks for later. It may move the others.
 * NULL: out of memory. */
struct member *connection_add_member(struct connection *connection) MUST_CHECK;

/* Its member of a group; NULL: there is none. */
struct member *connection_find_member(const struct connection *connection, const char *name,
                                      size_t size);

/* Who it is; size 0: nobody says. */
struct name_view connection_user(const struct connection *connection);

/* A payload for a message of its own, which says that it is; to be filled. NULL: out of memory. */
struct payload *connection_payload(const struct connection *connection, enum payload_kind kind,
                                   size_t bytes) MUST_CHECK;

/* Leaves its groups at once (what they have for it is dropped for that reason, at a frame's end)
 * and closes with a close frame. */
void connection_close(struct connection *connection, uint16_t code, const char *reason,
                      enum close_reason end, enum drop_reason drop);

/* Leaves its groups, sends what it has yet to get, and then closes. False: it is ending already. */
bool connection_finish(struct connection *connection, uint16_t code, const char *reason,
                       enum close_reason end);

/* Counts a connection that did not become a member. */
void connection_count_refusal(struct connection *connection, enum connection_refusal refusal);

/* Answers the request with a head and a body, and ends. */
void connection_answer(struct connection *connection, const void *head, size_t head_size,
                       const void *body, size_t body_size);

/* Answers the request with a refusal, and counts it. */
void connection_refuse(struct connection *connection, unsigned status, const char *text,
                       enum connection_refusal refusal);

/* To be destroyed at the end of the turn; `end` says why, if it was open. */
void connection_doom(struct connection *connection, enum close_reason end);

/* It has given a sign of life. */
void connection_alive(struct connection *connection);

/* Its deadline comes when a pong has taken as long as it may, by the settings of now. */
void connection_await_pong(struct connection *connection);

/* While it is watched the kernel gives up on a peer that acknowledges nothing. */
void connection_watch(struct connection *connection, bool watch);

/* A deadline in the wheel has come. */
void connection_due(struct connection *connection);

/* End of the turn: deals with the lists of doomed, resumed and overrun connections. */
void connection_turn(struct shard *shard);

/* Whether one whose frames had to wait need not any more. */
bool connection_can_go_on(const struct shard *shard);

/* Closes all with 1001 (a drain), or cuts all (its end). */
void connection_close_all(struct shard *shard);
void connection_cut_all(struct shard *shard);

/* All that was to be sent is: goes on to the next state, or to reading again. */
void connection_drained(struct connection *connection);

/* Output (shards/connection_output.c). */

/* Queues own bytes; they are sent at once if the socket takes them. ERR_NOMEM: doomed. */
void connection_send(struct connection *connection, const void *bytes, size_t size);

/* Likewise one WebSocket frame. */
void connection_send_frame(struct connection *connection, enum frame_opcode opcode,
                           const void *bytes, size_t size);

/* Whether so much waits to be sent that no more should be made: a client that asks and does not
 * read what comes back waits, and costs no more memory. */
bool connection_clogged(const struct connection *connection);

/* Goes on sending: the frame under way, own bytes, lags. */
void connection_flush(struct connection *connection);

/* The socket took `sent` of what a flush wrote (-1: it failed): the member is behind now. */
void connection_block(struct connection *connection);

/* One write. Returns bytes taken, 0 where the socket takes none; -1: it has failed, and the
 * connection is doomed. */
int64_t connection_write(struct connection *connection, const struct iovec *pieces, unsigned count);

/* Moves the rest of a frame that the kernel has begun to the connection's own bytes, so that it
 * ends there. */
void connection_carry_frame(struct connection *connection);

#endif
