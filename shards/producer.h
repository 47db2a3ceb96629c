/* A producer's connection: a stream of commands, and the answers in the order of the commands.
 *
 * On libuv's TCP streams. Commands go to the homes of their groups at once; each holds a place in
 * the producer's answer queue (shards/answers.h) until its homes have answered. While a producer
 * does not take its answers, or its shard is congested, nothing more is read from it. One shard's
 * own. */
#ifndef SHARDCAST_SHARDS_PRODUCER_H
#define SHARDCAST_SHARDS_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/error.h"
#include "shards/records.h"
#include "shards/slot_table.h"

struct shard;

struct producer_table {
    struct slot_table slots;
    struct slot_list waiting;   /* have commands that could not be taken yet */
    struct slot_list answered;  /* have answers to send */
    struct slot_list lingering; /* have had their last answer, and may still be sending */
    uint32_t ahead;             /* slot that producer_read_ahead() goes on with */
    uint8_t *scratch;           /* what a read fills where nothing is half read */
};

int producer_table_init(struct producer_table *table) MUST_CHECK;
void producer_table_free(struct producer_table *table);

/* Makes a producer of a fresh socket, which is closed if that fails. Always true. */
bool producer_accept(struct shard *shard, int fd);

/* A home has answered, a shard has closed its part of a disconnect, or a home has answered a
 * question for history. The producer may be gone. */
void producer_answered(struct shard *shard, const struct record_answer *answer);
void producer_closed(struct shard *shard, const struct record_closed *closed);
void producer_history(struct shard *shard, const struct record_history_answer *answer);

/* Reads what some of them have sent, each in its turn, although the loop has not come to them. Not
 * in a producer's event. */
void producer_read_ahead(struct shard *shard);

/* Takes commands that had to wait, if they need not any more. */
void producer_take_waiting(struct shard *shard);

/* Whether one of those that wait need not any more. */
bool producer_can_go_on(const struct shard *shard);

/* Sends the answers of the turn. */
void producer_send_answers(struct shard *shard);

/* A tick of the shard's wheel. */
void producer_tick(struct shard *shard);

/* Draining: ends our side of those that have had all their answers. */
void producer_finish_all(struct shard *shard);

/* Closes all; the loop frees them. */
void producer_close_all(struct shard *shard);

#endif
