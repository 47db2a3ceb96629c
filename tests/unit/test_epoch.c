/* Epochs as text: what this engine writes it reads back, and takes nothing else for its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "shards/epoch.h"
#include "tests/unit/rng.h"

static void what_is_written_is_read_back(void **state)
{
    struct rng rng = {3};
    char text[EPOCH_TEXT_MAX];

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t epoch = rng_next(&rng) >> rng_below(&rng, 64);

        if (epoch == EPOCH_NONE || epoch == EPOCH_OTHER)
            continue;
        assert_int_equal(strlen(epoch_text(epoch, text)), 13);
        assert_true(epoch_read(text, 13) == epoch);
    }
    assert_true(epoch_read(epoch_text(1, text), 13) == 1);
    assert_true(epoch_read(epoch_text(UINT64_MAX - 1, text), 13) == UINT64_MAX - 1);
}

static void anything_else_is_no_epoch_of_this_engine(void **state)
{
    static const char *const texts[] = {
        "0",
        "_",
        "abc",
        "0000000000000", /* what no group has is not written */
        "3w5e11264sgsg", /* 2^64 */
        "zzzzzzzzzzzzz",
        "000000000000A",
        "000000000000-",
        "00000000000 1",
        "00000000000001",
        "abcdefghijklmnopqrstuvwxyz012345",
    };
    char text[EPOCH_TEXT_MAX];

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(epoch_read(texts[i], strlen(texts[i])) == EPOCH_OTHER);
    assert_true(epoch_read(epoch_text(EPOCH_OTHER, text), 13) == EPOCH_OTHER);
    assert_true(epoch_read("", 0) == EPOCH_NONE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(anything_else_is_no_epoch_of_this_engine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
