/* What a run is told on its command line. Each scenario sets its own defaults before it is parsed.
 */
#ifndef SHARDCAST_BENCH_LOAD_OPTIONS_H
#define SHARDCAST_BENCH_LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "bench/load_dialect.h"

#define ADDRESS_MAX 64

struct address {
    struct sockaddr_in in;
    char text[ADDRESS_MAX]; /* as given: HOST:PORT */
};

struct options {
    struct address clients, producers, admin;
    struct dialect_set protocols; /* of the members, in turn; the first publishes */
    pid_t pid;                    /* of the server, for CPU and memory; 0: not known */

    uint32_t members; /* of each group */
    uint32_t groups;
    const char *prefix; /* of the groups' names */

    double rate; /* messages per second, over all groups; 0: flat out */
    uint32_t burst;
    uint64_t window; /* messages on their way; 0: no bound */
    double seconds;
    double warmup; /* seconds */
    size_t payload;

    uint32_t in_flight; /* handshakes at once */
    uint32_t sources;
    unsigned threads;
    bool json;
    bool quiet;
};

/* The defaults that all scenarios have in common. */
void options_init(struct options *options);

/* Parses the arguments behind the scenario's name. 0; 1: --help was asked for; -1: bad usage, and
 * stderr says what is wrong. */
int options_parse(struct options *options, int argc, char **argv);

/* The list of options with the defaults that hold. */
void options_help(const struct options *options, FILE *out);

#endif
