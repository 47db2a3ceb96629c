/* Payloads: their frame, and who published them. */
#include "tests/unit/sdk_payload_helper.h"

static void a_payload_is_a_frame(void **state)
{
    struct publisher publisher;
    struct payload *payload = payload_of(PAYLOAD_BINARY, "abc", 3);

    assert_false(payload_publisher(payload, &publisher));
    assert_int_equal(publisher.client.size, 0);
    assert_int_equal(publisher.user.size, 0);
    assert_int_equal(payload_frame_bytes(payload), 5);
    check_frame(payload, FRAME_BINARY, "abc", 3);
    check_frame(payload_of(PAYLOAD_TEXT, "", 0), FRAME_TEXT, "", 0);
    check_frame(payload_of(PAYLOAD_JSON, "{}", 2), FRAME_TEXT, "{}", 2);
}

static void check_publisher(const char *client, const char *user)
{
    struct publisher publisher = publisher_of(client, user), kept;
    struct payload *payload = payload_new_published(PAYLOAD_TEXT, 2, &publisher);

    assert_non_null(payload);
    memcpy(payload_body(payload), "hi", 2);
    assert_true(payload_publisher(payload, &kept));
    assert_int_equal(kept.client.size, strlen(client));
    assert_memory_equal(kept.client.bytes, client, strlen(client));
    assert_int_equal(kept.user.size, strlen(user));
    assert_memory_equal(kept.user.bytes, user, strlen(user));
    check_frame(payload, FRAME_TEXT, "hi", 2); /* which is the same as without */
}

static void a_payload_keeps_who_published_it(void **state)
{
    char longest[PUBLISHER_BYTES_MAX + 1] = "";

    memset(longest, 'x', PUBLISHER_BYTES_MAX);
    check_publisher("0b1c", "ann");
    check_publisher("c", "");
    check_publisher(longest, longest);
}

static void a_payload_without_publisher_is_no_larger_for_it(void **state)
{
    assert_int_equal(offsetof(struct payload, frame), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_is_a_frame),
        cmocka_unit_test(a_payload_keeps_who_published_it),
        cmocka_unit_test(a_payload_without_publisher_is_no_larger_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
