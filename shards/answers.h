/* The answer queue of one producer: a place for every command, in order, until its answer can go
 * out. Answers come from several homes in any order; they leave in the order of the commands.
 *
 * Memory only; one shard's own. */
#ifndef SHARDCAST_SHARDS_ANSWERS_H
#define SHARDCAST_SHARDS_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/answer.h"
#include "proto/command.h"
#include "shards/records.h"

/* Commands whose answers are awaited, at the most. */
#define ANSWERS_MAX 16384

/* A refusal, in full. Allocated where there is one. */
struct answer_refusal {
    enum refusal code;
    uint32_t part; /* which of the command's groups: the first one's error is told */
    uint32_t retry_after_ms;
    uint32_t name_count;
    struct command_name *names; /* groups that refused; allocated; told where `groups` was used */
    char message[COMMAND_MESSAGE_MAX];
};

struct answer_place {
    uint64_t id;
    uint64_t members;
    uint64_t offset;
    uint64_t epoch;
    uint32_t homes;  /* that have not answered */
    int32_t closing; /* shards that have not closed their members; below 0 while a home's word is
                        on its way */
    uint8_t op;      /* enum command_op */
    bool has_id;
    bool position;               /* one group: the answer carries offset and epoch */
    bool taken;                  /* a group took the message */
    bool newest;                 /* history: without `since` */
    struct history_range *range; /* history; one reference; NULL: no messages */
    struct answer_refusal *refusal;
};

struct answers {
    struct answer_place *places; /* ring of `room`, a power of two */
    uint32_t room;
    uint32_t first, next; /* sequence numbers: first <= those under way < next */
};

void answers_free(struct answers *answers);

/* A place for the next command; its sequence number is answers->next - 1 afterwards. NULL: out of
 * memory. */
struct answer_place *answers_add(struct answers *answers, const struct command *command) MUST_CHECK;

/* The place of a command that is under way; NULL: there is none. */
struct answer_place *answers_get(struct answers *answers, uint32_t sequence);

/* The first command, if its answer is known; NULL otherwise. */
struct answer_place *answers_ready(struct answers *answers);

/* It has been answered. */
void answers_pop(struct answers *answers);

static inline bool answers_full(const struct answers *answers)
{
    return answers->next - answers->first >= ANSWERS_MAX;
}

static inline bool answers_empty(const struct answers *answers)
{
    return answers->next == answers->first;
}

/* Notes that a command is refused as a whole. ERR_NOMEM: nothing noted. */
int answer_refuse(struct answer_place *place, enum refusal code, const char *message) MUST_CHECK;

/* Notes what a home answered to a question for history. ERR_NOMEM: it could not be noted. */
int answer_note_history(struct answer_place *place,
                        const struct record_history_answer *answer) MUST_CHECK;

/* Notes what a home answered. `max_rate` is the group's, for the text. ERR_NOMEM: the refusal could
 * not be noted. */
int answer_note(struct answer_place *place, const struct record_answer *answer,
                uint32_t max_rate) MUST_CHECK;

#endif
