/* A recorded command stream with its timing: a msgpack stream, so that any language can write one.
 *
 *     {"format": "shardcast-recording", "version": 1}    first; other keys are ignored
 *     [MICROSECONDS, COMMAND]                            each command, in the order sent
 *
 * MICROSECONDS, an unsigned integer, is when the command was due since the recording began, and
 * never less than before; COMMAND is the map as a producer sends it, byte for byte. */
#ifndef SHARDCAST_BENCH_LOAD_RECORDING_H
#define SHARDCAST_BENCH_LOAD_RECORDING_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Writing: by one thread. */
struct recorder;

/* NULL: the file cannot be written, and stderr says why. */
struct recorder *recorder_open(const char *path);

/* Adds a command that was due `ns` after the recording began. */
void recorder_add(struct recorder *recorder, uint64_t ns, const uint8_t *command, size_t size);

/* Ends it. -1: not all of it could be written, and stderr says why. NULL is allowed. */
int recorder_close(struct recorder *recorder);

/* Reading: the whole file, which is mapped. Immutable once opened. */
struct recording_entry {
    uint64_t ns; /* since the recording began */
    const uint8_t *command;
    uint32_t size;
};

struct recording {
    struct recording_entry *entries;
    size_t count;
    uint32_t command_max; /* bytes of the longest */
    void *map;
    size_t map_size;
};

/* 0, or -1 and stderr says what is wrong, and at which byte. */
int recording_open(struct recording *recording, const char *path);
void recording_close(struct recording *recording);

/* Leaves out the entries for which `keep` is false; it gets each once, in order. */
void recording_filter(struct recording *recording,
                      int (*keep)(void *context, const struct recording_entry *entry),
                      void *context);

#endif
