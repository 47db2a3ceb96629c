/* What a client sends: first the upgrade request, then frames. The one module that reads clients'
 * bytes; parsing is proto/'s.
 *
 * A reader exists only while something is half read, so that an idle connection keeps none. One
 * shard's own. */
#ifndef SHARDCAST_SHARDS_READER_H
#define SHARDCAST_SHARDS_READER_H

#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

struct connection;

struct reader {
    struct frame_decoder decoder;
    uint8_t *stash; /* the request's head so far, or frames that came before the joins' answers */
    size_t stash_size, stash_room;
    uint8_t *message; /* a message so far */
    size_t message_size, message_room;
};

/* Bytes have come while the connection waits for its upgrade request. */
void reader_handshake(struct connection *connection, uint8_t *bytes, size_t size);

/* Bytes have come behind the upgrade. */
void reader_frames(struct connection *connection, uint8_t *bytes, size_t size);

/* No more frames are read until reader_resume(); what has been read already is kept. */
void reader_pause(struct connection *connection);

/* Nothing keeps it from reading any more (the connection is open, commands need not wait, its own
 * bytes are out): goes on with the commands that have waited, works through what had been kept, and
 * reads on. */
void reader_resume(struct connection *connection);

/* The connection is ending: what its client has sent does not matter any more, but its close frame
 * does. */
void reader_listen_for_close(struct connection *connection);

void reader_free(struct connection *connection);

#endif
