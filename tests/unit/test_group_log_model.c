/* The group log under random operations of members that keep up, fall behind, leave frames out and
 * catch up again, held against a model that keeps every frame. */
#include "tests/unit/group_log_helper.h"

#include "tests/unit/rng.h"

#define MEMBERS 6

/* A member keeps up, or is behind and has a cursor. */
struct member {
    bool behind;
    uint64_t at; /* where the cursor stands, says the model */
    struct log_cursor cursor;
};

struct play {
    struct trial trial;
    bool notes; /* between the messages */
    struct member members[MEMBERS];
    struct rng rng;
    uint32_t largest; /* body of a frame, in bytes */
};

static uint64_t below(struct play *play, uint64_t bound)
{
    return rng_below(&play->rng, bound);
}

static void append_some(struct play *play)
{
    for (uint64_t i = 1 + below(play, 5); i; i--) {
        uint32_t bytes = (uint32_t)below(play, 300);

        if (below(play, 4) == 0)
            bytes = (uint32_t)below(play, play->largest);
        else if (below(play, 20) == 0)
            bytes = 4080 + (uint32_t)below(play, 20); /* about where copying ends */
        append(&play->trial, bytes);
        while (play->notes && below(play, 3))
            append_frame(&play->trial, (uint32_t)below(play, 300), true);
    }
}

/* A member takes some of the `bytes` that are pending: mostly all. */
static void member_take(struct play *play, struct member *member, uint64_t bytes)
{
    struct trial *trial = &play->trial;
    uint64_t at = trial->log.flushed, sent = below(play, 4) ? bytes : below(play, bytes + 1);

    if (member->behind || sent == bytes)
        return;
    assert_int_equal(log_cursor_attach(&member->cursor, &trial->log, sent),
                     whole_frames(trial, at, at + sent));
    member->behind = true;
    member->at = at + sent;
    check_cursor(trial, &member->cursor, member->at);
}

static void flush_some(struct play *play)
{
    struct trial *trial = &play->trial;

    while (group_log_dirty(&trial->log)) {
        uint64_t frames, bytes = check_pending(trial, 1 + (unsigned)below(play, 8), &frames);

        for (unsigned i = 0; i < MEMBERS; i++)
            member_take(play, &play->members[i], bytes);
        group_log_flushed(&trial->log, bytes, frames);
        if (below(play, 10) == 0)
            break;
    }
}

static void member_send(struct play *play, struct member *member)
{
    struct trial *trial = &play->trial;
    uint64_t end = member->at + below(play, trial->size - member->at + 1);
    uint64_t bytes =
        check_cursor_pending(trial, &member->cursor, end, 1 + (unsigned)below(play, 8));
    uint64_t sent = below(play, 2) ? bytes : below(play, bytes + 1);

    assert_int_equal(log_cursor_advance(&member->cursor, sent),
                     whole_frames(trial, member->at, member->at + sent));
    member->at += sent;
}

/* Takes the rest of the frame that is under way out of the log. */
static void member_carry(struct play *play, struct member *member)
{
    size_t rest;
    const uint8_t *bytes = log_cursor_frame_rest(&member->cursor, &rest);

    if (!rest)
        return;
    assert_memory_equal(bytes, play->trial.bytes + member->at, rest);
    assert_int_equal(log_cursor_advance(&member->cursor, rest),
                     whole_frames(&play->trial, member->at, member->at + rest));
    member->at += rest;
}

static void member_step_over(struct play *play, struct member *member)
{
    if (member->at == play->trial.size || !is_boundary(&play->trial, member->at))
        return;
    uint32_t bytes = play->trial.frames[frame_at(&play->trial, member->at)].bytes;
    member->at += bytes;
    log_cursor_advance(&member->cursor, bytes);
}

static void member_skip(struct play *play, struct member *member)
{
    struct trial *trial = &play->trial;
    size_t number = frame_at(trial, member->at), newest = trial->newest;
    uint64_t left_out = log_cursor_skip(&member->cursor, &trial->log);

    if (number >= newest) {
        assert_int_equal(left_out, 0);
    } else {
        assert_int_equal(left_out, sequence_of(trial, newest) - sequence_of(trial, number));
        member->at = trial->frames[newest].at;
    }
}

/* Who has got all that was flushed, and no more, is no longer behind. */
static void member_catch_up(struct play *play, struct member *member)
{
    if (member->at != play->trial.log.flushed)
        return;
    log_cursor_detach(&member->cursor, &play->trial.pool);
    member->behind = false;
}

static void member_act(struct play *play, struct member *member)
{
    if (!member->behind)
        return;
    switch (below(play, 16)) {
    case 0:
        member_carry(play, member);
        break;
    case 1:
        member_step_over(play, member);
        break;
    case 2:
        member_carry(play, member);
        member_skip(play, member);
        break;
    case 3:
        member_skip(play, member);
        break;
    case 4: /* it leaves, and another one comes */
        log_cursor_detach(&member->cursor, &play->trial.pool);
        member->behind = false;
        return;
    default:
        member_send(play, member);
    }
    check_cursor(&play->trial, &member->cursor, member->at);
    member_catch_up(play, member);
}

/* After a trim the log refers to the large payloads that somebody has yet to get, and to no others
 * but that which ends where somebody stands. */
static void check_memory(struct play *play)
{
    const struct trial *trial = &play->trial;
    uint64_t needed = trial->log.flushed;

    group_log_trim(&play->trial.log, &play->trial.pool);
    for (unsigned i = 0; i < MEMBERS; i++)
        if (play->members[i].behind && play->members[i].cursor.frame < needed)
            needed = play->members[i].cursor.frame;
    for (size_t i = 0; i < trial->count; i++) {
        const struct frame_kept *frame = &trial->frames[i];

        if (frame->at + frame->bytes < needed)
            assert_int_equal(frame->payload->refs, 1);
        else if (frame->at + frame->bytes > needed)
            assert_int_equal(frame->payload->refs, frame->bytes > 4096 ? 2 : 1);
    }
}

/* Everybody gets everything: no memory is left in the log. */
static void quiet(struct play *play)
{
    struct trial *trial = &play->trial;

    flush_all(trial);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct member *member = &play->members[i];

        while (member->behind) {
            member_send(play, member);
            member_catch_up(play, member);
        }
    }
    group_log_trim(&trial->log, &trial->pool);
    assert_no_segments(trial);
    for (size_t i = 0; i < trial->count; i++)
        assert_int_equal(trial->frames[i].payload->refs, 1);
}

static void play_with(uint64_t seed, uint32_t largest, bool notes)
{
    struct play play = {.rng = {seed}, .largest = largest, .notes = notes};

    trial_init(&play.trial);
    for (unsigned step = 0; step < 400; step++) {
        append_some(&play);
        if (below(&play, 3))
            flush_some(&play);
        for (unsigned i = 0; i < MEMBERS; i++)
            member_act(&play, &play.members[below(&play, MEMBERS)]);
        if (below(&play, 4) == 0)
            check_memory(&play);
        if (below(&play, 100) == 0)
            quiet(&play);
    }
    quiet(&play);
    trial_free(&play.trial);
}

static void small_payloads(void **state)
{
    for (uint64_t seed = 0; seed < 4; seed++)
        play_with(seed, 500, seed % 2);
}

static void small_and_large_payloads(void **state)
{
    for (uint64_t seed = 10; seed < 14; seed++)
        play_with(seed, 9000, seed % 2);
}

static void very_large_payloads(void **state)
{
    for (uint64_t seed = 20; seed < 22; seed++)
        play_with(seed, 70000, seed % 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_payloads),
        cmocka_unit_test(small_and_large_payloads),
        cmocka_unit_test(very_large_payloads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
