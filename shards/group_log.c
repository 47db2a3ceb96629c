#include "shards/group_log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"

/* Sizes of segments that copy: the first of a log is small, since most groups carry one message a
 * turn; each further one is of the next size. */
static const uint32_t class_bytes[4] = {1024, 4096, 16384, 65536};
static const uint32_t class_spares[4] = {1024, 256, 64, 32};

/* A frame of more than this is referred to and not copied. */
#define COPY_MAX 4096

#define NO_CLASS 4 /* refers to a payload */

struct segment {
    struct segment *next;
    uint64_t base; /* position of its first byte */
    uint32_t used, capacity;
    uint32_t cursors; /* that stand in it */
    uint32_t size_class;
    uint32_t note_count, note_room;
    uint64_t *notes;         /* positions of frames that are no messages, in order; allocated */
    struct payload *payload; /* one reference, where it refers to one */
    uint8_t *data;
};

static struct segment *segment_get(struct segment_pool *pool, uint32_t size_class)
{
    struct segment *segment = pool->spare[size_class];

    if (segment) {
        pool->spare[size_class] = segment->next;
        pool->count[size_class]--;
    } else {
        segment = malloc(sizeof(*segment) + class_bytes[size_class]);
        if (!segment)
            return NULL;
        memset(segment, 0, sizeof(*segment));
        segment->size_class = size_class;
        segment->capacity = class_bytes[size_class];
        segment->data = (uint8_t *)(segment + 1);
    }
    return segment;
}

static void segment_put(struct segment_pool *pool, struct segment *segment)
{
    uint32_t size_class = segment->size_class;

    if (segment->payload)
        payload_unref(segment->payload);
    free(segment->notes);
    segment->notes = NULL;
    segment->note_count = segment->note_room = 0;
    if (size_class < NO_CLASS && pool->count[size_class] < class_spares[size_class]) {
        segment->next = pool->spare[size_class];
        pool->spare[size_class] = segment;
        pool->count[size_class]++;
    } else {
        free(segment);
    }
}

static void log_link(struct group_log *log, struct segment *segment)
{
    segment->next = NULL;
    segment->base = log->end;
    segment->cursors = 0;
    if (log->tail)
        log->tail->next = segment;
    else
        log->head = segment;
    log->tail = segment;
    if (!log->flush_segment)
        log->flush_segment = segment;
}

/* A segment with room for `bytes` bytes more, at the log's end. */
static struct segment *log_room(struct group_log *log, struct segment_pool *pool, uint32_t bytes)
{
    struct segment *tail = log->tail;
    uint32_t size_class = 0;

    if (tail && tail->capacity - tail->used >= bytes)
        return tail;
    if (tail && tail->size_class != NO_CLASS)
        size_class = tail->size_class < 3 ? tail->size_class + 1 : 3;
    while (class_bytes[size_class] < bytes)
        size_class++;

    struct segment *segment = segment_get(pool, size_class);
    if (segment) {
        segment->used = 0;
        log_link(log, segment);
    }
    return segment;
}

static int log_append_reference(struct group_log *log, struct payload *payload)
{
    struct segment *segment = calloc(1, sizeof(*segment));

    if (!segment)
        return ERR_NOMEM;
    payload_ref(payload, 1);
    segment->payload = payload;
    segment->data = payload->frame;
    segment->used = segment->capacity = payload_frame_bytes(payload);
    segment->size_class = NO_CLASS;
    log_link(log, segment);
    return 0;
}

static int log_append_copy(struct group_log *log, struct segment_pool *pool, const uint8_t *frame,
                           uint32_t bytes)
{
    struct segment *segment = log_room(log, pool, bytes);

    if (!segment)
        return ERR_NOMEM;
    memcpy(segment->data + segment->used, frame, bytes);
    segment->used += bytes;
    return 0;
}

int group_log_append(struct group_log *log, struct segment_pool *pool, struct payload *payload)
{
    uint32_t bytes = payload_frame_bytes(payload);
    int error = bytes > COPY_MAX ? log_append_reference(log, payload)
                                 : log_append_copy(log, pool, payload->frame, bytes);

    if (error)
        return error;
    log->last_frame = log->end;
    log->end += bytes;
    log->end_sequence++;
    return 0;
}

/* That the frame at the log's end, which has just been copied there, is a note. */
static int note_add(struct segment *segment, uint64_t position)
{
    if (segment->note_count == segment->note_room) {
        uint32_t room = segment->note_room ? segment->note_room * 2 : 4;
        uint64_t *notes = realloc(segment->notes, room * sizeof(*notes));

        if (!notes)
            return ERR_NOMEM;
        segment->notes = notes;
        segment->note_room = room;
    }
    segment->notes[segment->note_count++] = position;
    return 0;
}

static int log_append_note(struct group_log *log, struct segment_pool *pool, const uint8_t *frame,
                           uint32_t bytes)
{
    if (log_append_copy(log, pool, frame, bytes))
        return ERR_NOMEM;
    if (note_add(log->tail, log->end)) {
        log->tail->used -= bytes;
        return ERR_NOMEM;
    }
    log->end += bytes;
    return 0;
}

int group_log_append_note(struct group_log *log, struct segment_pool *pool, struct payload *payload)
{
    uint32_t bytes = payload_frame_bytes(payload);

    assert(bytes <= class_bytes[NO_CLASS - 1]);
    return log_append_note(log, pool, payload->frame, bytes);
}

static bool is_note(const struct segment *segment, uint64_t position)
{
    uint32_t low = 0, high = segment->note_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (segment->notes[middle] == position)
            return true;
        if (segment->notes[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Bytes between two positions that are notes'; `segment` is not behind the first. */
static uint64_t note_bytes(const struct segment *segment, uint64_t from, uint64_t to)
{
    uint64_t bytes = 0;

    for (; segment && segment->base < to; segment = segment->next) {
        for (uint32_t i = 0; i < segment->note_count; i++) {
            uint64_t begin = segment->notes[i];
            uint64_t end = begin + frame_length(segment->data + (begin - segment->base));

            begin = begin > from ? begin : from;
            end = end < to ? end : to;
            if (begin < end)
                bytes += end - begin;
        }
    }
    return bytes;
}

/* Gathers from position `at` in `segment`, up to position `end`. */
static unsigned gather(struct segment *segment, uint64_t at, uint64_t end, struct iovec *pieces,
                       unsigned max, uint64_t *bytes)
{
    unsigned count = 0;

    *bytes = 0;
    for (; segment && count < max && at < end; segment = segment->next) {
        uint64_t segment_end = segment->base + segment->used;
        uint64_t upto = segment_end < end ? segment_end : end;

        if (at >= segment_end)
            continue;
        pieces[count].iov_base = segment->data + (at - segment->base);
        pieces[count].iov_len = upto - at;
        *bytes += upto - at;
        at = upto;
        count++;
    }
    return count;
}

/* Frames that begin in `bytes` bytes from a frame's start at `at`. */
static uint64_t count_frames(const struct segment *segment, uint64_t at, uint64_t bytes)
{
    uint64_t frames = 0, end = at + bytes;

    while (at < end) {
        while (at >= segment->base + segment->used)
            segment = segment->next;
        frames += !is_note(segment, at);
        at += frame_length(segment->data + (at - segment->base));
    }
    return frames;
}

unsigned group_log_pending(const struct group_log *log, struct iovec *pieces, unsigned max,
                           uint64_t *bytes, uint64_t *frames)
{
    unsigned count = gather(log->flush_segment, log->flushed, log->end, pieces, max, bytes);

    if (log->flushed + *bytes == log->end)
        *frames = log->end_sequence - log->flushed_sequence;
    else /* more segments than pieces: a rare turn */
        *frames = count_frames(log->flush_segment, log->flushed, *bytes);
    return count;
}

uint64_t group_log_note_bytes(const struct group_log *log, uint64_t bytes)
{
    return note_bytes(log->flush_segment, log->flushed, log->flushed + bytes);
}

void group_log_flushed(struct group_log *log, uint64_t bytes, uint64_t frames)
{
    log->flushed += bytes;
    log->flushed_sequence += frames;
    while (log->flush_segment &&
           log->flushed >= log->flush_segment->base + log->flush_segment->used &&
           log->flush_segment->next)
        log->flush_segment = log->flush_segment->next;
}

static void cursor_stand(struct log_cursor *cursor, struct segment *segment)
{
    cursor->segment->cursors--;
    segment->cursors++;
    cursor->segment = segment;
}

/* Moves the cursor to position `at`, which is no further than the end of the log. */
static uint64_t cursor_move(struct log_cursor *cursor, uint64_t at)
{
    struct segment *segment = cursor->segment;
    uint64_t finished = 0;

    cursor->at = at;
    for (;;) {
        while (cursor->frame >= segment->base + segment->used && segment->next)
            segment = segment->next;
        if (cursor->frame >= at || cursor->frame >= segment->base + segment->used)
            break;
        uint64_t next =
            cursor->frame + frame_length(segment->data + (cursor->frame - segment->base));
        if (next > at)
            break;
        finished += !is_note(segment, cursor->frame);
        cursor->frame = next;
    }
    cursor->sequence += finished;
    cursor_stand(cursor, segment);
    return finished;
}

uint64_t log_cursor_attach(struct log_cursor *cursor, const struct group_log *log, uint64_t sent)
{
    assert(log->flush_segment);
    *cursor = (struct log_cursor){.segment = log->flush_segment};
    cursor->segment->cursors++;
    cursor->at = cursor->frame = log->flushed;
    cursor->sequence = log->flushed_sequence;
    return cursor_move(cursor, log->flushed + sent);
}

unsigned log_cursor_pending(const struct log_cursor *cursor, uint64_t end, struct iovec *pieces,
                            unsigned max, uint64_t *bytes)
{
    return gather(cursor->segment, cursor->at, end, pieces, max, bytes);
}

uint64_t log_cursor_note_bytes(const struct log_cursor *cursor, uint64_t bytes)
{
    return note_bytes(cursor->segment, cursor->at, cursor->at + bytes);
}

uint64_t log_cursor_advance(struct log_cursor *cursor, uint64_t sent)
{
    return cursor_move(cursor, cursor->at + sent);
}

const uint8_t *log_cursor_frame_rest(const struct log_cursor *cursor, size_t *size)
{
    const struct segment *segment = cursor->segment;

    *size = 0;
    if (cursor->at == cursor->frame)
        return NULL;
    const uint8_t *frame = segment->data + (cursor->frame - segment->base);
    uint64_t done = cursor->at - cursor->frame;
    *size = frame_length(frame) - done;
    return frame + done;
}

uint64_t log_cursor_skip(struct log_cursor *cursor, const struct group_log *log)
{
    uint64_t before = cursor->sequence, newest = log_cursor_newest(cursor, log);

    if (cursor->frame >= newest)
        return 0;
    struct segment *segment = cursor->segment;
    while (newest >= segment->base + segment->used)
        segment = segment->next;
    cursor_stand(cursor, segment);
    cursor->at = cursor->frame = newest;
    cursor->sequence = log->end_sequence - 1;
    return cursor->sequence - before;
}

static void branch_free(struct log_cursor *cursor, struct segment_pool *pool)
{
    struct log_branch *branch = &cursor->branch;

    if (!branch->first)
        return;
    for (struct segment *segment = branch->first, *next; segment != branch->trunk; segment = next) {
        next = segment->next;
        segment_put(pool, segment);
    }
    branch->trunk->cursors--;
    branch->first = NULL;
}

void log_cursor_detach(struct log_cursor *cursor, struct segment_pool *pool)
{
    cursor->segment->cursors--;
    cursor->segment = NULL;
    branch_free(cursor, pool);
}

void log_cursor_prune(struct log_cursor *cursor, struct segment_pool *pool)
{
    if (cursor->branch.first && cursor->frame >= cursor->branch.end)
        branch_free(cursor, pool);
}

/* An empty segment at the log's end, where a branch can meet it. */
static struct segment *log_trunk(struct group_log *log, struct segment_pool *pool)
{
    struct segment *segment = log->tail;

    if (!segment || segment->used) {
        segment = segment_get(pool, 0);
        if (!segment)
            return NULL;
        segment->used = 0;
        log_link(log, segment);
    }
    return segment;
}

static int keep_frame(struct group_log *kept, struct segment_pool *pool,
                      const struct segment *segment, uint64_t at, uint32_t bytes)
{
    const uint8_t *frame = segment->data + (at - segment->base);

    if (is_note(segment, at))
        return log_append_note(kept, pool, frame, bytes);
    int error = segment->payload ? log_append_reference(kept, segment->payload)
                                 : log_append_copy(kept, pool, frame, bytes);
    kept->end += bytes;
    kept->end_sequence++;
    return error;
}

/* Those of the frames from the cursor's to the log's end that are not left out. */
static int keep_frames(const struct log_cursor *cursor, const struct group_log *log,
                       struct segment_pool *pool, const struct log_range *left_out, uint32_t count,
                       struct group_log *kept)
{
    const struct segment *segment = cursor->segment;
    uint64_t newest = log_cursor_newest(cursor, log);
    int error = 0;

    kept->last_frame = LOG_LEFT_OUT;
    for (uint64_t at = cursor->frame, next; !error && at < log->end; at = next) {
        while (at >= segment->base + segment->used)
            segment = segment->next;
        if (count && left_out->from == at) {
            next = left_out->to;
            left_out++;
            count--;
            continue;
        }
        next = at + frame_length(segment->data + (at - segment->base));
        if (at == newest)
            kept->last_frame = kept->end;
        error = keep_frame(kept, pool, segment, at, (uint32_t)(next - at));
    }
    return error;
}

int log_cursor_condense(struct log_cursor *cursor, struct group_log *log, struct segment_pool *pool,
                        const struct log_range *left_out, uint32_t count)
{
    struct group_log kept = {0};
    struct segment *trunk;

    assert(!group_log_dirty(log));
    trunk = log_trunk(log, pool);
    if (!trunk || keep_frames(cursor, log, pool, left_out, count, &kept)) {
        group_log_free(&kept, pool);
        return ERR_NOMEM;
    }

    uint64_t begin = log->end - kept.end;
    for (struct segment *segment = kept.head; segment; segment = segment->next) {
        segment->base += begin;
        for (uint32_t i = 0; i < segment->note_count; i++)
            segment->notes[i] += begin;
    }
    cursor_stand(cursor, kept.head ? kept.head : trunk);
    cursor->at = begin + (cursor->at - cursor->frame);
    cursor->frame = begin;
    cursor->sequence = log->end_sequence - kept.end_sequence;
    branch_free(cursor, pool);
    if (!kept.head)
        return 0;
    kept.tail->next = trunk;
    trunk->cursors++;
    cursor->branch = (struct log_branch){
        .first = kept.head,
        .trunk = trunk,
        .end = log->end,
        .newest = kept.last_frame == LOG_LEFT_OUT ? LOG_LEFT_OUT : begin + kept.last_frame,
    };
    return 0;
}

void group_log_trim(struct group_log *log, struct segment_pool *pool)
{
    while (log->head && !log->head->cursors && log->head->base + log->head->used <= log->flushed) {
        struct segment *segment = log->head;

        log->head = segment->next;
        if (segment == log->flush_segment)
            log->flush_segment = log->head;
        segment_put(pool, segment);
    }
    if (!log->head)
        log->tail = log->flush_segment = NULL;
}

void group_log_free(struct group_log *log, struct segment_pool *pool)
{
    while (log->head) {
        struct segment *segment = log->head;

        log->head = segment->next;
        segment_put(pool, segment);
    }
    memset(log, 0, sizeof(*log));
}

void segment_pool_free(struct segment_pool *pool)
{
    for (unsigned i = 0; i < 4; i++) {
        while (pool->spare[i]) {
            struct segment *segment = pool->spare[i];

            pool->spare[i] = segment->next;
            free(segment);
        }
        pool->count[i] = 0;
    }
}
