/* Disconnects of several groups: carried out once the homes of all have spoken. */
#include "shards/disconnects.h"

#include "tests/unit/home_helper.h"

static int setup_groups(void **state)
{
    int error = setup(state);

    if (!error) {
        struct fixture *fixture = *state;

        error = group_table_init(&fixture->shard.groups, &fixture->shard);
    }
    return error;
}

static int teardown_groups(void **state)
{
    struct fixture *fixture = *state;

    disconnects_free(fixture->shard.disconnects);
    group_table_free(&fixture->shard.groups);
    return teardown(state);
}

/* A home speaks of one part of a command. */
static void take(struct fixture *fixture, uint32_t reader, uint32_t sequence, uint32_t part,
                 uint32_t parts)
{
    static const char text[] = "roombye";
    struct record_close *close = calloc(1, sizeof(*close) + sizeof(text));

    assert_non_null(close);
    close->head = (struct record){
        .type = RECORD_CLOSE, .size = (uint16_t)(sizeof(*close) + sizeof(text)), .name_bytes = 4};
    close->command = (struct command_ref){7, 8, sequence, part};
    close->reader = reader;
    close->parts = parts;
    close->code = 3503;
    close->reason_bytes = 3;
    memcpy(close->name, text, sizeof(text));
    disconnects_take(&fixture->shard, close);
    free(close);
    hear(fixture);
}

/* Which parts of a command a reader was told of, as bits. */
static unsigned closed(const struct fixture *fixture, uint32_t reader, uint32_t sequence)
{
    unsigned parts = 0;

    for (unsigned i = 0; i < fixture->count; i++) {
        const struct record_closed *record = (struct record_closed *)fixture->heard[i].record;

        assert_int_equal(record->head.type, RECORD_CLOSED);
        assert_int_equal(record->connections, 0);
        assert_int_equal(fixture->heard[i].shard, reader);
        assert_int_equal(record->command.sequence, sequence);
        assert_int_equal(parts & 1u << record->command.part, 0);
        parts |= 1u << record->command.part;
    }
    return parts;
}

static void one_group_is_closed_at_once(void **state)
{
    struct fixture *fixture = *state;

    take(fixture, 2, 5, 0, 1);
    assert_int_equal(closed(fixture, 2, 5), 1);
}

static void several_wait_for_the_last(void **state)
{
    struct fixture *fixture = *state;

    take(fixture, 2, 5, 3, 4);
    take(fixture, 2, 5, 0, 4);
    take(fixture, 2, 5, 2, 4);
    assert_int_equal(fixture->count, 0);
    take(fixture, 2, 5, 1, 4);
    assert_int_equal(closed(fixture, 2, 5), 15);
    assert_null(fixture->shard.disconnects);
}

static void commands_are_told_apart(void **state)
{
    struct fixture *fixture = *state;

    take(fixture, 0, 5, 0, 2);
    take(fixture, 2, 5, 0, 2); /* another reader's producer in the same slot */
    take(fixture, 2, 6, 0, 2); /* its next command */
    assert_int_equal(fixture->count, 0);
    take(fixture, 2, 5, 1, 2);
    assert_int_equal(closed(fixture, 2, 5), 3);
    take(fixture, 2, 6, 1, 2);
    assert_int_equal(closed(fixture, 2, 6), 3);
    take(fixture, 0, 5, 1, 2);
    assert_int_equal(closed(fixture, 0, 5), 3);
    assert_null(fixture->shard.disconnects);
}

/* A sanitizer sees what is not given back. */
static void what_waits_is_forgotten(void **state)
{
    struct fixture *fixture = *state;

    take(fixture, 0, 5, 0, 3);
    take(fixture, 0, 5, 1, 3);
    take(fixture, 0, 6, 0, 2);
    assert_int_equal(fixture->count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_groups, teardown_groups)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(one_group_is_closed_at_once),
        TEST(several_wait_for_the_last),
        TEST(commands_are_told_apart),
        TEST(what_waits_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
