/* What the command line of `shardcast` says: one set of options for all its commands, of which each
 * command takes some. Strings point into argv or the environment. */
#ifndef SHARDCAST_ENGINE_CLI_OPTIONS_H
#define SHARDCAST_ENGINE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/error.h"

enum cli_exit { CLI_OK = 0, CLI_FAILURE = 1, CLI_USAGE = 2 };

/* Which options a command takes. */
enum option_set {
    OPTION_SERVER = 1 << 0,    /* --server */
    OPTION_PRODUCERS = 1 << 1, /* --producers */
    OPTION_ADMIN = 1 << 2,     /* --admin */
    OPTION_PUBLISH = 1 << 3,   /* targets, --priority, --binary, --rate */
    OPTION_SUBSCRIBE = 1 << 4, /* --raw, --once, --count */
    OPTION_USER = 1 << 5,      /* --user */
    OPTION_JSON = 1 << 6,      /* --json */
    OPTION_TIMEOUT = 1 << 7,   /* --timeout */
    OPTION_HISTORY = 1 << 8    /* --limit, --since */
};

struct options {
    const char *server, *producers, *admin;    /* ADDR:PORT of clients, producers, admin */
    const char *producers_token, *admin_token; /* NULL: none */

    const char *user, *experiment, *session; /* NULL: not given */
    bool all;
    const char *priority; /* NULL: the group's own */
    uint32_t rate;        /* messages per second; 0: as fast as they come */
    uint64_t count;       /* frames to receive; 0: no end */
    uint32_t timeout;     /* seconds */
    uint64_t limit;       /* messages; UINT64_MAX: not given */
    const char *since;    /* EPOCH:OFFSET; NULL: not given */
    bool binary, json, raw, once;
    bool help;

    int operand_count;
    char **operands;
};

/* Reads the arguments behind the command's name (argv[0] is that name). Returns 0, or ERR_CONFIG
 * after one line on stderr. */
int options_read(struct options *options, unsigned set, int argc, char **argv) MUST_CHECK;

/* One line on stderr: "shardcast: " and the text. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
