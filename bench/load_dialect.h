/* How a server speaks: how a member joins and finds the messages in what it gets, and how messages
 * are published. Shardcast is one of several, so that one generator measures them all.
 *
 * Pure: bytes in, bytes out. Everything but the packets is used outside of what is measured. */
#ifndef SHARDCAST_BENCH_LOAD_DIALECT_H
#define SHARDCAST_BENCH_LOAD_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define DIALECT_ROOM       1024 /* for what join(), rejoin(), greet() and head() write */
#define DIALECT_EPOCH_MAX  33   /* with its NUL */
#define CLIENT_HEAD_MAX    14   /* of a frame from a client: with a mask */
#define ANSWER_REFUSAL_MAX 256

/* The first byte of final frames. */
#define TEXT_FRAME   0x81
#define BINARY_FRAME 0x82

/* What a server has put into a data frame. */
enum packet_kind {
    PACKET_OTHER,   /* of no interest */
    PACKET_MESSAGE, /* payload and size are a message */
    PACKET_JOINED,  /* the server says that the member is in */
    PACKET_PING     /* to be answered with `pong` */
};

struct packet {
    enum packet_kind kind;
    bool recovered; /* JOINED: with all that came since the position that it went on from */
    const uint8_t *payload;
    size_t size;
    uint64_t offset;      /* of the message, or at which it is in; 0: the server does not say */
    const uint8_t *epoch; /* JOINED: of that offset; size 0: the server does not say */
    size_t epoch_size;
};

typedef void (*packet_sink)(void *context, const struct packet *packet);

/* What a member has seen of a group last, to go on from. */
struct dialect_position {
    uint64_t offset;
    char epoch[DIALECT_EPOCH_MAX]; /* "": nothing is known */
};

enum answer_kind { ANSWER_FINE, ANSWER_REFUSED, ANSWER_PING };

struct answer {
    enum answer_kind kind;
    char refusal[ANSWER_REFUSAL_MAX];
};

struct dialect {
    const char *name; /* --protocol NAME */

    /* members */
    const char *path;        /* of the request; where it ends in '/ws/', the group's name follows */
    const char *subprotocol; /* to offer; NULL: none */
    /* The path, where the group's name is not simply put behind it; with `hello` the first frame
     * is to tell the group's position. NULL: as `path` says, and there is no hello. */
    int (*request_path)(char *out, size_t room, const char *group, bool hello);
    /* What a member says once it is connected, in one frame; NULL: the path said it. `number` is
     * the member's, unique in this process. Returns the length, -1 where it does not fit. */
    int (*join)(char *out, size_t room, const char *group, uint32_t number);
    /* The same of one that was in before and wants what came since; NULL: that cannot be had. */
    int (*rejoin)(char *out, size_t room, const char *group, const struct dialect_position *since);
    /* The packet at the start of `bytes`. Returns its length, 0 while bytes are missing, -1 when it
     * is not understood or refuses. NULL: every data frame is one message. */
    int64_t (*packet)(const uint8_t *bytes, size_t size, struct packet *packet);
    /* Instead of packet() where none goes on in the next frame: hands over all packets of a whole
     * frame, whose bytes it may change. -1: as packet(). */
    int (*frame)(uint8_t *bytes, size_t size, packet_sink take, void *context);
    bool text;        /* data frames are text, both ways; false: binary */
    const char *pong; /* NULL: never asked for */
    size_t pong_size;

    /* the producer */
    const struct dialect *producer; /* publishes instead; NULL: this one does */
    const char *control;            /* path of a WebSocket on which is published; NULL: plain TCP */
    /* What the producer says first; NULL: nothing. As join(). */
    int (*greet)(char *out, size_t room);
    /* All of a message that comes before its payload of `payload` bytes; `group` NULL: everyone.
     * Returns the length, 0 where that cannot be published, -1 where it does not fit. */
    int (*head)(char *out, size_t room, const char *group, size_t payload);
    /* Likewise, of a message with a priority; NULL: the server knows none. */
    int (*urgent_head)(char *out, size_t room, const char *group, size_t payload,
                       const char *priority);
    const char *tail; /* what comes behind it */
    bool answers_all; /* the server answers every message, not only what it refuses */
    /* The answer at the start of `bytes`: as packet(). */
    int64_t (*answer)(const uint8_t *bytes, size_t size, struct answer *answer);
};

extern const struct dialect dialect_msgpack;      /* Shardcast, raw clients */
extern const struct dialect dialect_sdk_json;     /* Shardcast, Centrifuge clients */
extern const struct dialect dialect_sdk_protobuf; /* likewise */
extern const struct dialect dialect_websocket;    /* uWebSockets, as bench/peers/uws has it */
extern const struct dialect dialect_nchan;        /* nginx with nchan */
extern const struct dialect dialect_nats;         /* nats-server */
extern const struct dialect dialect_mqtt;         /* mosquitto */

/* Dialects that the threads of a run speak in turn, so that groups are mixed. */
#define DIALECT_SET_MAX 4
struct dialect_set {
    unsigned count;
    const struct dialect *dialects[DIALECT_SET_MAX];
};

/* NULL: there is none of that name. */
const struct dialect *dialect_find(const char *name);

/* Names with commas between them. -1: one is not known, or they are too many. */
int dialect_set_parse(struct dialect_set *set, const char *names);

/* Their names, as people list them. */
void dialect_list(FILE *out);

/* The request's path for a member of `group`. Returns its length, -1 where it does not fit. */
int dialect_path(const struct dialect *dialect, char *out, size_t room, const char *group,
                 bool hello);

/* The head of a final frame from a client, masked with zeros: the server has to unmask, this side
 * need not mask. Returns its length. */
size_t client_frame_head(uint8_t head[CLIENT_HEAD_MAX], uint8_t first, uint64_t size);

/* The first byte of a dialect's data frames. */
static inline uint8_t dialect_frame(const struct dialect *dialect)
{
    return dialect->text ? TEXT_FRAME : BINARY_FRAME;
}

#endif
