/* What the files of a session share, and nobody else sees. See shards/sdk_session.h. */
#ifndef SHARDCAST_SHARDS_SDK_INTERNAL_H
#define SHARDCAST_SHARDS_SDK_INTERNAL_H

#include "proto/answer.h"
#include "proto/sdk_command.h"
#include "proto/sdk_reply.h"
#include "shards/connection.h"
#include "shards/sdk_session.h"

/* A message whose commands are being carried out. */
struct sdk_work {
    uint8_t *bytes; /* commands point into it */
    struct sdk_commands commands;
    struct sdk_command command; /* the one under way */
};

/* What a subscription begins with, as its home has said. */
struct sdk_start {
    bool was_recovering, recovered, has_history;
    uint64_t asked; /* the offset that was to be recovered from */
    uint64_t epoch, offset;
    struct history_range *range; /* one reference; NULL: nothing was missed */
};

/* The server-side subscriptions: everyone's, and the user's. */
#define SDK_SERVER_SUBS 2

struct sdk_session {
    uint8_t format;           /* enum sdk_format */
    bool listed;              /* in the shard's list of sessions that can go on */
    bool waiting;             /* the command under way waits for an answer */
    bool refused;             /* a home has refused a server-side subscription */
    uint32_t number;          /* of that answer: every question has one more */
    uint32_t taken;           /* tick when the message under way came */
    uint32_t pinged;          /* tick of the last ping */
    char *user;               /* NUL-ended; "": nobody; allocated */
    struct sdk_work *work;    /* NULL: idle */
    struct sdk_start *starts; /* while the connect waits: of SDK_SERVER_SUBS members */
    struct record *answer;    /* that has come, a copy, for its next turn; NULL: none */
    struct buffer out;        /* replies, to be sent as one message */
};

/* What became of a command. */
enum sdk_outcome {
    SDK_DONE,   /* answered */
    SDK_WAITS,  /* sdk_command_done() will say more */
    SDK_CLOSED, /* the connection is ending */
};

/* The client is to send its connect command within a time. */
void sdk_greet(struct connection *connection);

/* Sends what replies there are. */
void sdk_flush(struct connection *connection);

/* The command under way has been answered: goes on with the next one when its turn comes. */
void sdk_command_done(struct connection *connection);

/* Keeps a home's answer, with the references that it holds, for the session's next turn: answers
 * can be long, and many may come at once. */
void sdk_keep_answer(struct connection *connection, const struct record *answer);
void sdk_answer_free(struct record *answer); /* NULL: nothing */

/* It has been answered: goes on in its turn. */
void sdk_list(struct connection *connection);

/* Takes the answers that have been kept. */
void sdk_connected(struct connection *connection);
void sdk_subscribed(struct connection *connection, const struct record_joined *joined);
void sdk_history_answered(struct connection *connection,
                          const struct record_history_answer *answer);
void sdk_presence_answered(struct connection *connection,
                           const struct record_presence_answer *answer);

/* Leaves out what has not been carried out of the message under way. */
void sdk_drop_work(struct sdk_session *session);

/* Notes what an encoder said: out of memory ends the connection. */
void sdk_check(struct connection *connection, int error);

void sdk_error(struct connection *connection, const struct sdk_command *command,
               enum sdk_error error);
enum sdk_outcome sdk_close(struct connection *connection, enum sdk_close close);

/* Waits until the home of the command's group has done all that it was told before. */
enum sdk_outcome sdk_await_home(struct connection *connection, const struct sdk_command *command);

/* The session that an answer is for, which waits for it; NULL: it is gone. */
struct connection *sdk_asker(const struct shard *shard, struct slot_ref ref, uint32_t number);

/* Carry out commands. */
enum sdk_outcome sdk_connect(struct connection *connection, const struct sdk_command *command);
enum sdk_outcome sdk_subscribe(struct connection *connection, const struct sdk_command *command);
enum sdk_outcome sdk_unsubscribe(struct connection *connection, const struct sdk_command *command);
enum sdk_outcome sdk_publish(struct connection *connection, const struct sdk_command *command);
enum sdk_outcome sdk_history(struct connection *connection, const struct sdk_command *command);
enum sdk_outcome sdk_presence(struct connection *connection, const struct sdk_command *command);

#endif
