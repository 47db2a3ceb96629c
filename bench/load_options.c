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

enum value_kind {
    VALUE_ADDRESS,
    VALUE_COUNT, /* uint32_t */
    VALUE_LARGE, /* uint64_t */
    VALUE_PID,
    VALUE_NUMBER, /* double */
    VALUE_TEXT,
    VALUE_SWITCH,
    VALUE_PROTOCOL,
    VALUE_SIZES,
    VALUE_PRIORITIES,
    VALUE_REQUIRE
};

struct option_spec {
    const char *name;
    const char *value; /* what --help calls it; NULL: a switch */
    enum value_kind kind;
    size_t at; /* in struct options */
    double low, high;
    unsigned uses; /* of enum option_use; 0: every scenario knows it */
    const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct option_spec specs[] = {
    {"clients", "HOST:PORT", VALUE_ADDRESS, AT(clients), 0, 0, 0, "where members connect"},
    {"producers", "HOST:PORT", VALUE_ADDRESS, AT(producers), 0, 0, 0,
     "where messages are published"},
    {"admin", "HOST:PORT", VALUE_ADDRESS, AT(admin), 0, 0, 0, "where GET /stats is asked"},
    {"pid", "PID", VALUE_PID, AT(pid), 1, INT32_MAX, 0,
     "the server's process: CPU time and memory of it and of\n"
     "all that it has started are measured"},
    {"protocol", "NAME,...", VALUE_PROTOCOL, AT(protocols), 0, 0, 0,
     "that members speak, in turn; the first publishes"},

    {"members", "N", VALUE_COUNT, AT(members), 1, 10000000, 0, "members of each group"},
    {"groups", "N", VALUE_COUNT, AT(groups), 1, 10000000, USES_GROUPS, "groups"},
    {"prefix", "TEXT", VALUE_TEXT, AT(prefix), 0, 64, USES_GROUPS | USES_CROWD,
     "groups are called TEXT0, TEXT1, ...; of several,\n"
     "separated by commas, each is used in turn"},
    {"payload", "BYTES", VALUE_SIZES, AT(payload), STAMP_BYTES_MIN, 16777216,
     USES_GROUPS | USES_CROWD,
     "of each message: 128, or a range 64-4096, or several\n"
     "with weights 128:90,1024-4096:9,60000:1"},

    {"rate", "N", VALUE_NUMBER, AT(rate), 0, 1e9, USES_RATE,
     "messages per second over all groups; 0: flat out"},
    {"burst", "N", VALUE_COUNT, AT(burst), 1, 100000, USES_RATE, "messages that go out together"},
    {"window", "N", VALUE_LARGE, AT(window), 0, 1e12, USES_RATE,
     "messages on their way at most; 0: no bound"},
    {"seconds", "N", VALUE_NUMBER, AT(seconds), 0, 1e7, 0, "of measuring, or of holding"},
    {"warmup", "N", VALUE_NUMBER, AT(warmup), 0, 3600, 0, "seconds before, not measured"},

    {"priorities", "LIST", VALUE_PRIORITIES, AT(priorities), 0, 0, USES_TRAFFIC,
     "how many messages have which: critical=5,normal=80,low=15"},
    {"churn", "N", VALUE_NUMBER, AT(churn), 0, 1e6, USES_TRAFFIC,
     "members that leave and join again, per second"},
    {"slow", "N", VALUE_COUNT, AT(slow), 0, 1000000, USES_TRAFFIC,
     "members of each group that read slowly: what the group's\n"
     "policy leaves out for them is counted, and is no loss"},
    {"slow-rate", "BYTES", VALUE_COUNT, AT(slow_rate), 0, 1e9, USES_TRAFFIC,
     "that each of these reads per second; 0: nothing"},
    {"record", "FILE", VALUE_TEXT, AT(record), 0, 4096, USES_TRAFFIC,
     "writes the commands that are measured, with their times,\n"
     "for `shardcast-load replay FILE`"},

    {"waves", "N", VALUE_COUNT, AT(waves), 1, 1000000, USES_WAVES,
     "times that all connect; before the next all are dropped"},
    {"crowd", "N", VALUE_COUNT, AT(crowd), 1, 10000000, USES_CROWD,
     "of the members, these are in one group; the others are\n"
     "in groups of 50"},
    {"rounds", "N", VALUE_COUNT, AT(rounds), 1, 1000, USES_CROWD,
     "broadcasts to all, and as many to the crowd"},
    {"away", "N", VALUE_NUMBER, AT(away), 0, 3600, USES_AWAY,
     "seconds for which they stay away once they are cut"},
    {"speed", "N", VALUE_NUMBER, AT(speed), 0.001, 1000, USES_REPLAY,
     "how many times as fast as it was recorded"},

    {"in-flight", "N", VALUE_COUNT, AT(in_flight), 1, 100000, 0, "handshakes under way at once"},
    {"threads", "N", VALUE_COUNT, AT(threads), 0, 256, 0,
     "receiving threads; 0: as many as the file limit asks for"},
    {"sources", "N", VALUE_COUNT, AT(sources), 0, 1000000, 0,
     "loopback addresses to connect from; 0: enough"},
    {"require", "LIST", VALUE_REQUIRE, AT(require), 0, 0, 0,
     "exit status 1 unless 'p99<5ms,lost=0' or the like holds;\n"
     "may be repeated; see `shardcast-load figures`"},
    {"plot", "DIR", VALUE_TEXT, AT(plot), 0, 4096, 0,
     "draws latency and throughput over time there, as SVG"},
    {"json", NULL, VALUE_SWITCH, AT(json), 0, 0, 0, "the result as JSON instead of a table"},
    {"quiet", NULL, VALUE_SWITCH, AT(quiet), 0, 0, 0, "no progress on stderr"},
};

#define SPECS (sizeof(specs) / sizeof(specs[0]))

enum { OPT_FIRST = 256, OPT_HELP = OPT_FIRST + SPECS };

static bool is_used(const struct option_spec *spec, unsigned uses)
{
    return spec->uses == 0 || (spec->uses & uses) != 0;
}

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

static int parse_number(const struct option_spec *spec, const char *text, double *value)
{
    char *end;

    errno = 0;
    *value = strtod(text, &end);
    if (errno || end == text || *end || !(*value >= spec->low && *value <= spec->high))
        return -1;
    return spec->kind != VALUE_NUMBER && *value != (double)(uint64_t)*value ? -1 : 0;
}

static int parse_require(struct requirements *require, const char *text)
{
    char error[1024];

    if (requirements_parse(require, text, error, sizeof(error)) == 0)
        return 0;
    fprintf(stderr, "shardcast-load: --require: %s\n", error);
    return -2;
}

/* 0; -1: not allowed; -2: not allowed, and stderr says what is wrong. */
static int parse_value(struct options *options, const struct option_spec *spec, const char *text)
{
    void *at = (char *)options + spec->at;
    double n = 0;

    switch (spec->kind) {
    case VALUE_ADDRESS:
        return parse_address(at, text);
    case VALUE_TEXT:
        *(const char **)at = text;
        return *text && strlen(text) < (size_t)spec->high ? 0 : -1;
    case VALUE_SWITCH:
        *(bool *)at = true;
        return 0;
    case VALUE_PROTOCOL:
        return dialect_set_parse(at, text);
    case VALUE_SIZES:
        return sizes_parse(at, text, (uint32_t)spec->low, (uint32_t)spec->high);
    case VALUE_PRIORITIES:
        return mix_parse(at, text);
    case VALUE_REQUIRE:
        return parse_require(at, text);
    default:
        break;
    }
    if (parse_number(spec, text, &n) < 0)
        return -1;
    if (spec->kind == VALUE_NUMBER)
        *(double *)at = n;
    else if (spec->kind == VALUE_LARGE)
        *(uint64_t *)at = (uint64_t)n;
    else if (spec->kind == VALUE_PID)
        *(pid_t *)at = (pid_t)n;
    else
        *(uint32_t *)at = (uint32_t)n;
    return 0;
}

/* What is allowed, for the message that refuses a value. */
static void print_allowed(const struct option_spec *spec, FILE *out)
{
    switch (spec->kind) {
    case VALUE_ADDRESS:
        fputs("HOST:PORT", out);
        break;
    case VALUE_TEXT:
        fprintf(out, "1 to %g bytes", spec->high - 1);
        break;
    case VALUE_PROTOCOL:
        fputs("one or several of ", out);
        dialect_list(out);
        break;
    case VALUE_SIZES:
        fprintf(out, "sizes of %g to %g as SIZE or LOW-HIGH, with weights as SIZE:WEIGHT,...",
                spec->low, spec->high);
        break;
    case VALUE_PRIORITIES:
        fprintf(out, "critical=N,normal=N,low=N with a sum of 1 to %d", MIX_PATTERN);
        break;
    default:
        fprintf(out, "%s%.10g to %.10g", spec->kind == VALUE_NUMBER ? "" : "whole numbers, ",
                spec->low, spec->high);
    }
}

static int take_option(struct options *options, const struct option_spec *spec, unsigned uses,
                       const char *text)
{
    int result;

    if (!is_used(spec, uses)) {
        fprintf(stderr, "shardcast-load: --%s: means nothing to this scenario; see --help\n",
                spec->name);
        return -1;
    }
    result = parse_value(options, spec, text);
    if (result == -1) {
        fprintf(stderr, "shardcast-load: --%s: '%s' is not allowed; allowed: ", spec->name, text);
        print_allowed(spec, stderr);
        fputc('\n', stderr);
    }
    return result;
}

/* What cannot be together. */
static int check(struct options *options)
{
    const char *wrong = NULL;
    bool raw = options->protocols.count == 1 && options->protocols.dialects[0] == &dialect_msgpack;

    if (options->churn > 0 && options->rate <= 0)
        wrong = "--churn: wants a --rate: flat out follows members that stay";
    else if (!raw && (options->churn > 0 || options->slow || mix_on(&options->priorities)))
        wrong = "--churn, --slow and --priorities: want --protocol msgpack";
    else if (!raw && options->record)
        wrong = "--record: wants --protocol msgpack";
    else if (options->slow >= options->members)
        wrong = "--slow: must be less than --members";
    if (wrong) {
        fprintf(stderr, "shardcast-load: %s\n", wrong);
        return -1;
    }
    /* A window smaller than a burst would never open; and who leaves and comes back has not had all
     * that the window waits for. */
    if (options->churn > 0)
        options->window = 0;
    if (options->window && options->window < 2ull * options->burst)
        options->window = 2ull * options->burst;
    return 0;
}

static void list_options(struct option *list)
{
    for (size_t i = 0; i < SPECS; i++)
        list[i] = (struct option){specs[i].name, specs[i].value ? required_argument : no_argument,
                                  NULL, OPT_FIRST + (int)i};
    list[SPECS] = (struct option){"help", no_argument, NULL, OPT_HELP};
    list[SPECS + 1] = (struct option){0};
}

int options_parse(struct options *options, unsigned uses, int argc, char **argv)
{
    struct option list[SPECS + 2];
    int option;

    list_options(list);
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", list, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h')
            return 1;
        if (option == '?' || option == ':') {
            fprintf(stderr, "shardcast-load: %s: %s; see --help\n", argv[optind - 1],
                    option == ':' ? "wants a value" : "no such option");
            return -1;
        }
        if (take_option(options, &specs[option - OPT_FIRST], uses, optarg) < 0)
            return -1;
    }
    if (uses & USES_REPLAY)
        options->file = optind < argc ? argv[optind++] : NULL;
    if (optind < argc) {
        fprintf(stderr, "shardcast-load: %s: not understood; see --help\n", argv[optind]);
        return -1;
    }
    if ((uses & USES_REPLAY) && !options->file) {
        fprintf(stderr, "shardcast-load: replay wants a FILE; see --help\n");
        return -1;
    }
    return check(options);
}

void options_init(struct options *options)
{
    memset(options, 0, sizeof(*options));
    (void)parse_address(&options->clients, "127.0.0.1:7480");
    (void)parse_address(&options->producers, "127.0.0.1:7481");
    (void)parse_address(&options->admin, "127.0.0.1:7482");
    (void)sizes_parse(&options->payload, "128", STAMP_BYTES_MIN, UINT32_MAX);
    options->protocols = (struct dialect_set){1, {&dialect_msgpack}};
    options->members = 1000;
    options->groups = 1;
    options->prefix = "load";
    options->rate = 100;
    options->burst = 1;
    options->window = 4096;
    options->seconds = 5;
    options->warmup = 1;
    options->slow_rate = 4096;
    options->waves = 1;
    options->rounds = 3;
    options->speed = 1;
    options->away = 2;
    options->in_flight = 200;
}

#define HELP_COLUMN 25

static void print_priorities(const struct mix *mix, FILE *out)
{
    const char *between = "";

    for (int i = 0; i < MIX_PRIORITIES; i++)
        if (mix->weights[i]) {
            fprintf(out, "%s%s=%u", between, mix_name((enum mix_priority)i), mix->weights[i]);
            between = ",";
        }
    if (!*between)
        fputs("none is said", out);
}

static void print_default(const struct options *options, const struct option_spec *spec, FILE *out)
{
    const void *at = (const char *)options + spec->at;

    fputs(" (", out);
    switch (spec->kind) {
    case VALUE_ADDRESS:
        fputs(((const struct address *)at)->text, out);
        break;
    case VALUE_COUNT:
        fprintf(out, "%" PRIu32, *(const uint32_t *)at);
        break;
    case VALUE_LARGE:
        fprintf(out, "%" PRIu64, *(const uint64_t *)at);
        break;
    case VALUE_NUMBER:
        fprintf(out, "%g", *(const double *)at);
        break;
    case VALUE_PROTOCOL:
        fprintf(out, "%s):\n%*s", options->protocols.dialects[0]->name, HELP_COLUMN, "");
        dialect_list(out);
        return;
    case VALUE_SIZES:
        fputs(((const struct sizes *)at)->text, out);
        break;
    case VALUE_PRIORITIES:
        print_priorities(at, out);
        break;
    default:
        fputs(*(const char *const *)at, out);
    }
    fputc(')', out);
}

static bool has_default(const struct options *options, const struct option_spec *spec)
{
    if (spec->kind == VALUE_TEXT)
        return *(const char *const *)((const char *)options + spec->at) != NULL;
    return spec->kind != VALUE_SWITCH && spec->kind != VALUE_REQUIRE && spec->kind != VALUE_PID;
}

void options_help(const struct options *options, unsigned uses, FILE *out)
{
    for (size_t i = 0; i < SPECS; i++) {
        const struct option_spec *spec = &specs[i];
        int size;

        if (!is_used(spec, uses))
            continue;
        size = fprintf(out, "  --%s%s%s", spec->name, spec->value ? " " : "",
                       spec->value ? spec->value : "");
        fprintf(out, "%*s", size < HELP_COLUMN ? HELP_COLUMN - size : 1, "");
        for (const char *c = spec->help; *c; c++)
            if (*c == '\n')
                fprintf(out, "\n%*s", HELP_COLUMN, "");
            else
                fputc(*c, out);
        if (has_default(options, spec))
            print_default(options, spec, out);
        fputc('\n', out);
    }
    fprintf(out, "  %-*s%s\n", HELP_COLUMN - 2, "--help", "this");
}
