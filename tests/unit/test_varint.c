/* Protobuf's variable-length integers. */
#include "tests/unit/hex_helper.h"

#include "proto/varint.h"

static void both_ways(void **state)
{
    static const struct {
        uint64_t value;
        const char *text;
    } varints[] = {
        {0, "00"},
        {1, "01"},
        {127, "7f"},
        {128, "8001"},
        {300, "ac02"},
        {16383, "ff7f"},
        {16384, "808001"},
        {UINT32_MAX, "ffffffff0f"},
        {UINT64_MAX, "ffffffffffffffffff01"},
    };

    for (size_t i = 0; i < sizeof(varints) / sizeof(varints[0]); i++) {
        struct bytes bytes = hex(varints[i].text);
        const uint8_t *at = bytes.at;
        uint8_t out[VARINT_MAX];
        uint64_t value;

        assert_int_equal(varint_read(&value, &at, bytes.at + bytes.size), 0);
        assert_true(value == varints[i].value);
        assert_ptr_equal(at, bytes.at + bytes.size);
        assert_int_equal(varint_bytes(value), bytes.size);
        assert_ptr_equal(varint_write(out, value), out + bytes.size);
        assert_memory_equal(out, bytes.at, bytes.size);
    }
}

static void longer_forms_are_read(void **state)
{
    static const char *const texts[] = {"8500", "858000", "85808080808080808000"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bytes bytes = hex(texts[i]);
        const uint8_t *at = bytes.at;
        uint64_t value;

        assert_int_equal(varint_read(&value, &at, bytes.at + bytes.size), 0);
        assert_int_equal(value, 5);
        assert_ptr_equal(at, bytes.at + bytes.size);
    }
}

static void cut_or_too_long_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "80",
                                        "ffff",
                                        "ffffffffffffffffffff",
                                        "ffffffffffffffffffff01",
                                        "8080808080808080808000"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bytes bytes = hex(texts[i]);
        const uint8_t *at = bytes.at;
        uint64_t value;

        assert_int_equal(varint_read(&value, &at, bytes.at + bytes.size), ERR_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(longer_forms_are_read),
        cmocka_unit_test(cut_or_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
