#define _GNU_SOURCE
#include "bench/load_recording.h"

#include <errno.h>
#include <fcntl.h>
#include <msgpack.h>
#include <msgpack/fbuffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/command.h"
#include "proto/value.h"

#define FORMAT       "shardcast-recording"
#define VERSION      1
#define COMMAND_MAX  (1u << 28) /* bytes: nothing longer is a command */
#define WRITE_BUFFER (1 << 20)

struct recorder {
    FILE *file;
    msgpack_packer packer;
    char *path;
    char *buffer;
};

struct recorder *recorder_open(const char *path)
{
    struct recorder *recorder = calloc(1, sizeof(*recorder));

    if (!recorder)
        return NULL;
    recorder->path = strdup(path);
    recorder->buffer = malloc(WRITE_BUFFER);
    recorder->file = fopen(path, "we");
    if (!recorder->file || !recorder->path || !recorder->buffer) {
        fprintf(stderr, "shardcast-load: --record: %s: %s\n", path, strerror(errno));
        (void)recorder_close(recorder);
        return NULL;
    }
    /* A write now and then, not one for each command: it happens on the publisher's thread. */
    (void)setvbuf(recorder->file, recorder->buffer, _IOFBF, WRITE_BUFFER);
    msgpack_packer_init(&recorder->packer, recorder->file, msgpack_fbuffer_write);
    msgpack_pack_map(&recorder->packer, 2);
    msgpack_pack_str_with_body(&recorder->packer, "format", strlen("format"));
    msgpack_pack_str_with_body(&recorder->packer, FORMAT, strlen(FORMAT));
    msgpack_pack_str_with_body(&recorder->packer, "version", strlen("version"));
    msgpack_pack_uint8(&recorder->packer, VERSION);
    return recorder;
}

void recorder_add(struct recorder *recorder, uint64_t ns, const uint8_t *command, size_t size)
{
    msgpack_pack_array(&recorder->packer, 2);
    msgpack_pack_uint64(&recorder->packer, ns / 1000);
    (void)fwrite(command, 1, size, recorder->file);
}

int recorder_close(struct recorder *recorder)
{
    int result = 0;

    if (!recorder)
        return 0;
    if (recorder->file) {
        result = ferror(recorder->file) ? -1 : 0;
        if (fclose(recorder->file) != 0)
            result = -1;
    }
    if (result < 0)
        fprintf(stderr, "shardcast-load: --record: %s: cannot be written\n", recorder->path);
    free(recorder->buffer);
    free(recorder->path);
    free(recorder);
    return result;
}

/* The length of the value at `bytes`, with all that it contains. -1: it is none, or not whole. */
static int64_t value_length(const uint8_t *bytes, size_t size)
{
    struct command_scanner scanner;
    int64_t length;

    command_scanner_init(&scanner);
    length = command_scan(&scanner, bytes, size, size < COMMAND_MAX ? size : COMMAND_MAX);
    return length > 0 ? length : -1;
}

static bool text_is(const msgpack_object *object, const char *text)
{
    return object->type == MSGPACK_OBJECT_STR && object->via.str.size == strlen(text) &&
           memcmp(object->via.str.ptr, text, object->via.str.size) == 0;
}

/* The header's length; -1: this is no recording, or of another version. */
static int64_t read_header(const uint8_t *bytes, size_t size)
{
    int64_t length = value_length(bytes, size);
    bool format = false, version = false;
    msgpack_unpacked header;
    size_t used = 0;

    if (length < 0 || length > 4096)
        return -1;
    msgpack_unpacked_init(&header);
    if (msgpack_unpack_next(&header, (const char *)bytes, (size_t)length, &used) ==
            MSGPACK_UNPACK_SUCCESS &&
        header.data.type == MSGPACK_OBJECT_MAP)
        for (uint32_t i = 0; i < header.data.via.map.size; i++) {
            const msgpack_object_kv *pair = &header.data.via.map.ptr[i];

            if (text_is(&pair->key, "format"))
                format = text_is(&pair->val, FORMAT);
            else if (text_is(&pair->key, "version"))
                version = pair->val.type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
                          pair->val.via.u64 == VERSION;
        }
    msgpack_unpacked_destroy(&header);
    return format && version ? length : -1;
}

/* The entry at `bytes`. Returns its length, -1: it is none. */
static int64_t read_entry(struct recording_entry *entry, const uint8_t *bytes, size_t size)
{
    struct value value;
    int64_t length;
    size_t at;
    int head = value_read_head(&value, bytes, size);

    if (head < 0 || value.type != VALUE_ARRAY || value.size != 2)
        return -1;
    at = (size_t)head;
    head = value_read_head(&value, bytes + at, size - at);
    if (head < 0 || value.type != VALUE_UINT || value.uint > UINT64_MAX / 1000)
        return -1;
    at += (size_t)head;
    entry->ns = value.uint * 1000;
    head = value_read_head(&value, bytes + at, size - at);
    if (head < 0 || value.type != VALUE_MAP)
        return -1;
    length = value_length(bytes + at, size - at);
    if (length < 0)
        return -1;
    entry->command = bytes + at;
    entry->size = (uint32_t)length;
    return (int64_t)at + length;
}

static int add_entry(struct recording *recording, const struct recording_entry *entry)
{
    /* Room grows in powers of two: at each of them, and only there, is it used up. */
    if ((recording->count & (recording->count - 1)) == 0) {
        size_t room = recording->count ? 2 * recording->count : 1;
        struct recording_entry *entries = realloc(recording->entries, room * sizeof(*entries));

        if (!entries)
            return -1;
        recording->entries = entries;
    }
    recording->entries[recording->count++] = *entry;
    if (entry->size > recording->command_max)
        recording->command_max = entry->size;
    return 0;
}

static int read_entries(struct recording *recording, const char *path)
{
    const uint8_t *bytes = recording->map;
    size_t size = recording->map_size, at;
    int64_t length = read_header(bytes, size);
    struct recording_entry entry;
    uint64_t before = 0;

    if (length < 0) {
        fprintf(stderr, "shardcast-load: %s: no recording of version %d\n", path, VERSION);
        return -1;
    }
    for (at = (size_t)length; at < size; at += (size_t)length) {
        length = read_entry(&entry, bytes + at, size - at);
        if (length < 0 || entry.ns < before) {
            fprintf(stderr, "shardcast-load: %s: byte %zu: %s\n", path, at,
                    length < 0 ? "no [microseconds, command], or not whole"
                               : "earlier than what is before it");
            return -1;
        }
        before = entry.ns;
        if (add_entry(recording, &entry) < 0) {
            fprintf(stderr, "shardcast-load: %s: out of memory\n", path);
            return -1;
        }
    }
    return 0;
}

int recording_open(struct recording *recording, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;

    memset(recording, 0, sizeof(*recording));
    if (fd < 0 || fstat(fd, &about) < 0)
        goto fail;
    if (about.st_size == 0) {
        errno = ENODATA;
        goto fail;
    }
    recording->map_size = (size_t)about.st_size;
    recording->map = mmap(NULL, recording->map_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (recording->map == MAP_FAILED) {
        recording->map = NULL;
        goto fail;
    }
    close(fd);
    return read_entries(recording, path);
fail:
    fprintf(stderr, "shardcast-load: %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

void recording_close(struct recording *recording)
{
    if (recording->map)
        munmap(recording->map, recording->map_size);
    free(recording->entries);
    memset(recording, 0, sizeof(*recording));
}

void recording_filter(struct recording *recording,
                      int (*keep)(void *context, const struct recording_entry *entry),
                      void *context)
{
    size_t kept = 0;

    for (size_t i = 0; i < recording->count; i++)
        if (keep(context, &recording->entries[i]))
            recording->entries[kept++] = recording->entries[i];
    recording->count = kept;
}
