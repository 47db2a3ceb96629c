/* What the tests of the configuration share: a file, loading, and what an error looks like. */
#ifndef SHARDCAST_TESTS_CONFIG_HELPER_H
#define SHARDCAST_TESTS_CONFIG_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/config.h"

/* A configuration that was loaded, or the error. */
struct loaded {
    struct config config;
    int status;
    char error[CONFIG_ERROR_MAX];
};

static char file_name[] = "/tmp/shardcast-config-XXXXXX";

/* The configuration file holds this. */
static inline void write_bytes(const char *text, size_t size)
{
    FILE *file = fopen(file_name, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void write_file(const char *text)
{
    write_bytes(text, strlen(text));
}

/* Loads with the flags given, NULL at the end. */
static inline struct loaded load(const char *flag, ...)
{
    struct loaded loaded;
    char *argv[16] = {(char *)"shardcastd"};
    int argc = 1;
    va_list args;

    va_start(args, flag);
    for (; flag; flag = va_arg(args, const char *))
        argv[argc++] = (char *)flag;
    va_end(args);
    loaded.status = config_load(&loaded.config, argc, argv, loaded.error);
    return loaded;
}

static inline struct loaded load_text(const char *text)
{
    write_file(text);
    return load("--config", file_name, NULL);
}

static inline void clear(struct loaded *loaded)
{
    config_clear(&loaded->config);
}

/* The text is right; the caller clears what it gets. */
static inline struct loaded load_good(const char *text)
{
    struct loaded loaded = load_text(text);

    if (loaded.status)
        print_error("%s\n%s\n", text, loaded.error);
    assert_int_equal(loaded.status, 0);
    return loaded;
}

static inline void assert_good(const char *text)
{
    struct loaded loaded = load_good(text);

    clear(&loaded);
}

/* The error is one line that begins with `begin`, and says what is allowed. */
static inline void assert_error(struct loaded loaded, const char *begin)
{
    assert_int_equal(loaded.status, ERR_CONFIG);
    if (strncmp(loaded.error, begin, strlen(begin)) || !strstr(loaded.error, "; allowed: ") ||
        strchr(loaded.error, '\n'))
        fail_msg("\"%s\" does not begin with \"%s\"", loaded.error, begin);
    clear(&loaded);
}

/* Loading `text` fails at `place`: "LINE: KEY: ". */
static inline void assert_bad(const char *text, const char *place)
{
    char begin[256];

    snprintf(begin, sizeof(begin), "%s:%s: ", file_name, place);
    assert_error(load_text(text), begin);
}

/* Runs with the file in place. */
#define RUN_WITH_FILE(tests)                                    \
    do {                                                        \
        int fd = mkstemp(file_name);                            \
                                                                \
        if (fd < 0)                                             \
            return 1;                                           \
        close(fd);                                              \
        int failed = cmocka_run_group_tests(tests, NULL, NULL); \
        unlink(file_name);                                      \
        return failed;                                          \
    } while (0)

#endif
