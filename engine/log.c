#include "engine/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void log_line(const char *level, const char *format, va_list arguments)
{
    char line[8192];
    struct timespec now;
    struct tm utc;
    size_t size;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size = strftime(line, sizeof(line), "time=%Y-%m-%dT%H:%M:%S", &utc);
    size += (size_t)snprintf(line + size, sizeof(line) - size, ".%03ldZ level=%s ",
                             now.tv_nsec / 1000000, level);
    int rest = vsnprintf(line + size, sizeof(line) - size, format, arguments);
    size += rest > 0 ? (size_t)rest : 0;
    if (size > sizeof(line) - 2)
        size = sizeof(line) - 2;
    line[size++] = '\n';
    /* One write, so that lines of several processes do not mix. */
    ssize_t written = write(STDERR_FILENO, line, size);
    (void)written;
}

void log_info(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line("info", format, arguments);
    va_end(arguments);
}

void log_warning(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line("warning", format, arguments);
    va_end(arguments);
}

void log_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line("error", format, arguments);
    va_end(arguments);
}
