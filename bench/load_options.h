/* What a run is told on its command line. Each scenario sets its own defaults before it is parsed,
 * and says which options mean something to it. */
#ifndef SHARDCAST_BENCH_LOAD_OPTIONS_H
#define SHARDCAST_BENCH_LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "bench/load_dialect.h"
#include "bench/load_mix.h"
#include "bench/load_require.h"
#include "bench/load_sizes.h"

#define ADDRESS_MAX 64

/* What a scenario uses, besides what all of them do. */
enum option_use {
    USES_GROUPS = 1,  /* groups and messages of its own making */
    USES_RATE = 2,    /* publishes by a schedule */
    USES_TRAFFIC = 4, /* priorities, slow members, churn, recording */
    USES_WAVES = 8,   /* connects several times */
    USES_CROWD = 16,  /* very many connections */
    USES_REPLAY = 32, /* reads a file */
    USES_AWAY = 64    /* cuts its members, who come back */
};

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
    const char *prefix; /* of the groups' names; several, separated by commas, take turns */
    struct sizes payload;

    double rate; /* messages per second, over all groups; 0: flat out */
    uint32_t burst;
    uint64_t window; /* messages on their way; 0: no bound */
    double seconds;
    double warmup; /* seconds */
    struct mix priorities;

    double churn;       /* members that leave and join again, per second */
    uint32_t slow;      /* members of each group that read slowly … */
    uint32_t slow_rate; /* … so many bytes per second */

    uint32_t waves;  /* of connecting; all are dropped before the next */
    uint32_t crowd;  /* members of the large group among very many */
    uint32_t rounds; /* broadcasts to all, and to the crowd */

    double away; /* seconds for which members that were cut stay away */

    const char *file; /* to replay */
    double speed;     /* of the replay; 1: as recorded */
    const char *record;

    uint32_t in_flight; /* handshakes at once */
    uint32_t sources;
    uint32_t threads;
    struct requirements require;
    const char *plot; /* directory; NULL: none */
    bool json;
    bool quiet;

    /* chosen by a scenario, as in struct pool_config */
    bool recovers;
    bool urgent;
};

/* The defaults that all scenarios have in common. */
void options_init(struct options *options);

/* Parses the arguments behind the scenario's name; `uses` is of enum option_use. 0; 1: --help was
 * asked for; -1: bad usage, and stderr says what is wrong. */
int options_parse(struct options *options, unsigned uses, int argc, char **argv);

/* The list of options with the defaults that hold. */
void options_help(const struct options *options, unsigned uses, FILE *out);

#endif
