/* Loads the YAML configuration file into a struct config.
 *
 * Main thread. Input is bounded (CONFIG_FILE_MAX) and may be anybody's bytes: it is fuzzed. */
#ifndef SHARDCAST_ENGINE_CONFIG_FILE_H
#define SHARDCAST_ENGINE_CONFIG_FILE_H

#include <stddef.h>

#include "engine/config.h"
#include "shards/counters.h"

#define CONFIG_FILE_MAX       1048576              /* bytes */
#define CONFIG_NAMESPACES_MAX (NAMESPACES_MAX - 1) /* "" may stand beside them */
#define CONFIG_ORIGINS_MAX    1024

/* Where the file names an address that is judged only once flags and environment are known: lines,
 * 0 where it does not. */
struct config_lines {
    unsigned producers, admin;
};

/* Applies what the text says to `config`, which holds the defaults (config->settings included).
 * `file` is its name, for errors. Returns 0, or ERR_CONFIG with `FILE:LINE: KEY: …` in `error`;
 * then `config` may have been changed in part. */
int config_file_parse(struct config *config, const char *file, const char *text, size_t size,
                      struct config_lines *lines, char error[CONFIG_ERROR_MAX]) MUST_CHECK;

/* Reads the file into memory; free() frees *text. Returns 0; ERR_SYS: errno says why it cannot be
 * read; ERR_TOO_LARGE; ERR_NOMEM. */
int config_file_read(const char *file, char **text, size_t *size) MUST_CHECK;

/* Copies somebody's text for an error line: control characters become '?', what is long is cut. */
#define CONFIG_QUOTE_MAX 64
const char *config_quote(char to[CONFIG_QUOTE_MAX], const char *text);

#endif
