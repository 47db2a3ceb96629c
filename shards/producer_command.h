/* A producer, and what its commands do. The part of shards/producer.h that is not about streams. */
#ifndef SHARDCAST_SHARDS_PRODUCER_COMMAND_H
#define SHARDCAST_SHARDS_PRODUCER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/answer.h"
#include "proto/command.h"
#include "shards/answers.h"
#include "shards/slot_table.h"

struct producer {
    uv_tcp_t tcp; /* first */
    struct shard *shard;
    struct slot_ref ref;
    struct command_scanner scanner;
    struct answers answers;
    uint32_t histories; /* of these, for history */
    struct buffer out;  /* answers of this turn */
    uint8_t *input;     /* what is half read, or waits; NULL: nothing */
    size_t input_size, input_room;
    uint32_t linger_until; /* tick; 0: does not */
    bool authorized;       /* no token is asked for, or it was right */
    bool waiting;          /* commands in `input` could not be taken yet */
    bool listed;           /* in the table's list of answered ones */
    bool fatal;            /* reads no more: closes when all is answered */
    bool peer_done;        /* the peer has ended its side: likewise, once all commands are taken */
    bool ended;            /* the handle is closing */
};

/* Carries out one whole command, or refuses it. */
void producer_command(struct producer *producer, const uint8_t *bytes, size_t size);

/* The stream cannot be read on: answers with the error and closes. */
void producer_stream_broken(struct producer *producer, int error);

/* Encodes the answers that can go out, in order, until they are `bytes_max` or more. ERR_NOMEM. */
int producer_encode_answers(struct producer *producer, size_t bytes_max) MUST_CHECK;

/* Closes the socket and frees the producer, later (shards/producer.c). */
void producer_end(struct producer *producer);

#endif
