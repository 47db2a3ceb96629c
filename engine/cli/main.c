/* shardcast: the command line for people and scripts.
 *
 * A table of commands; each has its own file, and says which options it takes. */
#include <stdio.h>
#include <string.h>

#include "engine/cli/commands.h"

struct entry {
    const char *name;
    int (*run)(const struct options *options);
    unsigned options; /* enum option_set */
    const char *usage;
};

static const char usage[] = "Usage: shardcast COMMAND [OPTION]... [OPERAND]...\n"
                            "\n"
                            "Commands:\n"
                            "  pub GROUP [MESSAGE|-]  publish to a group\n"
                            "  sub GROUP...           print what is published to groups\n"
                            "  history GROUP          print the messages that a group keeps\n"
                            "  stats                  show the engine's figures\n"
                            "\n"
                            "Options:\n"
                            "  --help                 also behind a command: what it takes\n"
                            "  --version\n"
                            "\n"
                            "Exit status: 0, 1 on a failure, 2 on bad usage.\n";

static const char usage_pub[] =
    "Usage: shardcast pub [OPTION]... GROUP [MESSAGE|-]\n"
    "       shardcast pub [OPTION]... --user U|--experiment ID|--session ID|--all [MESSAGE|-]\n"
    "\n"
    "Publishes one message, or with - or without MESSAGE each line of standard input, and prints\n"
    "how many members it was routed to. What is valid UTF-8 is sent as text, else as binary.\n"
    "\n"
    "  --producers ADDR:PORT  the engine's producer port (SHARDCAST_PRODUCERS, 127.0.0.1:7481);\n"
    "                         a token is taken from SHARDCAST_PRODUCERS_TOKEN\n"
    "  --user U               to the connections of a user\n"
    "  --experiment ID        to group experiment:ID\n"
    "  --session ID           to group session:ID\n"
    "  --all                  to everyone\n"
    "  --priority P           critical, normal or low\n"
    "  --binary               send binary frames whatever the bytes are\n"
    "  --rate N               at most N lines per second\n"
    "  --timeout SECONDS      how long to wait for the engine (10)\n"
    "  --json                 print each answer as one line of JSON\n"
    "\n"
    "Exit status: 0 when every message was taken, 1 otherwise, 2 on bad usage.\n";

static const char usage_sub[] =
    "Usage: shardcast sub [OPTION]... GROUP...\n"
    "       shardcast sub [OPTION]... --user U [GROUP]...\n"
    "\n"
    "Joins groups and prints each message as one line, binary ones in hexadecimal. When the\n"
    "connection ends it comes back after a while, unless the engine said that this is of no use\n"
    "(HTTP 4xx; close codes 1002, 1007, 1008, 1009, 3500-3999, 4500-4999).\n"
    "\n"
    "  --server ADDR:PORT     the engine's client port (SHARDCAST_LISTEN, 127.0.0.1:7480)\n"
    "  --user U               join as this user, and the user's own group\n"
    "  --raw                  print binary messages as they are\n"
    "  --count N              end after N messages\n"
    "  --once                 do not come back when the connection ends\n"
    "  --timeout SECONDS      how long to wait for the engine when connecting (10)\n"
    "\n"
    "Exit status: 0 when ended by SIGINT, SIGTERM, --count, a reader that has closed the pipe, or\n"
    "with --once by a close with code 1000 or 1001; 1 otherwise, 2 on bad usage.\n";

static const char usage_history[] =
    "Usage: shardcast history [OPTION]... GROUP\n"
    "\n"
    "Prints the newest messages of a group, as many as one answer of the engine may hold: each as\n"
    "one line behind its offset, binary ones in hexadecimal, and then the group's position.\n"
    "\n"
    "  --producers ADDR:PORT  the engine's producer port (SHARDCAST_PRODUCERS, 127.0.0.1:7481);\n"
    "                         a token is taken from SHARDCAST_PRODUCERS_TOKEN\n"
    "  --limit N              at most N messages; 0: the position only\n"
    "  --since EPOCH:OFFSET   the oldest messages behind that position instead\n"
    "  --timeout SECONDS      how long to wait for the engine (10)\n"
    "  --json                 print the answer as one line of JSON; what is binary is then under\n"
    "                         \"binary\" and not under \"data\", in base64\n"
    "\n"
    "Exit status: 0, 1 on a failure or where that position cannot be read on from, 2 on bad "
    "usage.\n";

static const char usage_stats[] =
    "Usage: shardcast stats [OPTION]...\n"
    "\n"
    "Prints the engine's figures as a table.\n"
    "\n"
    "  --admin ADDR:PORT      the engine's admin port (SHARDCAST_ADMIN, 127.0.0.1:7482);\n"
    "                         a token is taken from SHARDCAST_ADMIN_TOKEN\n"
    "  --timeout SECONDS      how long to wait for the engine (10)\n"
    "  --json                 print them as the engine sends them\n"
    "\n"
    "Exit status: 0, 1 on a failure, 2 on bad usage.\n";

/* A script may name the whole engine once: every command takes every address. */
#define OPTION_ADDRESSES (OPTION_SERVER | OPTION_PRODUCERS | OPTION_ADMIN)

static const struct entry entries[] = {
    {"pub", pub_main,
     OPTION_ADDRESSES | OPTION_PUBLISH | OPTION_USER | OPTION_JSON | OPTION_TIMEOUT, usage_pub},
    {"sub", sub_main, OPTION_ADDRESSES | OPTION_SUBSCRIBE | OPTION_USER | OPTION_TIMEOUT,
     usage_sub},
    {"history", history_main, OPTION_ADDRESSES | OPTION_HISTORY | OPTION_JSON | OPTION_TIMEOUT,
     usage_history},
    {"stats", stats_main, OPTION_ADDRESSES | OPTION_JSON | OPTION_TIMEOUT, usage_stats},
};

static int run(const struct entry *entry, int argc, char **argv)
{
    struct options options;

    if (options_read(&options, entry->options, argc, argv))
        return CLI_USAGE;
    if (options.help) {
        fputs(entry->usage, stdout);
        return CLI_OK;
    }
    return entry->run(&options);
}

/* Moves the command's name before the addresses that may stand in front of it, so that
 * `shardcast --admin ADDR stats` is `shardcast stats --admin ADDR`. */
static void name_first(int argc, char **argv)
{
    int at = 1;

    while (at < argc && (!strncmp(argv[at], "--server", 8) ||
                         !strncmp(argv[at], "--producers", 11) || !strncmp(argv[at], "--admin", 7)))
        at += strchr(argv[at], '=') ? 1 : 2;
    if (at == 1 || at >= argc)
        return;

    char *name = argv[at];

    memmove(&argv[2], &argv[1], sizeof(*argv) * (size_t)(at - 1));
    argv[1] = name;
}

int main(int argc, char **argv)
{
    const char *name;

    name_first(argc, argv);
    name = argc > 1 ? argv[1] : "";

    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        fputs(usage, stdout);
        return CLI_OK;
    }
    if (!strcmp(name, "--version")) {
        puts("shardcast " SHARDCAST_VERSION);
        return CLI_OK;
    }
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (!strcmp(name, entries[i].name))
            return run(&entries[i], argc - 1, argv + 1);
    }
    if (*name)
        cli_error("no such command: %s; see shardcast --help", name);
    else
        cli_error("no command given; see shardcast --help");
    return CLI_USAGE;
}
