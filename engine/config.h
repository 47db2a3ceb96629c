/* The engine's configuration: defaults, file, environment, flags; in this order of rising
 * precedence. See scripts/shardcast.example.yaml for every key.
 *
 * Made and used by the main thread. The part that the shards need is a counted snapshot. */
#ifndef SHARDCAST_ENGINE_CONFIG_H
#define SHARDCAST_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "shards/settings.h"

struct config {
    char *path;                              /* of the file; NULL: none */
    char *clients, *producers, *admin;       /* ADDR:PORT; IPv6 in brackets */
    uint32_t shards;                         /* 0: one per available core */
    char *producers_token, *admin_token;     /* NULL: none */
    bool check, print_config, version, help; /* asked for by flags */
    struct settings *settings;               /* one reference */
};

#define CONFIG_ERROR_MAX 1024

/* Reads flags, environment and file. Returns 0, or ERR_CONFIG with one line (without newline) in
 * `error`, as the contract words it. The caller frees with config_clear() in both cases. */
int config_load(struct config *config, int argc, char **argv,
                char error[CONFIG_ERROR_MAX]) MUST_CHECK;

/* Writes the effective configuration as YAML that --config reads back; tokens as "***". Returns 0
 * or ERR_SYS. */
int config_print(const struct config *config, int fd) MUST_CHECK;

void config_clear(struct config *config);

/* The text of --help. */
extern const char config_usage[];

#endif
