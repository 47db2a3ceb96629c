/* What the shards need of the configuration: limits, health, namespaces.
 *
 * A snapshot: immutable once published, counted, shared by all threads. A reload makes a new one
 * and sends it to every shard. The engine fills it (engine/config.h); this header only says what
 * it is, and how a group finds its namespace. */
#ifndef SHARDCAST_SHARDS_SETTINGS_H
#define SHARDCAST_SHARDS_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/command.h"
#include "proto/group_name.h"

enum slow_consumer { SLOW_CLOSE, SLOW_SKIP, SLOW_LATEST };

struct history_settings {
    uint32_t messages;         /* that a group keeps; 0: no history */
    uint32_t seconds;          /* that it keeps them; 0: no limit */
    uint64_t bytes;            /* of their payloads */
    uint32_t position_seconds; /* after the last message; 0: never forgotten */
};

struct namespace_settings {
    char *name;           /* before the first ':'; "" is all the rest; allocated */
    uint32_t max_members; /* 0: no limit */
    uint32_t max_rate;    /* messages in any one second, at most 1000000; 0: no limit */
    enum command_priority priority;
    enum slow_consumer slow_consumer;
    bool client_publish;
    bool presence;
    struct history_settings history;
};

struct settings {
    atomic_uint refs;
    bool insecure;
    bool clients_on_loopback; /* the client address is a loopback one */
    struct {
        uint32_t connections; /* 0: as many as the fd limits allow */
        uint32_t groups;
        uint32_t groups_per_connection;
        uint64_t message_bytes;
        uint64_t backlog_bytes;
        uint64_t recovery_bytes;
    } limits;
    struct {
        uint32_t ping_seconds; /* 0: no pings */
        uint32_t pong_timeout_seconds;
    } health;
    uint32_t drain_seconds;
    char **origins; /* allocated, origin_count of them */
    uint32_t origin_count;
    char *producers_token; /* NULL: none asked for */
    uint32_t namespace_count;
    struct namespace_settings *namespaces; /* [0] is "" */
};

/* The defaults that hold without a configuration file; one reference. NULL: out of memory. */
struct settings *settings_new(void) MUST_CHECK;

/* Adds a namespace that inherits all from "" and is to be changed before anyone else sees the
 * settings. NULL: out of memory. Pointers to namespaces got before are void afterwards. */
struct namespace_settings *settings_add_namespace(struct settings *settings,
                                                  const char *name) MUST_CHECK;

struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings *settings);

/* The namespace that holds for a group, by the part of its name before the first ':'. Never NULL.
 * A namespace lookup is for a group's creation and for reloads, not for every message. */
const struct namespace_settings *settings_namespace(const struct settings *settings,
                                                    const char *group, size_t size);

#endif
