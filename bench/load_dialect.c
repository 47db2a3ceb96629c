#define _GNU_SOURCE
#include "bench/load_dialect.h"

#include <string.h>

static const struct dialect *const dialects[] = {
    &dialect_msgpack, &dialect_sdk_json, &dialect_sdk_protobuf, &dialect_websocket,
    &dialect_nchan,   &dialect_nats,     &dialect_mqtt,
};

#define DIALECTS (sizeof(dialects) / sizeof(dialects[0]))

const struct dialect *dialect_find(const char *name)
{
    for (size_t i = 0; i < DIALECTS; i++)
        if (strcmp(dialects[i]->name, name) == 0)
            return dialects[i];
    return NULL;
}

int dialect_set_parse(struct dialect_set *set, const char *names)
{
    char name[32];

    set->count = 0;
    for (;;) {
        size_t size = strcspn(names, ",");

        if (set->count == DIALECT_SET_MAX || size >= sizeof(name))
            return -1;
        memcpy(name, names, size);
        name[size] = 0;
        set->dialects[set->count] = dialect_find(name);
        if (!set->dialects[set->count++])
            return -1;
        if (!names[size])
            return 0;
        names += size + 1;
    }
}

void dialect_list(FILE *out)
{
    for (size_t i = 0; i < DIALECTS; i++)
        fprintf(out, "%s%s", i ? ", " : "", dialects[i]->name);
}

int dialect_path(const struct dialect *dialect, char *out, size_t room, const char *group,
                 bool hello)
{
    size_t size = strlen(dialect->path);
    int n;

    if (dialect->request_path)
        return dialect->request_path(out, room, group, hello);
    n = snprintf(out, room, "%s%s", dialect->path,
                 size > 1 && dialect->path[size - 1] == '/' ? group : "");
    return n < 0 || (size_t)n >= room ? -1 : n;
}

size_t client_frame_head(uint8_t head[CLIENT_HEAD_MAX], uint8_t first, uint64_t size)
{
    size_t at = 2;

    head[0] = first;
    if (size < 126) {
        head[1] = (uint8_t)(0x80 | size);
    } else {
        size_t bytes = size < 65536 ? 2 : 8;

        head[1] = (uint8_t)(0x80 | (bytes == 2 ? 126 : 127));
        for (size_t i = 0; i < bytes; i++)
            head[at++] = (uint8_t)(size >> 8 * (bytes - 1 - i));
    }
    memset(head + at, 0, 4);
    return at + 4;
}
