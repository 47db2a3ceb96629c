/* How the command decoder says what is wrong with a command. Internal to proto/command*.c. */
#ifndef SHARDCAST_PROTO_REFUSE_H
#define SHARDCAST_PROTO_REFUSE_H

#include <stddef.h>

#include "proto/command.h"

/* Somebody else's bytes in quotes, for a message: printable ASCII, the rest as \xNN, cut when long.
 */
struct quoted {
    char text[128];
};

const char *quote(struct quoted *quoted, const void *bytes, size_t size);

/* Fills `refusal` and returns ERR_PROTOCOL. The text must be ASCII (quote() what is not ours); it
 * is cut at COMMAND_MESSAGE_MAX. */
int refuse(struct command_refusal *refusal, enum refusal code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
