/* Ids of clients: UUIDs, and no two the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shards/client_id.h"

static void an_id_is_a_uuid_of_version_4(void **state)
{
    for (uint32_t i = 0; i < 1000; i++) {
        char text[CLIENT_ID_BYTES + 1];

        text[CLIENT_ID_BYTES] = '!';
        client_id_write(text, i * 77, i % 3, (struct slot_ref){i, i / 2});
        assert_int_equal(text[CLIENT_ID_BYTES], '!');
        for (unsigned at = 0; at < CLIENT_ID_BYTES; at++) {
            if (at == 8 || at == 13 || at == 18 || at == 23)
                assert_int_equal(text[at], '-');
            else
                assert_non_null(memchr("0123456789abcdef", text[at], 16));
        }
        assert_int_equal(text[14], '4');
        assert_non_null(memchr("89ab", text[19], 4));
    }
}

static void the_same_connection_has_the_same_id(void **state)
{
    char one[CLIENT_ID_BYTES], other[CLIENT_ID_BYTES];

    client_id_write(one, 5, 1, (struct slot_ref){2, 3});
    client_id_write(other, 5, 1, (struct slot_ref){2, 3});
    assert_memory_equal(one, other, CLIENT_ID_BYTES);
    client_id_write(other, 6, 1, (struct slot_ref){2, 3}); /* another engine */
    assert_memory_not_equal(one, other, CLIENT_ID_BYTES);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, CLIENT_ID_BYTES);
}

static void ids_of_all_shards_differ(void **state)
{
    enum { SHARDS = 8, SLOTS = 500, GENERATIONS = 10, ALL = SHARDS * SLOTS * GENERATIONS };
    char(*ids)[CLIENT_ID_BYTES] = malloc(ALL * sizeof(*ids));
    size_t count = 0;

    assert_non_null(ids);
    for (uint32_t shard = 0; shard < SHARDS; shard++)
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            for (uint32_t generation = 0; generation < GENERATIONS; generation++)
                client_id_write(ids[count++], 42, shard, (struct slot_ref){slot, generation});
    qsort(ids, ALL, sizeof(*ids), compare);
    for (size_t i = 1; i < ALL; i++)
        assert_memory_not_equal(ids[i - 1], ids[i], CLIENT_ID_BYTES);
    free(ids);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_a_uuid_of_version_4),
        cmocka_unit_test(the_same_connection_has_the_same_id),
        cmocka_unit_test(ids_of_all_shards_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
