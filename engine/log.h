/* The engine's log: one line per event to stderr, key=value pairs, beginning with time and level.
 * Main thread. */
#ifndef SHARDCAST_ENGINE_LOG_H
#define SHARDCAST_ENGINE_LOG_H

/* `format` is the rest of the line: `msg=… key=value …`, without a newline. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
