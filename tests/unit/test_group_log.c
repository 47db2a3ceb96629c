/* The group log: small cases by hand. test_group_log_model.c has the random ones. */
#include "tests/unit/group_log_helper.h"

static void frames_come_out_as_they_went_in(void **state)
{
    struct trial trial;
    uint64_t bytes, frames;
    struct iovec pieces[4];

    trial_init(&trial);
    assert_false(group_log_dirty(&trial.log));
    assert_int_equal(group_log_pending(&trial.log, pieces, 4, &bytes, &frames), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(frames, 0);
    append(&trial, 2);
    append(&trial, 0);
    append(&trial, 125);
    append(&trial, 126);
    assert_true(group_log_dirty(&trial.log));
    assert_int_equal(check_pending(&trial, 4, &frames), trial.size);
    assert_int_equal(frames, 4);

    /* Looking moves nothing. */
    assert_int_equal(check_pending(&trial, 4, &frames), trial.size);
    group_log_flushed(&trial.log, trial.size, frames);
    assert_false(group_log_dirty(&trial.log));
    trial_free(&trial);
}

static void a_group_that_keeps_up_holds_no_memory(void **state)
{
    struct trial trial;

    trial_init(&trial);
    for (unsigned i = 0; i < 1000; i++) {
        append(&trial, i % 7 == 0 ? 20000 : i % 900);
        append(&trial, 30);
        flush_all(&trial);
        assert_no_segments(&trial);
        /* All of one turn lay in at most two segments: no more are ever kept for the next. */
        assert_in_range(spares(&trial), 0, 4);
    }
    trial_free(&trial);
}

static void what_is_kept_for_use_is_bounded(void **state)
{
    struct trial trial;

    trial_init(&trial);
    for (unsigned i = 0; i < 3000; i++)
        append(&trial, 4000);
    flush_all(&trial);
    assert_no_segments(&trial);
    assert_in_range(spares(&trial), 1, 64);
    trial_free(&trial);
}

/* The frame with its header decides: up to 4 KiB are copied. */
static void a_large_payload_is_not_copied(void **state)
{
    struct trial trial;
    struct iovec pieces[4];
    uint64_t bytes, frames;

    trial_init(&trial);
    append(&trial, 4092);
    append(&trial, 4093);
    append(&trial, 10);
    assert_int_equal(trial.frames[0].payload->refs, 1);
    assert_int_equal(trial.frames[1].payload->refs, 2);
    assert_int_equal(group_log_pending(&trial.log, pieces, 4, &bytes, &frames), 3);
    assert_ptr_equal(pieces[1].iov_base, trial.frames[1].payload->frame);
    assert_int_equal(pieces[1].iov_len, 4097);
    check_pending(&trial, 4, &frames);
    flush_all(&trial);
    assert_no_segments(&trial);
    assert_int_equal(trial.frames[1].payload->refs, 1);
    trial_free(&trial);
}

/* Small frames between large ones do not take the largest segments: those who are behind would pay
 * many times what they lag by. */
static void small_frames_behind_large_ones_take_small_segments(void **state)
{
    struct trial trial;

    trial_init(&trial);
    for (unsigned i = 0; i < 20; i++) {
        append(&trial, 5000);
        append(&trial, 10);
    }
    flush_all(&trial);
    assert_no_segments(&trial);
    assert_int_equal(trial.pool.count[0], 20);
    assert_int_equal(spares(&trial), 20);
    trial_free(&trial);
}

static void more_segments_than_pieces(void **state)
{
    struct trial trial;
    uint64_t frames, bytes = 0, all = 0;
    unsigned rounds = 0;

    trial_init(&trial);
    for (unsigned i = 0; i < 150; i++)
        append(&trial, i % 3 ? 5000 + i : i);
    while (group_log_dirty(&trial.log)) {
        uint64_t part = check_pending(&trial, 64, &frames);

        group_log_flushed(&trial.log, part, frames);
        group_log_trim(&trial.log, &trial.pool);
        bytes += part;
        all += frames;
        rounds++;
    }
    assert_int_equal(bytes, trial.size);
    assert_int_equal(all, 150);
    assert_int_equal(rounds, 3);
    assert_no_segments(&trial);
    trial_free(&trial);
}

/* A socket may take any number of bytes of what is pending. */
static void a_cursor_begins_at_any_byte(void **state)
{
    static const uint32_t bodies[] = {0, 1, 125, 126, 900, 3, 4100, 7, 1020, 2};
    struct trial trial;

    trial_init(&trial);
    for (unsigned i = 0; i < 10; i++)
        append(&trial, bodies[i]);
    uint64_t size = trial.size;

    for (uint64_t sent = 0; sent <= size; sent++) {
        struct log_cursor cursor;
        uint64_t finished = log_cursor_attach(&cursor, &trial.log, sent);

        assert_int_equal(finished, whole_frames(&trial, 0, sent));
        check_cursor(&trial, &cursor, sent);
        log_cursor_detach(&cursor, &trial.pool);
    }
    flush_all(&trial);
    assert_no_segments(&trial);
    trial_free(&trial);
}

/* ... and so may it later on. */
static void a_cursor_moves_by_any_number_of_bytes(void **state)
{
    static const uint32_t bodies[] = {0, 1, 125, 126, 900, 3, 4090, 5000, 7, 5001};

    for (unsigned by = 1; by < 16000; by = by < 50 ? by + 1 : by * 2 + 1) {
        struct trial trial;
        struct log_cursor cursor;
        uint64_t at = 0;

        trial_init(&trial);
        for (unsigned i = 0; i < 10; i++)
            append(&trial, bodies[i]);
        log_cursor_attach(&cursor, &trial.log, 0);
        flush_all(&trial);
        while (at < trial.size) {
            uint64_t sent = by < trial.size - at ? by : trial.size - at;

            assert_int_equal(log_cursor_advance(&cursor, sent),
                             whole_frames(&trial, at, at + sent));
            at += sent;
            check_cursor(&trial, &cursor, at);
        }
        assert_true(log_cursor_at_end(&cursor, &trial.log));
        log_cursor_detach(&cursor, &trial.pool);
        group_log_trim(&trial.log, &trial.pool);
        assert_no_segments(&trial);
        trial_free(&trial);
    }
}

/* Whoever is behind keeps what lies behind its cursor, and nothing before it. */
static void a_cursor_keeps_only_what_it_needs(void **state)
{
    struct trial trial;
    struct log_cursor slow, slower;

    trial_init(&trial);
    for (unsigned i = 0; i < 10; i++)
        append(&trial, 5000); /* each a segment of its own */
    log_cursor_attach(&slow, &trial.log, 0);
    log_cursor_attach(&slower, &trial.log, 0);
    flush_all(&trial);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(trial.frames[i].payload->refs, 2);

    log_cursor_advance(&slow, 5 * 5004);
    log_cursor_advance(&slower, 2 * 5004 + 1);
    group_log_trim(&trial.log, &trial.pool);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(trial.frames[i].payload->refs, i < 2 ? 1 : 2);
    log_cursor_detach(&slower, &trial.pool);
    group_log_trim(&trial.log, &trial.pool);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(trial.frames[i].payload->refs, i < 5 ? 1 : 2);
    log_cursor_advance(&slow, 5 * 5004);
    log_cursor_detach(&slow, &trial.pool);
    group_log_trim(&trial.log, &trial.pool);
    assert_no_segments(&trial);
    trial_free(&trial);
}

/* Who has caught up waits in the last segment, and goes on in the next one. */
static void a_cursor_at_the_end_goes_on(void **state)
{
    struct trial trial;
    struct log_cursor cursor;

    trial_init(&trial);
    append(&trial, 1000);
    log_cursor_attach(&cursor, &trial.log, trial.size);
    flush_all(&trial);
    assert_true(log_cursor_at_end(&cursor, &trial.log));
    for (unsigned i = 0; i < 50; i++) {
        append(&trial, i % 3 ? 900 : 6000);
        flush_all(&trial);
        check_cursor(&trial, &cursor, trial.frames[trial.count - 1].at);
        log_cursor_advance(&cursor, trial.size - cursor.at);
        check_cursor(&trial, &cursor, trial.size);
        group_log_trim(&trial.log, &trial.pool);
    }
    log_cursor_detach(&cursor, &trial.pool);
    group_log_trim(&trial.log, &trial.pool);
    assert_no_segments(&trial);
    trial_free(&trial);
}

static void pending_ends_where_it_is_told(void **state)
{
    struct trial trial;
    struct log_cursor cursor;

    trial_init(&trial);
    append(&trial, 700);
    append(&trial, 700);
    append(&trial, 6000);
    log_cursor_attach(&cursor, &trial.log, 0);
    for (uint64_t end = 0; end <= trial.size; end += 7)
        assert_int_equal(check_cursor_pending(&trial, &cursor, end, 64), end);
    assert_int_equal(check_cursor_pending(&trial, &cursor, trial.size, 1), 704);
    log_cursor_detach(&cursor, &trial.pool);
    trial_free(&trial);
}

static void stepping_over_leaves_out_one_frame(void **state)
{
    struct trial trial;
    struct log_cursor cursor;

    trial_init(&trial);
    for (unsigned i = 0; i < 20; i++)
        append(&trial, i % 4 ? 800 : 5000);
    log_cursor_attach(&cursor, &trial.log, 0);
    for (unsigned i = 0; i < 20; i++) {
        check_cursor(&trial, &cursor, trial.frames[i].at);
        log_cursor_advance(&cursor, trial.frames[i].bytes);
    }
    check_cursor(&trial, &cursor, trial.size);
    log_cursor_detach(&cursor, &trial.pool);
    trial_free(&trial);
}

static void skipping_leaves_the_newest(void **state)
{
    struct trial trial;
    struct log_cursor cursor;

    trial_init(&trial);
    for (unsigned i = 0; i < 10; i++)
        append(&trial, i % 4 ? 800 : 5000);
    log_cursor_attach(&cursor, &trial.log, 0);
    flush_all(&trial);
    log_cursor_advance(&cursor, trial.frames[2].at);
    assert_int_equal(log_cursor_skip(&cursor, &trial.log), 7);
    check_cursor(&trial, &cursor, trial.frames[9].at);
    assert_int_equal(log_cursor_skip(&cursor, &trial.log), 0); /* there is the newest only */
    log_cursor_advance(&cursor, 3);
    assert_int_equal(log_cursor_skip(&cursor, &trial.log), 0); /* it is under way */
    check_cursor(&trial, &cursor, trial.frames[9].at + 3);
    log_cursor_advance(&cursor, trial.size - cursor.at);
    assert_int_equal(log_cursor_skip(&cursor, &trial.log), 0); /* nothing waits */
    check_cursor(&trial, &cursor, trial.size);

    /* What was skipped is not kept. */
    group_log_trim(&trial.log, &trial.pool);
    for (unsigned i = 0; i < 8; i += 4)
        assert_int_equal(trial.frames[i].payload->refs, 1);
    log_cursor_detach(&cursor, &trial.pool);
    trial_free(&trial);
}

/* As whoever carries the rest of the frame that the kernel has begun. */
static void skipping_in_the_middle_of_a_frame(void **state)
{
    struct trial trial;
    struct log_cursor cursor;
    size_t rest;

    trial_init(&trial);
    for (unsigned i = 0; i < 10; i++)
        append(&trial, 800);
    log_cursor_attach(&cursor, &trial.log, trial.frames[1].at + 300);
    log_cursor_frame_rest(&cursor, &rest);
    assert_int_equal(rest, 504);
    assert_int_equal(log_cursor_advance(&cursor, rest), 1);
    assert_int_equal(log_cursor_skip(&cursor, &trial.log), 7);
    check_cursor(&trial, &cursor, trial.frames[9].at);
    log_cursor_detach(&cursor, &trial.pool);

    /* Without taking its rest, the frame that was begun is one of those left out. */
    log_cursor_attach(&cursor, &trial.log, trial.frames[1].at + 300);
    assert_int_equal(log_cursor_skip(&cursor, &trial.log), 8);
    check_cursor(&trial, &cursor, trial.frames[9].at);
    log_cursor_detach(&cursor, &trial.pool);
    trial_free(&trial);
}

static void a_note_is_sent_and_counted_nowhere(void **state)
{
    struct trial trial;
    uint64_t frames;

    trial_init(&trial);
    append_frame(&trial, 40, true); /* before any message */
    assert_int_equal(check_pending(&trial, 4, &frames), 42);
    assert_int_equal(frames, 0);
    append(&trial, 10);
    append_frame(&trial, 20, true);
    append_frame(&trial, 30, true);
    assert_int_equal(check_pending(&trial, 4, &frames), 42 + 12 + 22 + 32);
    assert_int_equal(frames, 1);
    assert_int_equal(group_log_note_bytes(&trial.log, 42 + 12 + 22 + 32), 42 + 22 + 32);
    assert_int_equal(group_log_note_bytes(&trial.log, 1), 1);
    flush_all(&trial);
    assert_no_segments(&trial);

    /* The notes of a segment are forgotten with it. */
    append(&trial, 40);
    assert_int_equal(check_pending(&trial, 4, &frames), 42);
    assert_int_equal(frames, 1);
    assert_int_equal(group_log_note_bytes(&trial.log, 42), 0);
    trial_free(&trial);
}

static void a_cursor_passes_notes_without_counting(void **state)
{
    struct trial trial;
    struct log_cursor cursor;
    uint64_t begin = 0, end;

    trial_init(&trial);
    for (unsigned i = 0; i < 400; i++)
        append_frame(&trial, i % 50, i % 3 != 0);
    end = trial.size;
    assert_int_equal(log_cursor_attach(&cursor, &trial.log, begin), 0);
    while (cursor.at < end) {
        uint64_t at = cursor.at, bytes = 1 + at % 97 < end - at ? 1 + at % 97 : end - at;

        assert_int_equal(log_cursor_note_bytes(&cursor, bytes), note_bytes(&trial, at, at + bytes));
        assert_int_equal(log_cursor_advance(&cursor, bytes), whole_frames(&trial, at, at + bytes));
        check_cursor(&trial, &cursor, at + bytes);
    }
    assert_int_equal(cursor.sequence, 134);
    log_cursor_detach(&cursor, &trial.pool);
    trial_free(&trial);
}

static void skipping_leaves_the_newest_message_and_what_follows(void **state)
{
    struct trial trial;
    struct log_cursor cursor;

    trial_init(&trial);
    for (unsigned i = 0; i < 5; i++) {
        append_frame(&trial, 20, true);
        append(&trial, 10);
    }
    append_frame(&trial, 30, true);
    log_cursor_attach(&cursor, &trial.log, 0);
    assert_int_equal(log_cursor_skip(&cursor, &trial.log), 4);
    check_cursor(&trial, &cursor, trial.frames[9].at);
    assert_int_equal(log_cursor_advance(&cursor, trial.size - cursor.at), 1);
    assert_true(log_cursor_at_end(&cursor, &trial.log));

    /* Behind the newest message there is nothing to be left out. */
    append_frame(&trial, 30, true);
    assert_int_equal(log_cursor_skip(&cursor, &trial.log), 0);
    check_cursor(&trial, &cursor, trial.frames[11].at);
    log_cursor_detach(&cursor, &trial.pool);
    trial_free(&trial);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_as_they_went_in),
        cmocka_unit_test(a_group_that_keeps_up_holds_no_memory),
        cmocka_unit_test(what_is_kept_for_use_is_bounded),
        cmocka_unit_test(a_large_payload_is_not_copied),
        cmocka_unit_test(small_frames_behind_large_ones_take_small_segments),
        cmocka_unit_test(more_segments_than_pieces),
        cmocka_unit_test(a_cursor_begins_at_any_byte),
        cmocka_unit_test(a_cursor_moves_by_any_number_of_bytes),
        cmocka_unit_test(a_cursor_keeps_only_what_it_needs),
        cmocka_unit_test(a_cursor_at_the_end_goes_on),
        cmocka_unit_test(pending_ends_where_it_is_told),
        cmocka_unit_test(stepping_over_leaves_out_one_frame),
        cmocka_unit_test(skipping_leaves_the_newest),
        cmocka_unit_test(skipping_in_the_middle_of_a_frame),
        cmocka_unit_test(a_note_is_sent_and_counted_nowhere),
        cmocka_unit_test(a_cursor_passes_notes_without_counting),
        cmocka_unit_test(skipping_leaves_the_newest_message_and_what_follows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
