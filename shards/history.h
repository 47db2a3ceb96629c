/* The messages that a home keeps of one group: references to their payloads in a ring, the oldest
 * first, each one offset after the one before.
 *
 * One shard's own; memory only. A history is a pointer, NULL while it keeps nothing, so that a
 * group without one costs no more than that. It does not know offsets: its newest message is at the
 * group's top, which the caller gives. */
#ifndef SHARDCAST_SHARDS_HISTORY_H
#define SHARDCAST_SHARDS_HISTORY_H

#include <stdint.h>

#include "proto/error.h"
#include "proto/payload.h"
#include "shards/records.h"
#include "shards/settings.h"

struct history;

/* Keeps one more message, with a reference of its own, and drops what is too much or too old. Out
 * of memory it keeps nothing from then on: there is never a gap. */
void history_append(struct history **history, const struct history_settings *settings,
                    struct payload *payload, uint64_t now_ns);

/* Drops what is too much or too old. */
void history_trim(struct history **history, const struct history_settings *settings,
                  uint64_t now_ns);

/* When the oldest message will be too old; UINT64_MAX: never. */
uint64_t history_expires(const struct history *history, const struct history_settings *settings);

/* Messages that it keeps. */
uint32_t history_count(const struct history *history);

void history_free(struct history **history);

/* Some of its messages, `count` from offset `first` on. */
struct history_part {
    uint64_t first;
    uint32_t count;
};

/* Which messages answer a question (its epoch has been looked at): at most `bytes_max` bytes of
 * frames, but one message in any case. HISTORY_OK or HISTORY_GONE. */
enum history_outcome history_select(const struct history *history, uint64_t top,
                                    const struct history_query *query, uint64_t bytes_max,
                                    struct history_part *part);

/* That part as a range: one reference for the caller. The last range made is kept and given again
 * to who asks for the same, until the history changes. NULL: out of memory. */
struct history_range *history_range(struct history *history, uint64_t top,
                                    struct history_part part) MUST_CHECK;

/* Forgets that range, for who else holds it. True: there was one. */
bool history_forget_range(struct history *history);

#endif
