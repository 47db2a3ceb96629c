/* The engine's configuration: defaults, file, environment, flags; in this order of rising
 * precedence. scripts/shardcast.example.yaml documents every key, config_schema.h lists them.
 *
 * Made and used by the main thread. The part that the shards need is a counted snapshot. */
#ifndef SHARDCAST_ENGINE_CONFIG_H
#define SHARDCAST_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "shards/settings.h"

#define CONFIG_SHARDS_MAX 256

/* What flags and environment can say. They outlive a reload of the file. */
enum config_override_kind {
    OVERRIDE_CONFIG,
    OVERRIDE_LISTEN,
    OVERRIDE_PRODUCERS,
    OVERRIDE_ADMIN,
    OVERRIDE_SHARDS,
    OVERRIDE_PRODUCERS_TOKEN,
    OVERRIDE_ADMIN_TOKEN,
    OVERRIDE_COUNT
};

struct config_override {
    const char *source; /* "--listen" or "SHARDCAST_LISTEN"; NULL: not set */
    char *value;        /* allocated */
};

struct config {
    char *path;                              /* of the file; NULL: none */
    char *clients, *producers, *admin;       /* ADDR:PORT (engine/address.h), never NULL */
    uint32_t shards;                         /* 0: one per available core */
    char *producers_token, *admin_token;     /* NULL: none */
    bool check, print_config, version, help; /* asked for by flags */
    struct settings *settings;               /* one reference */
    struct config_override overrides[OVERRIDE_COUNT];
};

#define CONFIG_ERROR_MAX 6144 /* a file's name may have 4096 */

/* Reads flags, environment and file. Returns 0, or ERR_CONFIG with one line (without newline) in
 * `error`, as the contract words it. With --help or --version only the flags are judged. The caller
 * frees with config_clear() in both cases. */
int config_load(struct config *config, int argc, char **argv,
                char error[CONFIG_ERROR_MAX]) MUST_CHECK;

/* What a reload found changed that needs a restart: full key paths. */
#define CONFIG_RESTART_KEYS 7
struct config_changes {
    unsigned count;
    const char *keys[CONFIG_RESTART_KEYS];
};

/* Reads the file of `running` again, under the same flags and environment, into `fresh`. What needs
 * a restart (listen, shards, tokens, insecure) keeps in `fresh` what `running` has, and `changes`
 * says what of it is different in the file, so that it can be logged. Returns and frees like
 * config_load(); after an error `running` is to be used on. */
int config_reload(const struct config *running, struct config *fresh,
                  struct config_changes *changes, char error[CONFIG_ERROR_MAX]) MUST_CHECK;

/* Writes the effective configuration as YAML that --config reads back; tokens as "***". Returns 0
 * or ERR_SYS. */
int config_print(const struct config *config, int fd) MUST_CHECK;

void config_clear(struct config *config);

/* The text of --help. */
extern const char config_usage[];

#endif
