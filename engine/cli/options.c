#include "engine/cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARG_SERVER = 256,
    ARG_PRODUCERS,
    ARG_ADMIN,
    ARG_USER,
    ARG_EXPERIMENT,
    ARG_SESSION,
    ARG_ALL,
    ARG_PRIORITY,
    ARG_RATE,
    ARG_COUNT,
    ARG_TIMEOUT,
    ARG_LIMIT,
    ARG_SINCE,
    ARG_BINARY,
    ARG_JSON,
    ARG_RAW,
    ARG_ONCE,
    ARG_HELP
};

static const struct option arguments[] = {
    {"server", required_argument, NULL, ARG_SERVER},
    {"producers", required_argument, NULL, ARG_PRODUCERS},
    {"admin", required_argument, NULL, ARG_ADMIN},
    {"user", required_argument, NULL, ARG_USER},
    {"experiment", required_argument, NULL, ARG_EXPERIMENT},
    {"session", required_argument, NULL, ARG_SESSION},
    {"all", no_argument, NULL, ARG_ALL},
    {"priority", required_argument, NULL, ARG_PRIORITY},
    {"rate", required_argument, NULL, ARG_RATE},
    {"count", required_argument, NULL, ARG_COUNT},
    {"timeout", required_argument, NULL, ARG_TIMEOUT},
    {"limit", required_argument, NULL, ARG_LIMIT},
    {"since", required_argument, NULL, ARG_SINCE},
    {"binary", no_argument, NULL, ARG_BINARY},
    {"json", no_argument, NULL, ARG_JSON},
    {"raw", no_argument, NULL, ARG_RAW},
    {"once", no_argument, NULL, ARG_ONCE},
    {"help", no_argument, NULL, ARG_HELP},
    {NULL, 0, NULL, 0},
};

void cli_error(const char *format, ...)
{
    va_list list;

    fflush(stdout); /* keeps the order of lines where both go to one terminal */
    fputs("shardcast: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

/* An empty variable is not set. */
static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value && *value ? value : otherwise;
}

/* The sets of which a command must have one to take the argument. */
static unsigned argument_sets(int argument)
{
    switch (argument) {
    case ARG_SERVER:
        return OPTION_SERVER;
    case ARG_PRODUCERS:
        return OPTION_PRODUCERS;
    case ARG_ADMIN:
        return OPTION_ADMIN;
    case ARG_USER:
        return OPTION_USER;
    case ARG_EXPERIMENT:
    case ARG_SESSION:
    case ARG_ALL:
    case ARG_PRIORITY:
    case ARG_RATE:
    case ARG_BINARY:
        return OPTION_PUBLISH;
    case ARG_COUNT:
    case ARG_RAW:
    case ARG_ONCE:
        return OPTION_SUBSCRIBE;
    case ARG_TIMEOUT:
        return OPTION_TIMEOUT;
    case ARG_LIMIT:
    case ARG_SINCE:
        return OPTION_HISTORY;
    case ARG_JSON:
        return OPTION_JSON;
    default:
        return ~0u;
    }
}

static int read_number(const char *name, const char *text, uint64_t least, uint64_t most,
                       uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9' || *number < least || *number > most) {
        cli_error("--%s: \"%s\" is not a whole number from %llu to %llu", name, text,
                  (unsigned long long)least, (unsigned long long)most);
        return ERR_CONFIG;
    }
    return 0;
}

static int read_since(struct options *options, const char *text)
{
    const char *colon = strrchr(text, ':');

    if (!colon || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")]) {
        cli_error("--since: \"%s\" is not EPOCH:OFFSET", text);
        return ERR_CONFIG;
    }
    options->since = text;
    return 0;
}

static int read_text(struct options *options, int argument, const char *text)
{
    switch (argument) {
    case ARG_SERVER:
        options->server = text;
        return 0;
    case ARG_PRODUCERS:
        options->producers = text;
        return 0;
    case ARG_ADMIN:
        options->admin = text;
        return 0;
    case ARG_USER:
        options->user = text;
        return 0;
    case ARG_EXPERIMENT:
        options->experiment = text;
        return 0;
    case ARG_SESSION:
        options->session = text;
        return 0;
    case ARG_SINCE:
        return read_since(options, text);
    default: /* ARG_PRIORITY */
        if (strcmp(text, "critical") && strcmp(text, "normal") && strcmp(text, "low")) {
            cli_error("--priority: \"%s\" is none of critical, normal, low", text);
            return ERR_CONFIG;
        }
        options->priority = text;
        return 0;
    }
}

static int read_argument(struct options *options, int argument, const char *text)
{
    uint64_t number;

    switch (argument) {
    case ARG_RATE:
        if (read_number("rate", text, 0, 1000000, &number))
            return ERR_CONFIG;
        options->rate = (uint32_t)number;
        return 0;
    case ARG_COUNT:
        return read_number("count", text, 1, UINT64_MAX, &options->count);
    case ARG_LIMIT:
        return read_number("limit", text, 0, UINT64_MAX - 1, &options->limit);
    case ARG_TIMEOUT:
        if (read_number("timeout", text, 1, 86400, &number))
            return ERR_CONFIG;
        options->timeout = (uint32_t)number;
        return 0;
    case ARG_ALL:
        options->all = true;
        return 0;
    case ARG_BINARY:
        options->binary = true;
        return 0;
    case ARG_JSON:
        options->json = true;
        return 0;
    case ARG_RAW:
        options->raw = true;
        return 0;
    case ARG_ONCE:
        options->once = true;
        return 0;
    case ARG_HELP:
        options->help = true;
        return 0;
    default:
        return read_text(options, argument, text);
    }
}

int options_read(struct options *options, unsigned set, int argc, char **argv)
{
    int argument, index = 0;

    memset(options, 0, sizeof(*options));
    options->server = variable("SHARDCAST_LISTEN", "127.0.0.1:7480");
    options->producers = variable("SHARDCAST_PRODUCERS", "127.0.0.1:7481");
    options->admin = variable("SHARDCAST_ADMIN", "127.0.0.1:7482");
    options->producers_token = variable("SHARDCAST_PRODUCERS_TOKEN", NULL);
    options->admin_token = variable("SHARDCAST_ADMIN_TOKEN", NULL);
    options->timeout = 10;
    options->limit = UINT64_MAX;

    opterr = 0; /* the messages are ours: one line each, in one wording */
    while ((argument = getopt_long(argc, argv, ":h", arguments, &index)) != -1) {
        if (argument == 'h')
            argument = ARG_HELP;
        if (argument == ':') {
            cli_error("%s: %s needs a value; see shardcast %s --help", argv[0], argv[optind - 1],
                      argv[0]);
            return ERR_CONFIG;
        }
        if (argument == '?' || !(argument_sets(argument) & set)) {
            cli_error("%s: no such option: %s%s; see shardcast %s --help", argv[0],
                      argument == '?' ? "" : "--",
                      argument == '?' ? argv[optind - 1] : arguments[index].name, argv[0]);
            return ERR_CONFIG;
        }
        if (read_argument(options, argument, optarg))
            return ERR_CONFIG;
    }
    options->operand_count = argc - optind;
    options->operands = argv + optind;
    return 0;
}
