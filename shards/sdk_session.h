/* A Centrifuge client's session: what stands between its commands and the groups.
 *
 * One code for the JSON and the Protobuf form: bytes are proto/sdk_*'s. A session lives as long as
 * its connection, on its shard. Commands are carried out and answered one after the other: while
 * one waits for a home's answer no frame is read. See proto/PROTOCOL.md. */
#ifndef SHARDCAST_SHARDS_SDK_SESSION_H
#define SHARDCAST_SHARDS_SDK_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/sdk.h"
#include "shards/records.h"

struct connection;
struct shard;

/* 101 has been said: waits for the connect command. `user` may be "". */
void sdk_session_begin(struct connection *connection, enum sdk_format format, const char *user);
void sdk_session_free(struct connection *connection);

/* A whole message has come. Takes over `bytes` (of malloc(); NULL where it is empty). */
void sdk_session_message(struct connection *connection, enum frame_opcode opcode, uint8_t *bytes,
                         size_t size);

/* Whether commands are left that wait: for an answer, or for the client to read. */
bool sdk_session_busy(const struct connection *connection);

/* Goes on with them, if nothing keeps them any more. */
void sdk_session_go_on(struct connection *connection);

/* What it had to send is sent: goes on in its turn, if that is what it waited for. */
void sdk_session_unclogged(struct connection *connection);

/* It has its turn: takes the answer that has come, and goes on. */
void sdk_session_turn(struct connection *connection);

/* A home's answers. The connection may be gone by now. */
void sdk_session_joined(struct connection *connection, const struct record_joined *joined);
void sdk_session_published(struct shard *shard, const struct record_answer *answer);
void sdk_session_history(struct shard *shard, const struct record_history_answer *answer);
void sdk_session_presence(struct shard *shard, const struct record_presence_answer *answer);

/* The connection's deadline has come: for its connect, a ping, or a pong. */
void sdk_session_due(struct connection *connection);

#endif
