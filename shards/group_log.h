/* The group log: an append-only log of encoded frames, exactly as they go on the wire, and cursors
 * into it.
 *
 * One shard's own; memory only, no sockets. All members that are not behind share one implicit
 * cursor, `flushed`; only a member that is behind has one of its own, which keeps the segments
 * that it needs alive. Positions are bytes since the log began and never fall.
 *
 * A log may hold notes between its messages: frames like others, that are not counted as frames and
 * have no sequence number. What is counted of a range in bytes leaves out log_…_note_bytes().
 *
 * A frame lies in one segment, whole. A small one is copied there; a large payload is a segment of
 * its own that refers to the message. Where nobody is behind, the log holds no memory. */
#ifndef SHARDCAST_SHARDS_GROUP_LOG_H
#define SHARDCAST_SHARDS_GROUP_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proto/error.h"
#include "proto/payload.h"

struct segment;

/* A shard's spare segments, shared by its logs. Zero it to begin with. */
struct segment_pool {
    struct segment *spare[4]; /* by size class */
    uint32_t count[4];
};

struct group_log {
    struct segment *head, *tail;   /* NULL where nothing is held */
    struct segment *flush_segment; /* where `flushed` lies; NULL: at the next append */
    uint64_t end, end_sequence;    /* bytes and frames appended */
    uint64_t flushed, flushed_sequence;
    uint64_t last_frame; /* position of the newest message */
};

/* Frames between two positions. */
struct log_range {
    uint64_t from, to;
};

/* What a cursor has yet to send once it has left frames out for good: copies of the others, so that
 * the log need not keep them all. Their positions are the last before `end`, where the cursor goes
 * on in the log. */
struct log_branch {
    struct segment *first; /* NULL: there is none */
    struct segment *trunk; /* of the log, at `end` */
    uint64_t end;
    uint64_t newest; /* position of what was the log's newest message; LOG_LEFT_OUT */
};

#define LOG_LEFT_OUT UINT64_MAX

/* Where a member stands that is behind. It holds on to its segment. */
struct log_cursor {
    struct segment *segment;
    struct log_branch branch;
    uint64_t at;       /* the next byte to be sent */
    uint64_t frame;    /* where the frame begins that `at` is in (at == frame: between frames) */
    uint64_t sequence; /* of that frame */
};

/* Adds one frame. 0 or ERR_NOMEM. Takes no reference where it copies. */
int group_log_append(struct group_log *log, struct segment_pool *pool,
                     struct payload *payload) MUST_CHECK;

/* Adds one frame that is no message: it is sent like one, and counted nowhere. It is copied. */
int group_log_append_note(struct group_log *log, struct segment_pool *pool,
                          struct payload *payload) MUST_CHECK;

/* The bytes that those who are not behind have yet to get: up to `max` pieces. Returns how many,
 * and moves nothing; *bytes and *frames say what they hold together. */
unsigned group_log_pending(const struct group_log *log, struct iovec *pieces, unsigned max,
                           uint64_t *bytes, uint64_t *frames);

/* How many of the next `bytes` bytes are notes'. */
uint64_t group_log_note_bytes(const struct group_log *log, uint64_t bytes);

/* Those bytes and frames are sent, or are the business of cursors from now on. */
void group_log_flushed(struct group_log *log, uint64_t bytes, uint64_t frames);

/* A cursor at `flushed`, of which `sent` bytes have been taken already. The log must have pending
 * bytes. Returns how many whole frames were in them. */
uint64_t log_cursor_attach(struct log_cursor *cursor, const struct group_log *log, uint64_t sent);

/* What the cursor has yet to send before position `end`, up to `max` pieces. Returns how many, and
 * their sum. */
unsigned log_cursor_pending(const struct log_cursor *cursor, uint64_t end, struct iovec *pieces,
                            unsigned max, uint64_t *bytes);

/* How many of the next `bytes` bytes, which the log has, are notes'. */
uint64_t log_cursor_note_bytes(const struct log_cursor *cursor, uint64_t bytes);

/* Moves on by `sent` bytes. Returns how many frames were finished by them. */
uint64_t log_cursor_advance(struct log_cursor *cursor, uint64_t sent);

/* The rest of the frame that the cursor is in the middle of; *size 0 between frames. */
const uint8_t *log_cursor_frame_rest(const struct log_cursor *cursor, size_t *size);

/* Steps over all whole frames before the newest one: the frame that has been begun counts as
 * stepped over, too (the caller has taken its rest). Returns how many frames were left out. */
uint64_t log_cursor_skip(struct log_cursor *cursor, const struct group_log *log);

/* Leaves out these frames, in order and none of them begun, and keeps what else is ahead for
 * itself: the log need hold nothing for this cursor but what is appended from now on. The log must
 * have nothing pending. 0, or ERR_NOMEM and the cursor stands where it stood. */
int log_cursor_condense(struct log_cursor *cursor, struct group_log *log, struct segment_pool *pool,
                        const struct log_range *left_out, uint32_t count) MUST_CHECK;

/* Frees what it has kept for itself and is through with. */
void log_cursor_prune(struct log_cursor *cursor, struct segment_pool *pool);

/* Lets go of the segment. */
void log_cursor_detach(struct log_cursor *cursor, struct segment_pool *pool);

/* Where the log's newest message stands for the cursor; LOG_LEFT_OUT: it was left out. */
static inline uint64_t log_cursor_newest(const struct log_cursor *cursor,
                                         const struct group_log *log)
{
    return cursor->branch.first && log->last_frame < cursor->branch.end ? cursor->branch.newest
                                                                        : log->last_frame;
}

static inline bool log_cursor_at_end(const struct log_cursor *cursor, const struct group_log *log)
{
    return cursor->at == log->end;
}

static inline bool group_log_dirty(const struct group_log *log)
{
    return log->flushed != log->end;
}

/* Frees the segments that neither a cursor nor `flushed` needs. */
void group_log_trim(struct group_log *log, struct segment_pool *pool);

/* Frees everything; no cursor may be left. */
void group_log_free(struct group_log *log, struct segment_pool *pool);
void segment_pool_free(struct segment_pool *pool);

#endif
