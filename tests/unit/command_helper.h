/* Decodes commands written as a format, for the tests of the decoder. */
#ifndef SHARDCAST_TESTS_COMMAND_HELPER_H
#define SHARDCAST_TESTS_COMMAND_HELPER_H

#include "proto/command.h"
#include "proto/utf8.h"
#include "tests/unit/pack_format.h"

#define MESSAGE_BYTES 65536

/* A command decoded, with the bytes that it points into. */
struct decoded {
    int error;
    struct packed packed;
    struct command command;
    struct command_refusal refusal;
};

static inline struct decoded decode_packed(struct packed packed, uint64_t message_bytes)
{
    struct decoded decoded = {.packed = packed};
    struct command_scanner scanner;

    command_scanner_init(&scanner);
    assert_int_equal(command_scan(&scanner, packed.bytes, packed.size, SIZE_MAX), packed.size);
    memset(&decoded.command, 0xa5, sizeof(decoded.command)); /* the decoder relies on nothing */
    memset(&decoded.refusal, 0xa5, sizeof(decoded.refusal));
    decoded.error = command_decode(&decoded.command, packed.bytes, packed.size, message_bytes,
                                   &decoded.refusal);
    return decoded;
}

static inline struct decoded decode(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    struct packed packed = pack_format_v(format, &arguments);
    va_end(arguments);
    return decode_packed(packed, MESSAGE_BYTES);
}

static inline void decoded_free(struct decoded *decoded)
{
    command_clear(&decoded->command);
    command_clear(&decoded->command); /* may come twice */
    free(decoded->packed.bytes);
}

/* Refused with that code, in a message that has `word` in it; nothing is left to free. */
static inline void check_refused(struct decoded decoded, enum refusal code, const char *word,
                                 const char *file, int line)
{
    const char *message = decoded.refusal.message;
    size_t size = decoded.error == ERR_PROTOCOL ? strnlen(message, COMMAND_MESSAGE_MAX) : 0;

    if (decoded.error != ERR_PROTOCOL || decoded.refusal.code != code || !strstr(message, word)) {
        print_error("%s:%d: error %d, %s: %.*s\n", file, line, decoded.error,
                    decoded.error ? refusal_name(decoded.refusal.code) : "", (int)size, message);
        fail();
    }
    assert_in_range(size, 1, COMMAND_MESSAGE_MAX - 1);
    assert_true(utf8_valid(message, size));
    assert_null(decoded.command.payload);
    assert_null(decoded.command.names);
    free(decoded.packed.bytes);
}

#define REFUSED(code, word, ...) check_refused(decode(__VA_ARGS__), code, word, __FILE__, __LINE__)
#define BAD(word, ...)           REFUSED(REFUSAL_BAD_COMMAND, word, __VA_ARGS__)

#endif
