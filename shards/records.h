/* What shards tell each other: records, packed into batches (shards/batch.h).
 *
 * A record that holds a payload or a range owns one reference to it; names follow the fixed part
 * and are not ended by NUL; names are aligned, so that they begin where sizeof says that the fixed
 * part ends. A connection is named by shard (the batch's source, or the receiver), slot and
 * generation, never by pointer. */
#ifndef SHARDCAST_SHARDS_RECORDS_H
#define SHARDCAST_SHARDS_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/payload.h"
#include "shards/history_range.h"
#include "shards/slot_table.h"
#include "shards/table.h"

enum record_type {
    RECORD_PUBLISH = 1,     /* reader -> home */
    RECORD_DELIVER,         /* home -> shard with members */
    RECORD_ANSWER,          /* home -> reader */
    RECORD_JOIN,            /* shard -> home */
    RECORD_JOINED,          /* home -> shard */
    RECORD_LEAVE,           /* shard -> home */
    RECORD_DISCONNECT,      /* reader -> home */
    RECORD_CLOSE,           /* home -> shard with members; of several groups: every shard */
    RECORD_CLOSED,          /* shard that was told to close -> reader */
    RECORD_HISTORY,         /* asker -> home */
    RECORD_HISTORY_ANSWER,  /* home -> asker */
    RECORD_NOTICE,          /* home -> shard with members who want to know: one has come, or gone */
    RECORD_PRESENT,         /* shard -> home: a member is here, where presence has been turned on */
    RECORD_PRESENCE,        /* asker -> home */
    RECORD_PRESENCE_ANSWER, /* home -> asker */
    RECORD_SETTINGS,        /* main thread -> shard */
    RECORD_STOP_INTAKE,     /* main thread -> shard: first step of a drain */
    RECORD_CLOSE_ALL,       /* main thread -> shard: second step */
    RECORD_CUT,             /* main thread -> shard: the drain's deadline is over */
    RECORD_QUIT,            /* main thread -> shard: end the thread */
    RECORD_STATE            /* shard -> main thread */
};

struct record {
    uint16_t type;
    uint16_t size; /* of the whole record, a multiple of 8 */
    uint32_t name_bytes;
    uint64_t hash; /* of the name */
};

/* Names a command of a producer: its producer and its place among that producer's commands. */
struct command_ref {
    uint32_t producer; /* slot; NO_PRODUCER: a client's frame, nobody waits for the answer */
    uint32_t generation;
    uint32_t sequence;
    uint32_t part; /* which of the command's groups */
};

/* What a record is about, for look-ups and for records made in answer to it. */
#define record_name(record, text) \
    ((struct named){(record)->head.hash, (record)->head.name_bytes, (char *)(text)})

#define NO_PRODUCER UINT32_MAX

/* As `producer`: a command of a client's session. `part` is the connection's slot, `generation` its
 * generation, and `sequence` the session's number for the command. */
#define SESSION_COMMAND (UINT32_MAX - 1)

static inline bool command_of_client(const struct command_ref *command)
{
    return command->producer >= SESSION_COMMAND;
}

struct record_publish {
    struct record head;
    struct payload *payload; /* one reference */
    uint64_t read_ns;        /* when the command had been read */
    struct command_ref command;
    struct slot_ref sender; /* of a client's frame with echo=0; slot NO_SLOT: none */
    uint8_t priority;       /* enum command_priority */
    _Alignas(8) char name[];
};

struct record_deliver {
    struct record head;
    struct payload *payload; /* one reference */
    uint64_t read_ns;
    uint64_t offset;
    uint64_t members;       /* how many members of the receiving shard it was routed to */
    struct slot_ref sender; /* not to be delivered to; slot NO_SLOT: none */
    uint8_t priority;
    bool critical; /* came by the critical inbox */
    bool kept;     /* the group keeps a history: members are told the offset */
    _Alignas(8) char name[];
};

struct record_answer {
    struct record head; /* the group's name, where it is refused */
    struct command_ref command;
    uint64_t members;
    uint64_t offset;
    uint64_t epoch;
    uint32_t retry_after_ms;
    uint32_t credit;  /* what the command counted as under way, given back */
    uint32_t closing; /* disconnect: how many shards will say RECORD_CLOSED */
    uint8_t refusal;  /* enum refusal */
    _Alignas(8) char name[];
};

enum join_recover {
    RECOVER_NONE,
    RECOVER_NOW,  /* a position to go on from: there must be a history */
    RECOVER_SINCE /* what came after a position */
};

/* What a join wants of the group's history. Zeroed: nothing. */
struct join_recovery {
    uint8_t want;   /* enum join_recover */
    bool must;      /* without it the join is refused: JOIN_INSUFFICIENT_STATE */
    bool any_epoch; /* `epoch` says nothing */
    uint64_t epoch;
    uint64_t offset;
};

struct record_join {
    struct record head;
    struct slot_ref connection;
    uint32_t member;     /* which membership of the connection */
    uint16_t user_bytes; /* of its user's id */
    bool joins;          /* wants to be told who joins and leaves */
    struct join_recovery recovery;
    _Alignas(8) char name[]; /* the user follows the name */
};

enum join_outcome { JOIN_OK, JOIN_GROUP_FULL, JOIN_OVERLOADED, JOIN_INSUFFICIENT_STATE };

/* A home on another shard answers twice: by the critical inbox, and by the other. What is sequenced
 * after the join then comes behind the answer in either. */
enum joined_by { JOINED_BOTH, JOINED_CRITICAL, JOINED_NORMAL };

struct record_joined {
    struct record head;
    struct slot_ref connection;
    uint32_t member;
    uint8_t by;      /* enum joined_by */
    uint8_t outcome; /* enum join_outcome */
    bool joins;      /* as in the join */
    bool present;    /* the home knows who it is: presence is on there */
    bool has_history;
    bool recovered; /* what was wanted is in `range`: everything up to `offset` */
    uint64_t epoch;
    uint64_t offset;
    struct history_range *range; /* one reference; NULL: nothing to recover, or CRITICAL */
    _Alignas(8) char name[];
};

/* Who asks for history: a producer's command, or a connection by a number of its own. */
struct history_asker {
    struct command_ref command; /* producer NO_PRODUCER: the connection */
    struct slot_ref connection;
    uint32_t number;
};

/* What a history is asked for; an answer has it in the order of the offsets in any case. */
struct history_query {
    uint64_t limit;  /* messages; 0: the position only; UINT64_MAX: as many as may be */
    uint64_t epoch;  /* with `since` */
    uint64_t offset; /* with `since` */
    bool since;      /* only what lies behind that position; with `newest` before it */
    bool any_epoch;  /* `epoch` says nothing */
    bool newest;     /* those next to the end and not to the beginning */
};

enum history_outcome {
    HISTORY_OK,
    HISTORY_OTHER_EPOCH, /* the position is not one of this group's epoch: no messages */
    HISTORY_GONE,        /* not all that came after the position is kept, or it is beyond the end:
                            the range has what there is */
    HISTORY_OVERLOADED   /* out of memory */
};

/* Asking makes no group: one that is not there has EPOCH_NONE and the offset 0. */
struct record_history {
    struct record head;
    struct history_asker asker;
    struct history_query query;
    _Alignas(8) char name[];
};

struct record_history_answer {
    struct record head; /* the group's name */
    struct history_asker asker;
    struct history_query query;
    uint64_t epoch;
    uint64_t offset;             /* the top */
    struct history_range *range; /* one reference; NULL: no messages */
    uint32_t credit;             /* what the question counted as under way, given back */
    uint8_t outcome;             /* enum history_outcome */
    bool has_history;
    _Alignas(8) char name[];
};

struct record_leave {
    struct record head;
    struct slot_ref connection;
    bool joins;
    _Alignas(8) char name[];
};

/* A member has joined or left. */
struct record_notice {
    struct record head;
    struct slot_ref connection;
    uint32_t shard; /* of that connection */
    uint16_t user_bytes;
    bool left;
    _Alignas(8) char name[]; /* the user follows the name */
};

struct record_present {
    struct record head;
    struct slot_ref connection;
    uint16_t user_bytes;
    _Alignas(8) char name[]; /* the user follows the name */
};

/* A session asks who is in a group, by a number of its own. */
struct record_presence {
    struct record head;
    struct slot_ref connection;
    uint32_t number;
    bool counts; /* is all that is wanted */
    _Alignas(8) char name[];
};

struct presence_list;

struct record_presence_answer {
    struct record head; /* no name */
    struct slot_ref connection;
    uint32_t number;
    uint32_t clients, users;
    bool failed;                /* out of memory */
    struct presence_list *list; /* one reference; NULL: nobody, or counts */
};

struct record_disconnect {
    struct record head;
    struct command_ref command;
    uint32_t parts; /* groups that the command names */
    uint16_t code;
    uint16_t reason_bytes;
    _Alignas(8) char name[]; /* the reason follows the name */
};

struct record_close {
    struct record head;
    struct command_ref command;
    uint32_t reader; /* the shard that waits for RECORD_CLOSED */
    uint32_t parts;  /* more than 1: to be carried out once all homes have spoken */
    uint16_t code;
    uint16_t reason_bytes;
    _Alignas(8) char name[];
};

struct record_closed {
    struct record head; /* no name */
    struct command_ref command;
    uint64_t connections;
};

struct record_state {
    struct record head; /* no name */
    uint32_t state;     /* enum shard_state */
};

struct settings;

struct record_settings {
    struct record head;        /* no name */
    struct settings *settings; /* one reference */
};

#endif
