/* A group log beside a model of it that keeps every frame and every byte. */
#ifndef SHARDCAST_TESTS_GROUP_LOG_HELPER_H
#define SHARDCAST_TESTS_GROUP_LOG_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/payload.h"
#include "shards/group_log.h"

struct frame_kept {
    struct payload *payload; /* one reference, the model's */
    uint64_t at;             /* position in the log */
    uint64_t sequence;       /* messages before it */
    uint32_t bytes;
    bool note;
};

struct trial {
    struct group_log log;
    struct segment_pool pool;
    struct frame_kept *frames; /* every one that was ever appended */
    size_t count, frame_room;
    size_t newest;  /* the newest message's number; SIZE_MAX: there is none */
    uint8_t *bytes; /* the whole log */
    uint64_t size, room;
};

static inline void trial_init(struct trial *trial)
{
    memset(trial, 0, sizeof(*trial));
    trial->newest = SIZE_MAX;
}

/* Messages before the frame of this number. */
static inline uint64_t sequence_of(const struct trial *trial, size_t number)
{
    if (number < trial->count)
        return trial->frames[number].sequence;
    return trial->newest == SIZE_MAX ? 0 : trial->frames[trial->newest].sequence + 1;
}

/* No cursor may be left. A sanitizer sees what is not given back. */
static inline void trial_free(struct trial *trial)
{
    group_log_free(&trial->log, &trial->pool);
    segment_pool_free(&trial->pool);
    for (size_t i = 0; i < trial->count; i++) {
        assert_int_equal(trial->frames[i].payload->refs, 1);
        payload_unref(trial->frames[i].payload);
    }
    free(trial->frames);
    free(trial->bytes);
}

/* Appends a frame whose body has this size: a message, or a note. */
static inline void append_frame(struct trial *trial, uint32_t body_bytes, bool note)
{
    struct payload *payload = payload_new(PAYLOAD_BINARY, body_bytes);

    assert_non_null(payload);
    for (uint32_t i = 0; i < body_bytes; i++)
        payload_body(payload)[i] = (uint8_t)(trial->count * 37 + i + i / 256);

    uint32_t bytes = payload_frame_bytes(payload);

    if (trial->count == trial->frame_room) {
        trial->frame_room = trial->frame_room ? trial->frame_room * 2 : 64;
        trial->frames = realloc(trial->frames, trial->frame_room * sizeof(*trial->frames));
        assert_non_null(trial->frames);
    }
    if (trial->room - trial->size < bytes) {
        trial->room = 2 * (trial->room + bytes);
        trial->bytes = realloc(trial->bytes, trial->room);
        assert_non_null(trial->bytes);
    }
    trial->frames[trial->count] =
        (struct frame_kept){payload, trial->size, sequence_of(trial, trial->count), bytes, note};
    memcpy(trial->bytes + trial->size, payload->frame, bytes);
    trial->size += bytes;

    int error = note ? group_log_append_note(&trial->log, &trial->pool, payload)
                     : group_log_append(&trial->log, &trial->pool, payload);

    assert_int_equal(error, 0);
    if (!note)
        trial->newest = trial->count;
    trial->count++;
    assert_int_equal(trial->log.end, trial->size);
    assert_int_equal(trial->log.end_sequence, sequence_of(trial, trial->count));
}

static inline void append(struct trial *trial, uint32_t body_bytes)
{
    append_frame(trial, body_bytes, false);
}

/* The frame that position `at` is in; the number of frames at the log's end. */
static inline size_t frame_at(const struct trial *trial, uint64_t at)
{
    size_t low = 0, high = trial->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (trial->frames[middle].at + trial->frames[middle].bytes <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Messages that end in (from, to]. */
static inline uint64_t whole_frames(const struct trial *trial, uint64_t from, uint64_t to)
{
    return sequence_of(trial, frame_at(trial, to)) - sequence_of(trial, frame_at(trial, from));
}

/* Bytes between two positions that are notes'. */
static inline uint64_t note_bytes(const struct trial *trial, uint64_t from, uint64_t to)
{
    uint64_t bytes = 0;

    for (size_t i = frame_at(trial, from); i < trial->count && trial->frames[i].at < to; i++) {
        const struct frame_kept *frame = &trial->frames[i];
        uint64_t begin = frame->at > from ? frame->at : from, end = frame->at + frame->bytes;

        if (frame->note)
            bytes += (end < to ? end : to) - begin;
    }
    return bytes;
}

/* Whether a frame begins at `at`, or the log ends there. */
static inline bool is_boundary(const struct trial *trial, uint64_t at)
{
    size_t number = frame_at(trial, at);

    return at == (number < trial->count ? trial->frames[number].at : trial->size);
}

/* The pieces hold what the log has from position `at` on. Returns how many bytes. */
static inline uint64_t check_pieces(const struct trial *trial, uint64_t at,
                                    const struct iovec *pieces, unsigned count)
{
    uint64_t from = at;

    for (unsigned i = 0; i < count; i++) {
        assert_true(pieces[i].iov_len > 0 && at + pieces[i].iov_len <= trial->size);
        assert_memory_equal(pieces[i].iov_base, trial->bytes + at, pieces[i].iov_len);
        at += pieces[i].iov_len;
    }
    return at - from;
}

/* What those who keep up have yet to get is right. Returns how many bytes. */
static inline uint64_t check_pending(const struct trial *trial, unsigned max, uint64_t *frames)
{
    struct iovec pieces[64];
    uint64_t bytes, at = trial->log.flushed;
    unsigned count = group_log_pending(&trial->log, pieces, max, &bytes, frames);

    assert_true(count <= max);
    assert_int_equal(check_pieces(trial, at, pieces, count), bytes);
    if (count < max)
        assert_int_equal(at + bytes, trial->size);
    assert_int_equal(*frames, whole_frames(trial, at, at + bytes));
    assert_int_equal(group_log_note_bytes(&trial->log, bytes), note_bytes(trial, at, at + bytes));
    assert_true(is_boundary(trial, at + bytes));
    return bytes;
}

/* What the cursor has yet to send before `end` is right. Returns how many bytes. */
static inline uint64_t check_cursor_pending(const struct trial *trial,
                                            const struct log_cursor *cursor, uint64_t end,
                                            unsigned max)
{
    struct iovec pieces[64];
    uint64_t bytes;
    unsigned count = log_cursor_pending(cursor, end, pieces, max, &bytes);

    assert_true(count <= max);
    assert_int_equal(check_pieces(trial, cursor->at, pieces, count), bytes);
    if (count < max)
        assert_int_equal(cursor->at + bytes, end > cursor->at ? end : cursor->at);
    assert_int_equal(log_cursor_note_bytes(cursor, bytes),
                     note_bytes(trial, cursor->at, cursor->at + bytes));
    return bytes;
}

/* The cursor stands at `at` and knows which frame that is in, and the frame's rest. */
static inline void check_cursor(const struct trial *trial, const struct log_cursor *cursor,
                                uint64_t at)
{
    size_t number = frame_at(trial, at), size;
    uint64_t frame = number < trial->count ? trial->frames[number].at : trial->size;
    const uint8_t *rest = log_cursor_frame_rest(cursor, &size);

    assert_int_equal(cursor->at, at);
    assert_int_equal(cursor->frame, frame);
    assert_int_equal(cursor->sequence, sequence_of(trial, number));
    assert_int_equal(size, at == frame ? 0 : frame + trial->frames[number].bytes - at);
    if (size)
        assert_memory_equal(rest, trial->bytes + at, size);
    check_cursor_pending(trial, cursor, trial->size, 64);
}

/* All members that keep up get all that is pending. */
static inline void flush_all(struct trial *trial)
{
    while (group_log_dirty(&trial->log)) {
        uint64_t frames, bytes = check_pending(trial, 64, &frames);

        group_log_flushed(&trial->log, bytes, frames);
    }
    group_log_trim(&trial->log, &trial->pool);
}

static inline void assert_no_segments(const struct trial *trial)
{
    assert_null(trial->log.head);
    assert_null(trial->log.tail);
    assert_null(trial->log.flush_segment);
}

/* Segments that are kept for use. */
static inline uint32_t spares(const struct trial *trial)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < 4; i++)
        count += trial->pool.count[i];
    return count;
}

#endif
