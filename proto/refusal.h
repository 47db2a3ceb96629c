/* Why a command, a message or a connection is refused, dropped or closed: the fixed lists that
 * answers, statistics and metrics share. Order is that of the documents; names are the wire's. */
#ifndef SHARDCAST_PROTO_REFUSAL_H
#define SHARDCAST_PROTO_REFUSAL_H

/* Error codes of producers' answers. */
enum refusal {
    REFUSAL_NONE = 0,
    REFUSAL_BAD_COMMAND,
    REFUSAL_UNKNOWN_OP,
    REFUSAL_BAD_GROUP,
    REFUSAL_TOO_LARGE,
    REFUSAL_RATE_LIMITED,
    REFUSAL_INSUFFICIENT_STATE,
    REFUSAL_OVERLOADED,
    REFUSAL_SHUTTING_DOWN,
    REFUSAL_UNAUTHORIZED,
    REFUSAL_COUNT
};

/* Why a message that was routed to a member was not delivered. */
enum drop_reason { DROP_CLOSED, DROP_SLOW, DROP_SKIP, DROP_LATEST, DROP_LOW, DROP_COUNT };

/* Why a connection did not become a member. */
enum connection_refusal {
    CONNECTION_BAD_GROUP,
    CONNECTION_BAD_REQUEST,
    CONNECTION_NOT_ALLOWED,
    CONNECTION_NO_SUCH_PATH,
    CONNECTION_LIMIT,
    CONNECTION_GROUP_FULL,
    CONNECTION_OVERLOADED,
    CONNECTION_HANDSHAKE_TIMEOUT,
    CONNECTION_SHUTTING_DOWN,
    CONNECTION_REFUSAL_COUNT
};

/* How a member's connection ended. */
enum close_reason {
    CLOSE_CLIENT,
    CLOSE_LOST,
    CLOSE_NO_PONG,
    CLOSE_SLOW,
    CLOSE_DISCONNECTED,
    CLOSE_PROTOCOL_ERROR,
    CLOSE_TOO_BIG,
    CLOSE_NOT_ALLOWED,
    CLOSE_INSUFFICIENT_STATE,
    CLOSE_SHUTDOWN,
    CLOSE_REASON_COUNT
};

/* The name on the wire and in metrics, for example "rate_limited". */
const char *refusal_name(enum refusal refusal);
const char *drop_reason_name(enum drop_reason reason);
const char *connection_refusal_name(enum connection_refusal refusal);
const char *close_reason_name(enum close_reason reason);

#endif
