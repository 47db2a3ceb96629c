/* --print-config: the effective configuration as YAML, in the order and form of the documents. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/config.h"
#include "engine/config_schema.h"

/* A double-quoted scalar (YAML 1.2 section 5.7); its text is UTF-8 without NUL. */
static void print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\x%02X", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void print_list(FILE *out, const struct settings *settings)
{
    fputc('[', out);
    for (uint32_t i = 0; i < settings->origin_count; i++) {
        fputs(i ? ", " : "", out);
        print_text(out, settings->origins[i]);
    }
    fputc(']', out);
}

static void print_value(FILE *out, const struct config_key *key, const struct config_target *target)
{
    const void *at = (const char *)target->base[key->base] + key->offset;

    switch (key->type) {
    case CONFIG_UINT32:
        fprintf(out, "%lu", (unsigned long)*(const uint32_t *)at);
        break;
    case CONFIG_UINT64:
        fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case CONFIG_BOOL:
        fputs(*(const bool *)at ? "true" : "false", out);
        break;
    case CONFIG_PRIORITY:
        fputs(config_priority_name(*(const enum command_priority *)at), out);
        break;
    case CONFIG_SLOW_CONSUMER:
        fputs(config_slow_consumer_name(*(const enum slow_consumer *)at), out);
        break;
    case CONFIG_TOKEN:
        print_text(out, *(char *const *)at ? "***" : "");
        break;
    case CONFIG_ADDRESS:
    case CONFIG_NAME:
        print_text(out, *(char *const *)at);
        break;
    case CONFIG_ORIGINS:
        print_list(out, target->base[BASE_SETTINGS]);
        break;
    case CONFIG_MAP:
    case CONFIG_NAMESPACES:
    default:
        break; /* print_keys() goes down */
    }
}

/* The first key of a list's item stands behind its dash. */
static void print_keys(FILE *out, const struct config_key *keys, const struct config_target *target,
                       const char *first, const char *indent);

static void print_namespaces(FILE *out, const struct config_key *key,
                             const struct config_target *up)
{
    const struct settings *settings = up->base[BASE_SETTINGS];
    struct config_target target = *up;

    for (uint32_t i = 0; i < settings->namespace_count; i++) {
        target.base[BASE_NAMESPACE] = &settings->namespaces[i];
        print_keys(out, key->keys, &target, "  - ", "    ");
    }
}

static void print_keys(FILE *out, const struct config_key *keys, const struct config_target *target,
                       const char *first, const char *indent)
{
    char deeper[16];

    snprintf(deeper, sizeof(deeper), "%s  ", indent);
    for (; keys->name; keys++) {
        fprintf(out, "%s%s:", first, keys->name);
        first = indent;
        if (keys->type == CONFIG_MAP) {
            fputc('\n', out);
            print_keys(out, keys->keys, target, deeper, deeper);
        } else if (keys->type == CONFIG_NAMESPACES) {
            fputc('\n', out);
            print_namespaces(out, keys, target);
        } else {
            fputc(' ', out);
            print_value(out, keys, target);
            fputc('\n', out);
        }
    }
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size) {
        ssize_t wrote = write(fd, text, size);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return ERR_SYS;
        text += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

int config_print(const struct config *config, int fd)
{
    const struct config_target target = {
        .base = {[BASE_CONFIG] = (void *)config, [BASE_SETTINGS] = config->settings}};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return ERR_SYS;
    print_keys(out, config_keys, &target, "", "");

    int error = ferror(out) ? ERR_SYS : 0;
    if (fclose(out))
        error = ERR_SYS;
    if (!error)
        error = write_all(fd, text, size);
    free(text);
    return error;
}
