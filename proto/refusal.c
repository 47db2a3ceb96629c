#include "proto/refusal.h"

static const char *const refusals[REFUSAL_COUNT] = {
    "none",         "bad_command",        "unknown_op", "bad_group",     "too_large",
    "rate_limited", "insufficient_state", "overloaded", "shutting_down", "unauthorized",
};

static const char *const drops[DROP_COUNT] = {"closed", "slow", "skip", "latest", "low"};

static const char *const connection_refusals[CONNECTION_REFUSAL_COUNT] = {
    "bad_group",  "bad_request", "not_allowed",       "no_such_path",  "connection_limit",
    "group_full", "overloaded",  "handshake_timeout", "shutting_down",
};

static const char *const closes[CLOSE_REASON_COUNT] = {
    "client",   "lost",         "no_pong",
    "slow",     "disconnected", "protocol_error",
    "too_big",  "not_allowed",  "insufficient_state",
    "shutdown",
};

const char *refusal_name(enum refusal refusal)
{
    return refusals[refusal];
}

const char *drop_reason_name(enum drop_reason reason)
{
    return drops[reason];
}

const char *connection_refusal_name(enum connection_refusal refusal)
{
    return connection_refusals[refusal];
}

const char *close_reason_name(enum close_reason reason)
{
    return closes[reason];
}
