/* Every key of the configuration file: its name, what it may be, and where it is kept.
 *
 * One table serves the loader (config_file.h), --print-config, the flags and the test that keeps
 * the example complete. Pure; no state. */
#ifndef SHARDCAST_ENGINE_CONFIG_SCHEMA_H
#define SHARDCAST_ENGINE_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/config.h"

enum config_type {
    CONFIG_MAP,           /* a mapping of `keys` */
    CONFIG_UINT32,        /* uint32_t, from min to max */
    CONFIG_UINT64,        /* uint64_t, from min to max */
    CONFIG_BOOL,          /* bool */
    CONFIG_ADDRESS,       /* char *: ADDR:PORT */
    CONFIG_TOKEN,         /* char *: NULL where none */
    CONFIG_PRIORITY,      /* enum command_priority */
    CONFIG_SLOW_CONSUMER, /* enum slow_consumer */
    CONFIG_NAME,          /* a namespace's name; has its own place */
    CONFIG_ORIGINS,       /* the list of origins; has its own place */
    CONFIG_NAMESPACES     /* the list of namespaces; has its own place */
};

/* Which struct a key's offset is in. */
enum config_base { BASE_CONFIG, BASE_SETTINGS, BASE_NAMESPACE, BASE_COUNT };

struct config_key {
    const char *name; /* NULL ends a table */
    enum config_type type;
    enum config_base base;
    size_t offset;
    uint64_t min, max;             /* of numbers */
    const struct config_key *keys; /* CONFIG_MAP, and those of a list's items */
};

/* The structs that are written or read: indexed by enum config_base. */
struct config_target {
    void *base[BASE_COUNT];
};

#define CONFIG_KEYS_MAX 16 /* in one table */

/* The top of the file. */
extern const struct config_key config_keys[];

/* NULL: no such key. `name` need not end in NUL. */
const struct config_key *config_key_find(const struct config_key *keys, const char *name,
                                         size_t size);

/* What values a key may have, for "allowed: …". */
#define CONFIG_ALLOWED_MAX 512
void config_key_allowed(const struct config_key *key, char text[CONFIG_ALLOWED_MAX]);

/* The names of all keys of a table, for "allowed: …". */
void config_key_names(const struct config_key *keys, char text[CONFIG_ALLOWED_MAX]);

/* Judges a scalar and keeps it. `text` ends in NUL; `plain`: it stood without quotes. Returns 0, or
 * ERR_CONFIG with half a sentence in *why, or ERR_NOMEM. */
int config_key_set(const struct config_key *key, const struct config_target *target,
                   const char *text, bool plain, const char **why) MUST_CHECK;

/* The same without keeping it. */
int config_key_judge(const struct config_key *key, const char *text, bool plain,
                     const char **why) MUST_CHECK;

/* Whether it is scheme://host[:port], as a browser's Origin header is. */
bool config_origin_valid(const char *text);

/* The name of an enum's value. */
const char *config_priority_name(enum command_priority priority);
const char *config_slow_consumer_name(enum slow_consumer slow_consumer);

#endif
