/* The outbox under random turns, with inboxes that are full most of the time. */
#include "tests/unit/outbox_helper.h"

#include "tests/unit/rng.h"

#define RECORDS_MAX 4000

struct play {
    struct world world;
    /* the turn in which each record was added, by lane and number */
    uint32_t turn_of[SHARDS + 1][OUTBOX_QUEUES][RECORDS_MAX];
    uint32_t added[SHARDS + 1][OUTBOX_QUEUES], got[SHARDS + 1][OUTBOX_QUEUES];
};

static void play_add(struct play *play, uint32_t to, enum outbox_queue queue, uint32_t turn,
                     uint32_t payload_bytes)
{
    uint32_t number = play->added[to][queue];

    if (number == RECORDS_MAX)
        return;
    play->added[to][queue]++;
    play->turn_of[to][queue][number] = turn;
    add_bytes(&play->world, to, queue, (uint64_t)queue << 32 | number, payload_bytes);
}

/* Each lane's records come one after the other; a normal one behind the critical ones of its turn
 * and before. Returns the turn of the latest answer among them. */
static uint32_t play_take(struct play *play, uint32_t to, struct batch *batch)
{
    struct record *record = NULL;
    uint32_t answered = 0;

    while ((record = batch_next(batch, record))) {
        unsigned queue = (unsigned)(record->hash >> 32);
        uint32_t number = (uint32_t)record->hash, turn = play->turn_of[to][queue][number];
        uint32_t critical = play->got[to][OUTBOX_CRITICAL];

        assert_int_equal(number, play->got[to][queue]);
        play->got[to][queue]++;
        if (queue != OUTBOX_CRITICAL && critical < play->added[to][OUTBOX_CRITICAL])
            assert_true(play->turn_of[to][OUTBOX_CRITICAL][critical] > turn);
        if (queue == OUTBOX_ANSWERS)
            answered = turn;
    }
    batch_discard(batch);
    return answered;
}

/* All that is in the inboxes is taken out. An answer of some turn went out only when all the rest
 * of that turn and before had. */
static void play_drain(struct play *play)
{
    uint32_t answered = 0;

    for (uint32_t to = 0; to <= SHARDS; to++) {
        for (struct batch *batch; (batch = inbox_pop(play->world.inboxes[to]));) {
            uint32_t turn = play_take(play, to, batch);

            answered = turn > answered ? turn : answered;
        }
    }
    for (uint32_t to = 0; to <= SHARDS; to++) {
        for (unsigned queue = OUTBOX_CRITICAL; queue <= OUTBOX_NORMAL; queue++) {
            uint32_t next = play->got[to][queue];

            if (to != SELF && next < play->added[to][queue])
                assert_true(play->turn_of[to][queue][next] > answered);
        }
    }
}

static void play_own(struct play *play)
{
    for (struct batch *batch; (batch = outbox_take_own(play->world.outbox));)
        play_take(play, SELF, batch);
}

static void random_turns_match_a_model(void **state)
{
    struct play *play = calloc(1, sizeof(*play));
    struct rng rng = {11};
    unsigned waited = 0;

    assert_non_null(play);
    world_init(&play->world, 1000);
    for (uint32_t turn = 1; turn < 4000; turn++) {
        for (uint64_t i = rng_below(&rng, 5); i; i--) {
            uint32_t to = (uint32_t)rng_below(&rng, SHARDS + 1);
            unsigned queue = (unsigned)rng_below(&rng, to == MAIN ? 2 : 3);

            uint32_t payload_bytes = (uint32_t)rng_below(&rng, 400);

            if (rng_once_in(&rng, 10))
                payload_bytes = 2 << 20; /* ends its batch, and waits until its queue is empty */
            play_add(play, to, queue, turn, payload_bytes);
        }
        if (rng_once_in(&rng, 3))
            play_own(play);
        waited += outbox_hand_over(play->world.outbox);
        if (rng_once_in(&rng, 4))
            play_drain(play);
    }
    assert_in_range(waited, 500, 3500);
    while (outbox_hand_over(play->world.outbox))
        play_drain(play);
    play_drain(play);
    play_own(play);
    assert_memory_equal(play->got, play->added, sizeof(play->got));
    world_free(&play->world);
    free(play);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_turns_match_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
