/* What the group log's bookkeeping costs a message of a turn, without the members' sockets: to
 * append it, and the turn's share of gathering, moving on and trimming; with one member that is
 * behind, its cursor's share as well. Beside it stands what a server with a queue for each member
 * pays for every one of them: to copy the frame. So the ratio is the number of members from which
 * on a log is the cheaper way.
 *
 *     micro_group_log [ROUNDS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/micro.h"
#include "shards/group_log.h"

#define PIECES      64
#define QUEUE_BYTES (4u << 20)

struct state {
    struct group_log log;
    struct segment_pool pool;
    struct payload *payload;
    uint32_t frames; /* of a turn */
    uint8_t *queue;  /* of the peer's member */
    size_t queued;
};

/* Flushes all that is pending, as to members that keep up. */
static void flush(struct state *state)
{
    while (group_log_dirty(&state->log)) {
        struct iovec pieces[PIECES];
        uint64_t bytes, frames;

        micro_use(pieces + group_log_pending(&state->log, pieces, PIECES, &bytes, &frames));
        group_log_flushed(&state->log, bytes, frames);
    }
    group_log_trim(&state->log, &state->pool);
}

static void append(struct state *state)
{
    if (group_log_append(&state->log, &state->pool, state->payload))
        micro_die("out of memory");
}

static void turns(void *context, uint64_t times)
{
    struct state *state = context;

    while (times) {
        uint64_t frames = times < state->frames ? times : state->frames;

        for (uint64_t i = 0; i < frames; i++)
            append(state);
        flush(state);
        times -= frames;
    }
}

/* A member that gets each turn's bytes one turn later. */
static void turns_with_one_behind(void *context, uint64_t times)
{
    struct state *state = context;
    struct log_cursor cursor;

    append(state);
    log_cursor_attach(&cursor, &state->log, 0);
    flush(state);
    while (times) {
        uint64_t frames = times < state->frames ? times : state->frames, end = state->log.end;

        for (uint64_t i = 0; i < frames; i++)
            append(state);
        flush(state);
        while (cursor.at < end) {
            struct iovec pieces[PIECES];
            uint64_t bytes;

            micro_use(pieces + log_cursor_pending(&cursor, end, pieces, PIECES, &bytes));
            log_cursor_advance(&cursor, bytes);
        }
        group_log_trim(&state->log, &state->pool);
        times -= frames;
    }
    log_cursor_detach(&cursor, &state->pool);
    group_log_trim(&state->log, &state->pool);
}

static void copies(void *context, uint64_t times)
{
    struct state *state = context;
    uint32_t bytes = payload_frame_bytes(state->payload);

    for (; times; times--) {
        if (QUEUE_BYTES - state->queued < bytes)
            state->queued = 0;
        memcpy(state->queue + state->queued, state->payload->frame, bytes);
        micro_use(state->queue + state->queued);
        state->queued += bytes;
    }
}

static void measure(uint32_t body_bytes, uint32_t frames, unsigned rounds)
{
    struct state state = {.frames = frames};

    state.payload = payload_new(PAYLOAD_TEXT, body_bytes);
    state.queue = calloc(1, QUEUE_BYTES);
    if (!state.payload || !state.queue)
        micro_die("out of memory");
    memset(payload_body(state.payload), 'x', body_bytes);
    struct micro_figure own = micro_measure(turns, &state, rounds);
    micro_print(own, "append and flush: %u bytes, %u a turn", body_bytes, frames);
    micro_print(micro_measure(turns_with_one_behind, &state, rounds),
                "append and flush, a member behind: %u bytes, %u a turn", body_bytes, frames);
    micro_print_peer(micro_measure(copies, &state, rounds), own,
                     "copy for one member: %u bytes, %u a turn", body_bytes, frames);
    group_log_free(&state.log, &state.pool);
    segment_pool_free(&state.pool);
    payload_unref(state.payload);
    free(state.queue);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {16, 128, 1024, 16384};
    unsigned rounds = micro_rounds(argc, argv);

    micro_print_machine(rounds, "ns per message");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        measure(sizes[i], 1, rounds);
        measure(sizes[i], 30, rounds);
    }
    return 0;
}
