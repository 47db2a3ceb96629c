#include "engine/stats_json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define DEPTH_MAX 8 /* the tree is four deep */

/* The containers that are open, the innermost last. Each owns those within it. */
struct writer {
    json_t *open[DEPTH_MAX];
    unsigned depth;
    const char *key; /* of the next value in a map; static text */
    json_t *root;
};

/* Takes over `value`, also where it fails. */
static int put(struct writer *writer, json_t *value)
{
    json_t *parent = writer->depth ? writer->open[writer->depth - 1] : NULL;
    int error;

    if (!value)
        return ERR_NOMEM;
    if (!parent) {
        writer->root = value;
        return 0;
    }
    if (json_is_object(parent))
        error = json_object_set_new_nocheck(parent, writer->key, value);
    else
        error = json_array_append_new(parent, value);
    return error ? ERR_NOMEM : 0;
}

static int open_container(struct writer *writer, json_t *container)
{
    assert(writer->depth < DEPTH_MAX);
    int error = put(writer, container);

    if (!error)
        writer->open[writer->depth++] = container;
    return error;
}

static int begin_map(void *ctx, uint32_t count)
{
    return open_container(ctx, json_object());
}

static int begin_array(void *ctx, uint32_t count)
{
    return open_container(ctx, json_array());
}

static int end_container(void *ctx)
{
    struct writer *writer = ctx;

    writer->depth--;
    return 0;
}

static int key(void *ctx, const char *name)
{
    struct writer *writer = ctx;

    writer->key = name;
    return 0;
}

static int number(void *ctx, uint64_t value)
{
    return put(ctx, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

char *stats_json(const struct stats *stats, size_t *size)
{
    struct writer writer = {.depth = 0};
    const struct stats_writer calls = {
        .ctx = &writer,
        .begin_map = begin_map,
        .end_map = end_container,
        .begin_array = begin_array,
        .end_array = end_container,
        .key = key,
        .number = number,
    };
    char *text = NULL;

    if (!stats_write(stats, &calls))
        text = json_dumps(writer.root, JSON_INDENT(2));
    json_decref(writer.root);
    if (!text)
        return NULL;

    /* The NUL makes room for the newline that a terminal wants. */
    size_t bytes = strlen(text);
    char *grown = realloc(text, bytes + 2);
    if (!grown) {
        free(text);
        return NULL;
    }
    grown[bytes] = '\n';
    grown[bytes + 1] = '\0';
    *size = bytes + 1;
    return grown;
}
