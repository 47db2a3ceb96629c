/* A cursor that leaves frames out and keeps the others for itself, under random operations, held
 * against a view of the log that has moved as the cursor's has. */
#include "tests/unit/group_log_helper.h"

#include "tests/unit/rng.h"

struct play {
    struct trial trial;
    struct trial view; /* no log: the frames and bytes at the positions that the cursor knows */
    struct log_cursor cursor;
    struct rng rng;
    struct log_range left_out[4096];
    uint32_t left_out_count;
    uint32_t largest;
    bool behind;
};

static uint64_t below(struct play *play, uint64_t bound)
{
    return rng_below(&play->rng, bound);
}

/* The view */

static void view_clear(struct trial *view)
{
    free(view->frames);
    free(view->bytes);
    trial_init(view);
}

/* Adds a frame whose bytes are these; the view's size is its position. */
static void view_add(struct trial *view, const struct frame_kept *frame, const uint8_t *bytes)
{
    if (view->count == view->frame_room) {
        view->frame_room = view->frame_room ? view->frame_room * 2 : 64;
        view->frames = realloc(view->frames, view->frame_room * sizeof(*view->frames));
        assert_non_null(view->frames);
    }
    if (view->room - view->size < frame->bytes) {
        view->room = 2 * (view->size + frame->bytes);
        view->bytes = realloc(view->bytes, view->room);
        assert_non_null(view->bytes);
    }
    memcpy(view->bytes + view->size, bytes, frame->bytes);
    view->frames[view->count] = *frame;
    view->frames[view->count].at = view->size;
    view->size += frame->bytes;
    if (!frame->note)
        view->newest = view->count;
    view->count++;
}

/* The view of a cursor that is new in the log: all of it. */
static void view_all(struct play *play)
{
    view_clear(&play->view);
    for (size_t i = 0; i < play->trial.count; i++)
        view_add(&play->view, &play->trial.frames[i], play->trial.bytes + play->trial.frames[i].at);
}

static bool is_left_out(const struct play *play, uint64_t at)
{
    for (uint32_t i = 0; i < play->left_out_count; i++)
        if (play->left_out[i].from <= at && at < play->left_out[i].to)
            return true;
    return false;
}

/* What is left of the view from the frame that the cursor is in on, moved to the log's end. */
static void view_condense(struct play *play)
{
    struct trial *old = &play->view, fresh;
    uint64_t kept = 0, messages = 0;
    size_t first = frame_at(old, play->cursor.frame), newest = SIZE_MAX;

    for (size_t i = first; i < old->count; i++) {
        if (is_left_out(play, old->frames[i].at))
            continue;
        kept += old->frames[i].bytes;
        messages += !old->frames[i].note;
    }
    trial_init(&fresh);
    fresh.size = play->trial.size - kept;
    fresh.room = play->trial.size;
    fresh.bytes = calloc(fresh.room + 1, 1);
    assert_non_null(fresh.bytes);
    uint64_t sequence = play->trial.log.end_sequence - messages;
    for (size_t i = first; i < old->count; i++) {
        struct frame_kept frame = old->frames[i];

        if (is_left_out(play, frame.at))
            continue;
        frame.sequence = sequence;
        sequence += !frame.note;
        if (i == old->newest)
            newest = fresh.count;
        view_add(&fresh, &frame, old->bytes + frame.at);
    }
    view_clear(old);
    *old = fresh;
    old->newest = newest;
}

/* Like check_cursor(), for a view in which the newest message may be left out. */
static void check(const struct play *play, uint64_t at)
{
    const struct trial *view = &play->view;
    size_t number = frame_at(view, at);

    assert_int_equal(play->cursor.at, at);
    if (number < view->count) {
        assert_int_equal(play->cursor.frame, view->frames[number].at);
        assert_int_equal(play->cursor.sequence, view->frames[number].sequence);
    } else {
        assert_int_equal(play->cursor.frame, view->size);
        assert_int_equal(play->cursor.sequence, play->trial.log.end_sequence);
    }
    check_cursor_pending(view, &play->cursor, view->size, 64);
    if (view->newest != SIZE_MAX && play->cursor.branch.first)
        assert_int_equal(log_cursor_newest(&play->cursor, &play->trial.log),
                         view->frames[view->newest].at);
}

/* Operations */

static void append_one(struct play *play, bool leave_out)
{
    struct trial *trial = &play->trial;
    uint32_t bytes = (uint32_t)below(play, below(play, 4) ? 300 : play->largest);
    bool note = !leave_out && below(play, 5) == 0;

    append_frame(trial, note ? bytes % 300 : bytes, note);
    const struct frame_kept *frame = &trial->frames[trial->count - 1];
    if (play->behind)
        view_add(&play->view, frame, trial->bytes + frame->at);
    if (!leave_out)
        return;
    struct log_range *last = &play->left_out[play->left_out_count];
    if (play->left_out_count && last[-1].to == frame->at)
        last[-1].to += frame->bytes;
    else
        play->left_out[play->left_out_count++] = (struct log_range){frame->at, trial->size};
}

static void fall_behind(struct play *play)
{
    struct trial *trial = &play->trial;
    uint64_t frames, bytes, sent;

    if (!group_log_dirty(&trial->log))
        append_one(play, false);
    bytes = check_pending(trial, 64, &frames);
    sent = below(play, bytes);
    log_cursor_attach(&play->cursor, &trial->log, sent);
    play->behind = true;
    play->left_out_count = 0;
    view_all(play);
    check(play, trial->log.flushed + sent);
}

static void let_go(struct play *play)
{
    log_cursor_detach(&play->cursor, &play->trial.pool);
    group_log_trim(&play->trial.log, &play->trial.pool);
    play->behind = false;
}

static void forget_left_out(struct play *play)
{
    while (play->left_out_count && play->left_out[0].to <= play->cursor.at) {
        play->left_out_count--;
        memmove(play->left_out, play->left_out + 1,
                play->left_out_count * sizeof(play->left_out[0]));
    }
}

/* As a member does whose socket takes some. */
static void send_some(struct play *play)
{
    while (play->left_out_count && play->left_out[0].from == play->cursor.at) {
        log_cursor_advance(&play->cursor, play->left_out[0].to - play->left_out[0].from);
        forget_left_out(play);
    }
    uint64_t end = play->left_out_count ? play->left_out[0].from : play->trial.log.flushed;
    uint64_t at = play->cursor.at;
    uint64_t bytes =
        check_cursor_pending(&play->view, &play->cursor, end, 1 + (unsigned)below(play, 8));
    uint64_t sent = below(play, 2) ? bytes : below(play, bytes + 1), messages = 0;

    for (size_t i = frame_at(&play->view, at); i < play->view.count; i++)
        messages += !play->view.frames[i].note &&
                    play->view.frames[i].at + play->view.frames[i].bytes <= at + sent;
    assert_int_equal(log_cursor_advance(&play->cursor, sent), messages);
    log_cursor_prune(&play->cursor, &play->trial.pool);
    group_log_trim(&play->trial.log, &play->trial.pool);
    check(play, at + sent);
    if (play->cursor.at == play->trial.size)
        let_go(play);
}

/* As member_skip() does between frames. */
static void skip_to_newest(struct play *play)
{
    const struct trial *view = &play->view;
    size_t number = frame_at(view, play->cursor.at);

    if (play->cursor.at != play->cursor.frame || view->newest == SIZE_MAX || number >= view->newest)
        return;
    if (is_left_out(play, view->frames[view->newest].at))
        return;
    uint64_t expected = view->frames[view->newest].sequence - view->frames[number].sequence;
    assert_int_equal(log_cursor_skip(&play->cursor, &play->trial.log), expected);
    forget_left_out(play);
    check(play, view->frames[view->newest].at);
    log_cursor_prune(&play->cursor, &play->trial.pool);
    group_log_trim(&play->trial.log, &play->trial.pool);
}

static void condense(struct play *play)
{
    struct trial *trial = &play->trial;
    uint64_t within = play->cursor.at - play->cursor.frame;

    flush_all(trial);
    view_condense(play);
    assert_int_equal(log_cursor_condense(&play->cursor, &trial->log, &trial->pool, play->left_out,
                                         play->left_out_count),
                     0);
    play->left_out_count = 0;
    group_log_trim(&trial->log, &trial->pool);
    check(play, (play->view.count ? play->view.frames[0].at : trial->size) + within);
    /* All that is left out is given back, and the rest is referred to once. */
    for (size_t i = 0; i < trial->count; i++) {
        uint32_t refs = 1;

        for (size_t j = 0; j < play->view.count; j++)
            if (play->view.frames[j].payload == trial->frames[i].payload &&
                trial->frames[i].bytes > 4096)
                refs = 2;
        assert_int_equal(trial->frames[i].payload->refs, refs);
    }
    if (play->cursor.at == trial->size)
        let_go(play);
}

static void act(struct play *play)
{
    if (!play->behind) {
        if (below(play, 2))
            fall_behind(play);
        return;
    }
    switch (below(play, 12)) {
    case 0:
        condense(play);
        break;
    case 1:
        skip_to_newest(play);
        break;
    case 2:
        let_go(play);
        break;
    case 3:
    case 4:
    case 5:
        send_some(play);
        break;
    default: /* something that is not for it */
        flush_all(&play->trial);
        if (play->left_out_count < 4096)
            append_one(play, true);
    }
}

static void play_with(uint64_t seed, uint32_t largest)
{
    struct play play = {.rng = {seed}, .largest = largest};

    trial_init(&play.trial);
    trial_init(&play.view);
    for (unsigned step = 0; step < 800; step++) {
        if (below(&play, 3) == 0)
            append_one(&play, false);
        if (below(&play, 3) == 0)
            flush_all(&play.trial);
        act(&play);
    }
    if (play.behind)
        let_go(&play);
    flush_all(&play.trial);
    assert_no_segments(&play.trial);
    view_clear(&play.view);
    trial_free(&play.trial);
}

static void small_payloads(void **state)
{
    for (uint64_t seed = 0; seed < 20; seed++)
        play_with(seed, 500);
}

static void large_payloads(void **state)
{
    for (uint64_t seed = 20; seed < 40; seed++)
        play_with(seed, 9000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_payloads),
        cmocka_unit_test(large_payloads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
