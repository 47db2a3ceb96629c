/* Decodes one message of commands, for the tests of both forms. */
#ifndef SHARDCAST_TESTS_SDK_HELPER_H
#define SHARDCAST_TESTS_SDK_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/sdk_command.h"

#define COMMANDS_MAX 8

/* What a message held, up to its end or to what is malformed. */
struct message {
    uint8_t *bytes; /* of just that size, so that a sanitizer sees what is read beyond */
    int end;        /* 0 or the error */
    unsigned count;
    struct sdk_command commands[COMMANDS_MAX];
};

static inline struct message read_message(enum sdk_format format, const void *bytes, size_t size)
{
    struct message message = {.bytes = malloc(size ? size : 1)};
    struct sdk_commands commands;

    assert_non_null(message.bytes);
    if (size)
        memcpy(message.bytes, bytes, size);
    sdk_commands_begin(&commands, format, message.bytes, size);
    for (;;) {
        struct sdk_command *command = &message.commands[message.count];

        assert_true(message.count < COMMANDS_MAX);
        memset(command, 0xa5, sizeof(*command)); /* the decoder relies on nothing */
        message.end = sdk_commands_next(&commands, command);
        if (message.end != 1)
            return message;
        message.count++;
    }
}

static inline bool view_is(struct name_view view, const char *text)
{
    return view.bytes && view.size == strlen(text) && !memcmp(view.bytes, text, view.size);
}

/* One good command of that method; its channel, if it has one, is "g". To be freed. */
static inline struct message check_one(struct message message, enum sdk_method method,
                                       const char *file, int line)
{
    const struct sdk_command *command = &message.commands[0];

    if (message.end != 0 || message.count != 1 || command->method != method) {
        print_error("%s:%d: end %d, %u commands, the first %d\n", file, line, message.end,
                    message.count, message.count ? (int)command->method : -1);
        fail();
    }
    assert_string_equal(command->channel.bytes, command->channel.size ? "g" : "");
    assert_false(command->channel_bad);
    return message;
}

static inline void check_bad(struct message message, unsigned good, const char *file, int line)
{
    if (message.end != ERR_PROTOCOL || message.count != good) {
        print_error("%s:%d: end %d after %u commands\n", file, line, message.end, message.count);
        fail();
    }
    free(message.bytes);
}

#endif
