/* What a client asks for with its URL: /ws/GROUP and /ws?group=A&group=B&user=U… of raw clients,
 * /connection/websocket?user=U of Centrifuge clients.
 * Pure. Names are percent-decoded once; '+' stays '+'. */
#ifndef SHARDCAST_PROTO_WS_TARGET_H
#define SHARDCAST_PROTO_WS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/group_name.h"

enum ws_path { WS_PATH_NONE, WS_PATH_RAW, WS_PATH_CENTRIFUGE };

/* Which service a path names: /ws, /ws/ANYTHING (a slash behind it included) are raw,
 * /connection/websocket is the Centrifuge protocol's. */
enum ws_path ws_path_kind(struct name_view path);

enum ws_since { WS_SINCE_NONE, WS_SINCE_NOW, WS_SINCE_POSITION };

struct ws_target {
    uint32_t group_count;          /* distinct groups, in the order in which they came */
    struct ws_target_name *groups; /* allocated, `group_count` of them */
    bool has_user;
    char user[GROUP_NAME_MAX + 1]; /* NUL-ended; "user:" + user is a valid group name */
    bool hello;                    /* hello=1 */
    bool no_echo;                  /* echo=0 */
    bool protobuf;                 /* format or cf_protocol, of a Centrifuge client */
    enum ws_since since;
    char epoch[33]; /* with WS_SINCE_POSITION; "" is none that a group has */
    uint64_t offset;
};

struct ws_target_name {
    uint16_t size;
    char bytes[GROUP_NAME_MAX + 1];
};

/* What is wrong with it. The order of the contract: 404 before 400 before 403. */
enum ws_target_fault {
    WS_TARGET_OK = 0,
    WS_TARGET_BAD_GROUP,  /* 400: a name or user that is none (also bad percent encoding in it) */
    WS_TARGET_NO_GROUP,   /* 400: neither group nor user */
    WS_TARGET_TOO_MANY,   /* 400: more than groups_per_connection */
    WS_TARGET_REPEATED,   /* 400: `user` or `since` given twice */
    WS_TARGET_BAD_SINCE,  /* 400: no EPOCH:OFFSET and not "now"; or with user, echo=0 or a second
                             group */
    WS_TARGET_USER_GROUP, /* 403: a user: group by name */
    WS_TARGET_NOMEM
};

/* Parses path and query of a raw client. `text`, at least 160 bytes, receives a sentence for people
 * where a fault is returned. ws_target_clear() frees, also after a fault. Of several faults the one
 * earliest in the order 400, 403 is returned (any 400 before a 403). */
enum ws_target_fault ws_target_parse(struct ws_target *target, struct name_view path,
                                     struct name_view query, uint32_t groups_per_connection,
                                     char text[160]);

/* The same of a Centrifuge client: it may say `user` and `format`; groups it asks for later. Never
 * WS_TARGET_NOMEM. */
enum ws_target_fault ws_target_parse_sdk(struct ws_target *target, struct name_view query,
                                         char text[160]);

void ws_target_clear(struct ws_target *target);

#endif
