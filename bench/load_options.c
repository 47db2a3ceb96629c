#define _GNU_SOURCE
#include "bench/load_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load_stamp.h"

enum {
    OPT_CLIENTS = 256,
    OPT_PRODUCERS,
    OPT_ADMIN,
    OPT_PROTOCOL,
    OPT_PID,
    OPT_MEMBERS,
    OPT_GROUPS,
    OPT_PREFIX,
    OPT_RATE,
    OPT_BURST,
    OPT_WINDOW,
    OPT_SECONDS,
    OPT_WARMUP,
    OPT_PAYLOAD,
    OPT_IN_FLIGHT,
    OPT_SOURCES,
    OPT_THREADS,
    OPT_JSON,
    OPT_QUIET,
    OPT_HELP
};

static const struct option long_options[] = {
    {"clients", required_argument, NULL, OPT_CLIENTS},
    {"producers", required_argument, NULL, OPT_PRODUCERS},
    {"admin", required_argument, NULL, OPT_ADMIN},
    {"protocol", required_argument, NULL, OPT_PROTOCOL},
    {"pid", required_argument, NULL, OPT_PID},
    {"members", required_argument, NULL, OPT_MEMBERS},
    {"groups", required_argument, NULL, OPT_GROUPS},
    {"prefix", required_argument, NULL, OPT_PREFIX},
    {"rate", required_argument, NULL, OPT_RATE},
    {"burst", required_argument, NULL, OPT_BURST},
    {"window", required_argument, NULL, OPT_WINDOW},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"payload", required_argument, NULL, OPT_PAYLOAD},
    {"in-flight", required_argument, NULL, OPT_IN_FLIGHT},
    {"sources", required_argument, NULL, OPT_SOURCES},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"json", no_argument, NULL, OPT_JSON},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

/* HOST:PORT, IPv4. */
static int parse_address(struct address *address, const char *text)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    const char *colon = strrchr(text, ':');
    char host[ADDRESS_MAX];

    if (!colon || strlen(text) >= ADDRESS_MAX)
        return -1;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -1;
    memcpy(&address->in, found->ai_addr, sizeof(address->in));
    freeaddrinfo(found);
    strcpy(address->text, text);
    return address->in.sin_port ? 0 : -1;
}

static int parse_number(const char *text, double low, double high, double *value)
{
    char *end;

    errno = 0;
    *value = strtod(text, &end);
    return errno || end == text || *end || !(*value >= low && *value <= high) ? -1 : 0;
}

void options_init(struct options *options)
{
    memset(options, 0, sizeof(*options));
    (void)parse_address(&options->clients, "127.0.0.1:7480");
    (void)parse_address(&options->producers, "127.0.0.1:7481");
    (void)parse_address(&options->admin, "127.0.0.1:7482");
    options->protocols = (struct dialect_set){1, {&dialect_msgpack}};
    options->members = 1000;
    options->groups = 1;
    options->prefix = "load";
    options->rate = 100;
    options->burst = 1;
    options->window = 4096;
    options->seconds = 5;
    options->warmup = 1;
    options->payload = 128;
    options->in_flight = 200;
}

/* Numbers: whole ones are checked for that. */
static int parse_count(struct options *options, int option, const char *text)
{
    double n = 0;
    bool fine;

    switch (option) {
    case OPT_PID:
        fine = parse_number(text, 1, INT32_MAX, &n) == 0;
        options->pid = (pid_t)n;
        break;
    case OPT_MEMBERS:
        fine = parse_number(text, 1, 10000000, &n) == 0;
        options->members = (uint32_t)n;
        break;
    case OPT_GROUPS:
        fine = parse_number(text, 1, 10000000, &n) == 0;
        options->groups = (uint32_t)n;
        break;
    case OPT_BURST:
        fine = parse_number(text, 1, 100000, &n) == 0;
        options->burst = (uint32_t)n;
        break;
    case OPT_WINDOW:
        fine = parse_number(text, 0, 1e12, &n) == 0;
        options->window = (uint64_t)n;
        break;
    case OPT_PAYLOAD:
        fine = parse_number(text, STAMP_BYTES_MIN, 16777216, &n) == 0;
        options->payload = (size_t)n;
        break;
    case OPT_IN_FLIGHT:
        fine = parse_number(text, 1, 100000, &n) == 0;
        options->in_flight = (uint32_t)n;
        break;
    case OPT_SOURCES:
        fine = parse_number(text, 0, 1000000, &n) == 0;
        options->sources = (uint32_t)n;
        break;
    default:
        fine = parse_number(text, 0, 256, &n) == 0;
        options->threads = (unsigned)n;
        break;
    }
    return fine && n == (double)(uint64_t)n ? 0 : -1;
}

static int parse_one(struct options *options, int option, const char *text)
{
    switch (option) {
    case OPT_CLIENTS:
        return parse_address(&options->clients, text);
    case OPT_PRODUCERS:
        return parse_address(&options->producers, text);
    case OPT_ADMIN:
        return parse_address(&options->admin, text);
    case OPT_PROTOCOL:
        return dialect_set_parse(&options->protocols, text);
    case OPT_PREFIX:
        options->prefix = text;
        return strlen(text) < 64 ? 0 : -1;
    case OPT_RATE:
        return parse_number(text, 0, 1e9, &options->rate);
    case OPT_SECONDS:
        return parse_number(text, 0.01, 1e7, &options->seconds);
    case OPT_WARMUP:
        return parse_number(text, 0, 3600, &options->warmup);
    case OPT_JSON:
        options->json = true;
        return 0;
    case OPT_QUIET:
        options->quiet = true;
        return 0;
    default:
        return parse_count(options, option, text);
    }
}

int options_parse(struct options *options, int argc, char **argv)
{
    int option, index = 0;

    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", long_options, &index)) != -1) {
        if (option == OPT_HELP || option == 'h')
            return 1;
        if (option == '?' || option == ':') {
            fprintf(stderr, "shardcast-load: %s: %s; see --help\n", argv[optind - 1],
                    option == ':' ? "wants a value" : "no such option");
            return -1;
        }
        if (parse_one(options, option, optarg) < 0) {
            fprintf(stderr, "shardcast-load: --%s: %s is not allowed; see --help\n",
                    long_options[index].name, optarg);
            return -1;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "shardcast-load: %s: not understood; see --help\n", argv[optind]);
        return -1;
    }
    /* A window smaller than a burst would never open. */
    if (options->window && options->window < 2ull * options->burst)
        options->window = 2ull * options->burst;
    return 0;
}

void options_help(const struct options *options, FILE *out)
{
    fprintf(out,
            "  --clients HOST:PORT    where members connect (%s)\n"
            "  --producers HOST:PORT  where messages are published (%s)\n"
            "  --admin HOST:PORT      where GET /stats is asked (%s)\n"
            "  --pid PID              the server's process: CPU time and memory of it and of all\n"
            "                         that it has started are measured\n"
            "  --protocol NAME,...    that members speak, in turn (msgpack): ",
            options->clients.text, options->producers.text, options->admin.text);
    dialect_list(out);
    fputc('\n', out);
    fprintf(out,
            "  --members N            members of each group (%" PRIu32 ")\n"
            "  --groups N             groups (%" PRIu32 ")\n"
            "  --prefix TEXT          groups are called TEXT0, TEXT1, ... (%s)\n"
            "  --payload BYTES        of each message, at least %d (%zu)\n",
            options->members, options->groups, options->prefix, STAMP_BYTES_MIN, options->payload);
    fprintf(out,
            "  --rate N               messages per second over all groups; 0: flat out (%g)\n"
            "  --burst N              messages that go out together (%" PRIu32 ")\n"
            "  --window N             messages on their way at most; 0: no bound (%" PRIu64 ")\n"
            "  --seconds N            of measuring (%g)\n"
            "  --warmup N             seconds before, not measured (%g)\n",
            options->rate, options->burst, options->window, options->seconds, options->warmup);
    fprintf(
        out,
        "  --in-flight N          handshakes under way at once (%" PRIu32 ")\n"
        "  --threads N            receiving threads; 0: as many as the file limit asks for (%u)\n"
        "  --sources N            loopback addresses to connect from; 0: enough (%" PRIu32 ")\n"
        "  --json                 the result as JSON instead of a table\n"
        "  --quiet                no progress on stderr\n"
        "  --help                 this\n",
        options->in_flight, options->threads, options->sources);
}
