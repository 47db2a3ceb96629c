/* The configuration file: whatever it says, it is either taken and keeps the promises that the rest
 * of the engine builds on, or refused with one line of the contract's form.
 *
 * Input: the text of a file. */
#define _GNU_SOURCE /* memfd_create */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/address.h"
#include "engine/config.h"
#include "engine/config_file.h"
#include "engine/config_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_NAME "fuzz.yaml"

static void check(bool promise)
{
    if (!promise)
        abort();
}

/* What config_load() begins with. */
static void set_defaults(struct config *config)
{
    memset(config, 0, sizeof(*config));
    config->clients = strdup("127.0.0.1:7480");
    config->producers = strdup("127.0.0.1:7481");
    config->admin = strdup("127.0.0.1:7482");
    config->settings = settings_new();
    check(config->clients && config->producers && config->admin && config->settings);
}

static void check_error(const char *error, const uint8_t *data, size_t size)
{
    unsigned long lines = 1;
    char *end;

    for (size_t i = 0; i < size; i++)
        /* libyaml's ends of lines are more than '\n': CR, and three of Unicode's. */
        lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] >= 0xa8;
    check(!strncmp(error, FILE_NAME ":", strlen(FILE_NAME ":")));

    unsigned long line = strtoul(error + strlen(FILE_NAME ":"), &end, 10);
    check(line >= 1 && line <= lines && !strncmp(end, ": ", 2));
    check(strstr(end + 2, ": ") && strstr(end, "; allowed: "));
    check(!strchr(error, '\n') && strlen(error) < CONFIG_ERROR_MAX - 1);
}

static void check_namespace(const struct namespace_settings *space, bool rest)
{
    size_t size = strlen(space->name);

    check(rest ? size == 0 : group_name_valid(space->name, size) && !strchr(space->name, ':'));
    check(space->max_rate <= 1000000);
    check(space->priority >= PRIORITY_CRITICAL && space->priority <= PRIORITY_LOW);
    check(space->slow_consumer >= SLOW_CLOSE && space->slow_consumer <= SLOW_LATEST);
    check(!space->history.position_seconds ||
          space->history.position_seconds >= space->history.seconds);
}

static void check_config(const struct config *config)
{
    const struct settings *settings = config->settings;

    check(!address_fault(config->clients) && !address_fault(config->producers) &&
          !address_fault(config->admin));
    check(!config->producers_token || *config->producers_token);
    check(!config->admin_token || *config->admin_token);
    check(settings->limits.message_bytes >= 1);
    check(settings->limits.backlog_bytes >= settings->limits.message_bytes);
    check(settings->limits.recovery_bytes >= settings->limits.message_bytes);
    check(!settings->health.ping_seconds ||
          settings->health.pong_timeout_seconds < settings->health.ping_seconds);
    for (uint32_t i = 0; i < settings->origin_count; i++)
        check(config_origin_valid(settings->origins[i]) ||
              (settings->origin_count == 1 && !strcmp(settings->origins[i], "*")));
    for (uint32_t i = 0; i < settings->namespace_count; i++) {
        check_namespace(&settings->namespaces[i], i == 0);
        for (uint32_t k = 0; k < i; k++)
            check(strcmp(settings->namespaces[i].name, settings->namespaces[k].name) != 0);
    }
}

static char *print(const struct config *config, size_t *size)
{
    int fd = memfd_create("printed", MFD_CLOEXEC);

    check(fd >= 0 && !config_print(config, fd));
    *size = (size_t)lseek(fd, 0, SEEK_END);
    char *text = malloc(*size + 1);
    check(text && pread(fd, text, *size, 0) == (ssize_t)*size);
    text[*size] = '\0';
    close(fd);
    return text;
}

/* What is printed reads back the same; a token as none. */
static void check_print(struct config *config)
{
    struct config_lines lines;
    struct config second;
    char error[CONFIG_ERROR_MAX];
    size_t size, again_size;

    free(config->producers_token);
    free(config->admin_token);
    config->producers_token = config->admin_token = NULL;
    char *printed = print(config, &size);

    set_defaults(&second);
    check(!config_file_parse(&second, FILE_NAME, printed, size, &lines, error));
    char *again = print(&second, &again_size);
    check(size == again_size && !memcmp(printed, again, size));
    config_clear(&second);
    free(printed);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_lines lines;
    struct config config;
    char error[CONFIG_ERROR_MAX];

    if (size > CONFIG_FILE_MAX)
        return 0;
    set_defaults(&config);
    if (config_file_parse(&config, FILE_NAME, (const char *)data, size, &lines, error)) {
        check_error(error, data, size);
    } else {
        check_config(&config);
        check_print(&config);
    }
    config_clear(&config);
    return 0;
}
