/* The producers' command stream: msgpack maps, one per command, nothing between them.
 *
 * Two steps. The scanner finds where a command ends, in any cut of the input, and refuses absurd
 * lengths as soon as they show. The decoder turns one whole command into a struct. Both are pure
 * and bounded: no I/O, no threads, no globals. PROTOCOL.md documents the wire. */
#ifndef SHARDCAST_PROTO_COMMAND_H
#define SHARDCAST_PROTO_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/group_name.h"
#include "proto/payload.h"
#include "proto/refusal.h"

/* A command may be this much larger than message_bytes (names, keys, other fields). */
#define COMMAND_OVERHEAD_MAX 65536

/* A group named with `groups` costs a few bytes on the wire; this bounds what one command can
 * make the engine do. */
#define COMMAND_GROUPS_MAX 65536

struct command_scanner {
    size_t at;        /* bytes of the command that are done with */
    uint64_t pending; /* values still to come; 0: between commands */
};

void command_scanner_init(struct command_scanner *scanner);

/* Goes on scanning: `bytes` is where the command begins (not where the last call ended), `size` is
 * all there is of it so far, `max` is the most a command may have. Work is proportional to the new
 * bytes, not to `size`.
 * Returns the command's length (> 0) and resets the scanner; 0: more bytes are needed;
 * ERR_PROTOCOL: not msgpack; ERR_TOO_LARGE: longer than `max`, or a length or count in it shows
 * that it will be (a container of n values needs at least n more bytes). */
int64_t command_scan(struct command_scanner *scanner, const uint8_t *bytes, size_t size,
                     size_t max) MUST_CHECK;

#define COMMAND_CODE_DEFAULT 3503 /* of a disconnect, with the reason "force disconnect" */

enum command_op {
    COMMAND_BROADCAST,
    COMMAND_DISCONNECT,
    COMMAND_HISTORY,
    COMMAND_STATS,
    COMMAND_HELLO,
    COMMAND_PING
};

enum command_priority { PRIORITY_CRITICAL, PRIORITY_NORMAL, PRIORITY_LOW, PRIORITY_UNSET };

/* A target's name, owned by the command: `experiment: 42` is already "experiment:42". */
struct command_name {
    uint16_t size;
    char bytes[GROUP_NAME_MAX + 1]; /* NUL-ended for logs */
};

struct command {
    enum command_op op;
    bool has_id;
    uint64_t id;

    /* Target: `all`, or `name_count` group names. `groups` is set where the command said `groups`
     * (also with one name): its answer has no position. Names are distinct. */
    bool all;
    bool groups;
    uint32_t name_count;
    struct command_name name;   /* of the only one, where name_count is 1 */
    struct command_name *names; /* of all, where name_count > 1; allocated; else NULL */

    struct payload *payload; /* broadcast: one reference; who takes it over sets this to NULL */
    enum command_priority priority;

    uint16_t code;    /* disconnect: 3000-4999 */
    char reason[124]; /* 1-123 bytes of UTF-8, NUL-ended, not JSON */

    struct name_view token; /* hello; points into the input; bytes NULL: none */

    /* history */
    bool has_limit;
    uint64_t limit;
    struct name_view since;       /* "EPOCH:OFFSET"; points into the input; bytes NULL: none */
    struct name_view since_epoch; /* its parts: what stands before the last ':', any string */
    uint64_t since_offset;
};

#define COMMAND_MESSAGE_MAX 256

/* What a refused command is answered with. */
struct command_refusal {
    enum refusal code;
    char message[COMMAND_MESSAGE_MAX]; /* a sentence for people, NUL-ended, valid UTF-8 */
};

/* Decodes one whole command (command_scan() has seen it). On success returns 0 and fills `command`;
 * command_clear() frees what it owns. On refusal returns ERR_PROTOCOL and fills `refusal`;
 * `command->has_id` and `id` are valid then, too, wherever the id in it is (so that the answer can
 * carry it). ERR_NOMEM: out of memory. `message_bytes` limits the payload, after transcoding. */
int command_decode(struct command *command, const uint8_t *bytes, size_t size,
                   uint64_t message_bytes, struct command_refusal *refusal) MUST_CHECK;

/* Frees the payload and names that the command still owns. */
void command_clear(struct command *command);

#endif
