/* The Centrifuge client protocol: commands of clients, from bytes to structs.
 *
 * A WebSocket message holds one or more commands: JSON objects, one a line, or Protobuf messages,
 * each behind its length. Nothing is allocated and the bytes are not changed: a command holds its
 * names, and points into the message with data and token, which must therefore stay as long as the
 * command is used. Pure, in constant stack; any bytes may be given, but JSON must be UTF-8 already
 * (a text message is).
 *
 * What is taken: unknown fields are skipped; in JSON null is an absent field, except for `data`; of
 * a field given twice the last counts, objects given twice are merged. What is not: see
 * sdk_commands_next(). */
#ifndef SHARDCAST_PROTO_SDK_COMMAND_H
#define SHARDCAST_PROTO_SDK_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/command.h"
#include "proto/error.h"
#include "proto/group_name.h"
#include "proto/payload.h"
#include "proto/sdk.h"

/* Where a client says that it stands. */
struct sdk_position {
    uint64_t offset;           /* absent: 0 */
    char epoch[EPOCH_MAX + 1]; /* NUL-ended; "": absent, so any; what can be no epoch is "_" */
};

struct sdk_command {
    enum sdk_method method;
    uint64_t id; /* 0: none, which is so with SDK_PONG and may be so with SDK_SEND */

    /* All that name a channel: subscribe, unsubscribe, publish, presence, presence_stats, history,
     * sub_refresh. A name that is no group's is said to be bad, and then cut; else it is one that
     * group_name_valid() takes. */
    bool channel_bad; /* to be answered SDK_ERROR_BAD_REQUEST */
    struct command_name channel;

    struct name_view token; /* connect, subscribe, refresh, sub_refresh; as it stands between its
                               quotes (a JWT has nothing to escape); bytes NULL: none */

    /* subscribe: a position with `recover`; history: one with `has_since` */
    bool recover;
    bool has_since;
    struct sdk_position position;

    /* subscribe */
    bool positioned, recoverable; /* asked for; with history they are answered in any case */
    bool join_leave;
    int64_t flag; /* see SDK_FLAG_… */

    int64_t type; /* subscribe, publish: another than 0 is a map's, SDK_ERROR_NOT_AVAILABLE */

    /* publish: a payload's bytes and kind. From JSON it is the text as it stands, in one line,
     * which is valid JSON; from Protobuf bytes, which are text where they are UTF-8. NULL: none was
     * sent, or JSON of more than JSON_SCAN_LEVELS_MAX levels, SDK_ERROR_BAD_REQUEST. */
    const uint8_t *data;
    size_t data_size;
    enum payload_kind data_kind;

    /* history */
    int64_t limit; /* 0: the position only; negative: all */
    bool reverse;

    /* connect: for sdk_command_sub() */
    enum sdk_format format;
    struct name_view text; /* the command's own bytes */
};

#define SDK_FLAG_REJECT_UNRECOVERED 2 /* SDK_ERROR_UNRECOVERABLE instead of recovered: false */

/* Goes through the commands of one message. */
struct sdk_commands {
    enum sdk_format format;
    const uint8_t *at, *end;
    bool any; /* one was found */
};

void sdk_commands_begin(struct sdk_commands *commands, enum sdk_format format, const uint8_t *bytes,
                        size_t size);

/* The next command. 1: here it is; 0: there are no more (the first call never says so);
 * ERR_PROTOCOL: what follows is malformed, so that the message cannot be read on, to be answered
 * with SDK_CLOSE_BAD_REQUEST. That is: no command at all; bytes that are not JSON or Protobuf (more
 * than JSON_SCAN_LEVELS_MAX levels, too, except in the data of a publish); a field of a wrong type
 * or out of its range; no method, or two; no id, except for a pong and send; no channel where one
 * belongs. */
int sdk_commands_next(struct sdk_commands *commands, struct sdk_command *command) MUST_CHECK;

/* A connect's entry in `subs` for a server-side subscription. False: it has none. */
struct sdk_sub {
    bool recover;
    struct sdk_position position;
};

bool sdk_command_sub(const struct sdk_command *connect, const char *channel, size_t size,
                     struct sdk_sub *sub);

#endif
