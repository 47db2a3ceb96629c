#include "engine/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/address.h"
#include "engine/config_file.h"
#include "engine/config_schema.h"

const char config_usage[] =
    "Usage: shardcastd [FLAG]...\n"
    "\n"
    "A WebSocket broadcast engine. Starts with no configuration at all; what a flag says goes "
    "before\n"
    "the environment, the environment before the file, the file before the default.\n"
    "\n"
    "  --config FILE           configuration file (YAML)            [SHARDCAST_CONFIG]\n"
    "  --listen ADDR:PORT      clients; default 127.0.0.1:7480      [SHARDCAST_LISTEN]\n"
    "  --producers ADDR:PORT   producers; default 127.0.0.1:7481    [SHARDCAST_PRODUCERS]\n"
    "  --admin ADDR:PORT       admin HTTP; default 127.0.0.1:7482   [SHARDCAST_ADMIN]\n"
    "  --shards N              threads; 0: one per available core   [SHARDCAST_SHARDS]\n"
    "  --check                 validate the configuration and exit\n"
    "  --print-config          print the effective configuration as YAML and exit\n"
    "  --version               print the version and exit\n"
    "  --help                  print this and exit\n"
    "\n"
    "Tokens come from the file or from SHARDCAST_PRODUCERS_TOKEN and SHARDCAST_ADMIN_TOKEN.\n"
    "SIGTERM and SIGINT drain and end the engine, SIGHUP reads the configuration file again.\n"
    "Exit status: 0 after a drain, 1 on a failure, 2 on bad usage or configuration.\n";

/* The key of the file that a flag or variable stands for. */
struct override_spec {
    const char *flag, *variable; /* flag NULL: none */
    const char *section, *name;  /* section NULL: a key of the top; name NULL: no key */
};

static const struct override_spec specs[OVERRIDE_COUNT] = {
    [OVERRIDE_CONFIG] = {"--config", "SHARDCAST_CONFIG", NULL, NULL},
    [OVERRIDE_LISTEN] = {"--listen", "SHARDCAST_LISTEN", "listen", "clients"},
    [OVERRIDE_PRODUCERS] = {"--producers", "SHARDCAST_PRODUCERS", "listen", "producers"},
    [OVERRIDE_ADMIN] = {"--admin", "SHARDCAST_ADMIN", "listen", "admin"},
    [OVERRIDE_SHARDS] = {"--shards", "SHARDCAST_SHARDS", NULL, "shards"},
    [OVERRIDE_PRODUCERS_TOKEN] = {NULL, "SHARDCAST_PRODUCERS_TOKEN", "tokens", "producers"},
    [OVERRIDE_ADMIN_TOKEN] = {NULL, "SHARDCAST_ADMIN_TOKEN", "tokens", "admin"},
};

#define FLAGS_ALLOWED                                                                          \
    "--config, --listen, --producers, --admin, --shards, --check, --print-config, --version, " \
    "--help"

/* Flags without a value; those with one have their enum config_override_kind. */
enum { FLAG_CHECK = OVERRIDE_COUNT, FLAG_PRINT_CONFIG, FLAG_VERSION, FLAG_HELP };

static const struct option options[] = {
    {"config", required_argument, NULL, OVERRIDE_CONFIG},
    {"listen", required_argument, NULL, OVERRIDE_LISTEN},
    {"producers", required_argument, NULL, OVERRIDE_PRODUCERS},
    {"admin", required_argument, NULL, OVERRIDE_ADMIN},
    {"shards", required_argument, NULL, OVERRIDE_SHARDS},
    {"check", no_argument, NULL, FLAG_CHECK},
    {"print-config", no_argument, NULL, FLAG_PRINT_CONFIG},
    {"version", no_argument, NULL, FLAG_VERSION},
    {"help", no_argument, NULL, FLAG_HELP},
    {NULL, 0, NULL, 0},
};

static const struct config_key *spec_key(const struct override_spec *spec)
{
    const struct config_key *keys = config_keys;

    if (spec->section)
        keys = config_key_find(keys, spec->section, strlen(spec->section))->keys;
    return config_key_find(keys, spec->name, strlen(spec->name));
}

static int fail_nomem(char *error)
{
    snprintf(error, CONFIG_ERROR_MAX, "shardcastd: out of memory");
    return ERR_CONFIG;
}

/* `source` is a flag or a variable. */
static int fail_source(char *error, const char *source, const char *what, const char *allowed)
{
    snprintf(error, CONFIG_ERROR_MAX, "shardcastd: %s: %s; allowed: %s", source, what, allowed);
    return ERR_CONFIG;
}

/* Remembers what a flag or variable says, once it is judged. */
static int override_set(struct config *config, enum config_override_kind kind, const char *source,
                        const char *value, char *error)
{
    struct config_override *override = &config->overrides[kind];
    char quoted[CONFIG_QUOTE_MAX], what[CONFIG_QUOTE_MAX + 80], allowed[CONFIG_ALLOWED_MAX];
    const char *why;

    if (specs[kind].name && config_key_judge(spec_key(&specs[kind]), value, true, &why)) {
        config_key_allowed(spec_key(&specs[kind]), allowed);
        if (kind == OVERRIDE_PRODUCERS_TOKEN || kind == OVERRIDE_ADMIN_TOKEN)
            return fail_source(error, source, why, allowed); /* no secret into a log */
        snprintf(what, sizeof(what), "\"%s\" %s", config_quote(quoted, value), why);
        return fail_source(error, source, what, allowed);
    }

    char *copy = strdup(value);
    if (!copy)
        return fail_nomem(error);
    free(override->value);
    override->value = copy;
    override->source = source;
    return 0;
}

/* ---- flags and environment ---- */

/* Words a flag that getopt_long() refused. */
static int fail_flag(char *error, int status, const char *argument)
{
    char quoted[CONFIG_QUOTE_MAX], name[CONFIG_QUOTE_MAX];

    snprintf(name, sizeof(name), "%s", config_quote(quoted, argument));
    char *equals = strchr(name, '=');
    if (equals)
        *equals = '\0';
    if (status == ':') { /* optopt is the flag's enum config_override_kind */
        char allowed[CONFIG_ALLOWED_MAX] = "a file's name";

        if (specs[optopt].name)
            config_key_allowed(spec_key(&specs[optopt]), allowed);
        return fail_source(error, specs[optopt].flag, "needs a value", allowed);
    }

    size_t size = strlen(name) > 2 ? strlen(name + 2) : 0;
    unsigned matches = 0;
    bool takes_none = false;
    for (const struct option *option = options; size && option->name; option++) {
        if (strncmp(option->name, name + 2, size))
            continue;
        matches++;
        takes_none = equals && option->has_arg == no_argument;
    }
    if (matches > 1)
        return fail_source(error, name, "is the beginning of several flags", FLAGS_ALLOWED);
    if (takes_none)
        return fail_source(error, name, "takes no value", "the flag alone");
    return fail_source(error, name, "unknown flag", FLAGS_ALLOWED);
}

static int read_flags(struct config *config, int argc, char **argv, char *error)
{
    int flag, result = 0;

    opterr = 0; /* one line, and ours */
    optind = 0; /* glibc: begin anew, also when called twice */
    for (;;) {
        int at = optind ? optind : 1;

        flag = getopt_long(argc, argv, "+:", options, NULL);
        if (flag < 0)
            break;
        switch (flag) {
        case FLAG_CHECK:
            config->check = true;
            break;
        case FLAG_PRINT_CONFIG:
            config->print_config = true;
            break;
        case FLAG_VERSION:
            config->version = true;
            break;
        case FLAG_HELP:
            config->help = true;
            break;
        case ':':
        case '?':
            return fail_flag(error, flag, argv[at]);
        default:
            result = override_set(config, (enum config_override_kind)flag, specs[flag].flag, optarg,
                                  error);
            if (result)
                return result;
        }
    }
    if (optind < argc) {
        char quoted[CONFIG_QUOTE_MAX];

        return fail_source(error, config_quote(quoted, argv[optind]), "is no flag", FLAGS_ALLOWED);
    }
    return 0;
}

/* What a flag has said already is not looked at; an empty variable is not set. */
static int read_environment(struct config *config, char *error)
{
    for (int kind = 0; kind < OVERRIDE_COUNT; kind++) {
        const char *value = getenv(specs[kind].variable);

        if (config->overrides[kind].source || !value || !*value)
            continue;
        int result = override_set(config, (enum config_override_kind)kind, specs[kind].variable,
                                  value, error);
        if (result)
            return result;
    }
    return 0;
}

/* ---- putting it together ---- */

static int set_defaults(struct config *config)
{
    config->clients = strdup("127.0.0.1:7480");
    config->producers = strdup("127.0.0.1:7481");
    config->admin = strdup("127.0.0.1:7482");
    config->settings = settings_new();
    return config->clients && config->producers && config->admin && config->settings ? 0
                                                                                     : ERR_NOMEM;
}

static int read_file(struct config *config, struct config_lines *lines, char *error)
{
    const struct config_override *override = &config->overrides[OVERRIDE_CONFIG];
    char quoted[CONFIG_QUOTE_MAX], what[CONFIG_QUOTE_MAX + 160];
    char *text;
    size_t size;

    if (!override->source)
        return 0;
    config->path = strdup(override->value);
    if (!config->path)
        return fail_nomem(error);

    int result = config_file_read(config->path, &text, &size);
    if (result == ERR_NOMEM)
        return fail_nomem(error);
    if (result) {
        snprintf(what, sizeof(what), "cannot read \"%s\": %s", config_quote(quoted, config->path),
                 result == ERR_TOO_LARGE ? "larger than 1048576 bytes" : strerror(errno));
        return fail_source(error, override->source, what, "a readable file of up to 1 MiB");
    }
    result = config_file_parse(config, config->path, text, size, lines, error);
    free(text);
    return result;
}

static int apply_overrides(struct config *config)
{
    const struct config_target target = {
        .base = {[BASE_CONFIG] = config, [BASE_SETTINGS] = config->settings}};
    const char *why;

    for (int kind = 0; kind < OVERRIDE_COUNT; kind++) {
        const struct config_override *override = &config->overrides[kind];

        if (!override->source || !specs[kind].name)
            continue;
        /* "***" in a variable is no token either, and hides none from the file. */
        if (!strcmp(override->value, "***"))
            continue;
        int error = config_key_set(spec_key(&specs[kind]), &target, override->value, true, &why);
        if (error)
            return error; /* judged before: only out of memory */
    }
    return 0;
}

/* An address that others can reach needs a token, or the word that this is meant. */
static int check_reach(const struct config *config, enum config_override_kind kind,
                       const char *address, const char *token, unsigned line, char *error)
{
    const struct override_spec *spec = &specs[kind];
    const char *source = config->overrides[kind].source;
    char quoted[CONFIG_QUOTE_MAX], what[256], allowed[256];

    if (token || config->settings->insecure || address_is_loopback(address))
        return 0;
    snprintf(what, sizeof(what), "\"%s\" is beyond loopback and no token is configured for it",
             config_quote(quoted, address));
    snprintf(allowed, sizeof(allowed),
             "a loopback address, a token (tokens.%s, SHARDCAST_%s_TOKEN), or insecure: true",
             spec->name, kind == OVERRIDE_ADMIN ? "ADMIN" : "PRODUCERS");
    if (source)
        return fail_source(error, source, what, allowed);
    snprintf(error, CONFIG_ERROR_MAX, "%s:%u: %s.%s: %s; allowed: %s", config->path, line,
             spec->section, spec->name, what, allowed);
    return ERR_CONFIG;
}

/* The shards' part of what is kept elsewhere. */
static int fill_settings(struct config *config)
{
    struct settings *settings = config->settings;

    settings->clients_on_loopback = address_is_loopback(config->clients);
    if (!config->producers_token)
        return 0;
    settings->producers_token = strdup(config->producers_token);
    return settings->producers_token ? 0 : ERR_NOMEM;
}

/* An error is one line, whatever a file is called. */
static int as_line(int result, char *error)
{
    for (char *at = error; result && *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return result;
}

/* Everything but the overrides, which are there. */
static int build(struct config *config, char *error)
{
    struct config_lines lines = {0};

    if (set_defaults(config))
        return fail_nomem(error);
    if (config->help || config->version)
        return 0;

    int result = read_file(config, &lines, error);
    if (result)
        return result;
    if (apply_overrides(config))
        return fail_nomem(error);
    result = check_reach(config, OVERRIDE_PRODUCERS, config->producers, config->producers_token,
                         lines.producers, error);
    if (!result)
        result = check_reach(config, OVERRIDE_ADMIN, config->admin, config->admin_token,
                             lines.admin, error);
    if (!result && fill_settings(config))
        return fail_nomem(error);
    return result;
}

int config_load(struct config *config, int argc, char **argv, char error[CONFIG_ERROR_MAX])
{
    memset(config, 0, sizeof(*config));
    error[0] = '\0';

    int result = read_flags(config, argc, argv, error);
    if (!result && !config->help && !config->version)
        result = read_environment(config, error);
    return as_line(result ? result : build(config, error), error);
}

/* ---- reload ---- */

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* Notes a text that changed and gives `fresh` the one that runs. Swapped, not copied: nothing here
 * can fail half way. */
static void keep_text(struct config_changes *changes, const char *key, char **fresh, char **keep)
{
    if (!same(*fresh, *keep))
        changes->keys[changes->count++] = key;
    free(*fresh);
    *fresh = *keep;
    *keep = NULL;
}

/* What `running` has of all that a restart alone changes, in memory of its own. */
static int copy_restart_keys(struct config *to, const struct config *running)
{
    to->clients = strdup(running->clients);
    to->producers = strdup(running->producers);
    to->admin = strdup(running->admin);
    to->producers_token = running->producers_token ? strdup(running->producers_token) : NULL;
    to->admin_token = running->admin_token ? strdup(running->admin_token) : NULL;
    return to->clients && to->producers && to->admin &&
                   !to->producers_token == !running->producers_token &&
                   !to->admin_token == !running->admin_token
               ? 0
               : ERR_NOMEM;
}

static int keep_restart_keys(const struct config *running, struct config *fresh,
                             struct config_changes *changes)
{
    struct config keep = {0};
    char *producers_token = NULL;
    int error = copy_restart_keys(&keep, running);

    if (!error && running->producers_token) {
        producers_token = strdup(running->producers_token);
        error = producers_token ? 0 : ERR_NOMEM;
    }
    if (error)
        goto done;

    keep_text(changes, "listen.clients", &fresh->clients, &keep.clients);
    keep_text(changes, "listen.producers", &fresh->producers, &keep.producers);
    keep_text(changes, "listen.admin", &fresh->admin, &keep.admin);
    if (fresh->shards != running->shards)
        changes->keys[changes->count++] = "shards";
    fresh->shards = running->shards;
    if (fresh->settings->insecure != running->settings->insecure)
        changes->keys[changes->count++] = "insecure";
    fresh->settings->insecure = running->settings->insecure;
    keep_text(changes, "tokens.producers", &fresh->producers_token, &keep.producers_token);
    keep_text(changes, "tokens.admin", &fresh->admin_token, &keep.admin_token);
    fresh->settings->clients_on_loopback = running->settings->clients_on_loopback;
    free(fresh->settings->producers_token);
    fresh->settings->producers_token = producers_token;
    producers_token = NULL;
done:
    free(producers_token);
    config_clear(&keep);
    return error;
}

int config_reload(const struct config *running, struct config *fresh,
                  struct config_changes *changes, char error[CONFIG_ERROR_MAX])
{
    memset(fresh, 0, sizeof(*fresh));
    memset(changes, 0, sizeof(*changes));
    error[0] = '\0';
    for (int kind = 0; kind < OVERRIDE_COUNT; kind++) {
        const struct config_override *override = &running->overrides[kind];

        if (!override->source)
            continue;
        fresh->overrides[kind].value = strdup(override->value);
        if (!fresh->overrides[kind].value)
            return fail_nomem(error);
        fresh->overrides[kind].source = override->source;
    }

    int result = build(fresh, error);
    if (!result && keep_restart_keys(running, fresh, changes))
        return fail_nomem(error);
    return as_line(result, error);
}

void config_clear(struct config *config)
{
    free(config->path);
    free(config->clients);
    free(config->producers);
    free(config->admin);
    free(config->producers_token);
    free(config->admin_token);
    settings_unref(config->settings);
    for (int kind = 0; kind < OVERRIDE_COUNT; kind++)
        free(config->overrides[kind].value);
    memset(config, 0, sizeof(*config));
}
