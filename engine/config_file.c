/* Reads with libyaml's document interface and not through libcyaml's schemas. The contract wants
 * each error with the line, the full path of the key and what is allowed; libcyaml 1.3.1 keeps no
 * lines for checks between two keys, names neither the line nor the path of an unknown key, and
 * takes much for right that is not: 5.5 as 5, 010 as 8, `yes` as true, a second document. libyaml,
 * on which it stands, gives every node with its mark. */
#include "engine/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "engine/config_loader.h"

#define DEPTH_MAX   16  /* of mappings and lists in each other; the keys need four */
#define ANCHORS_MAX 256 /* libyaml looks each up in a list */

/* ---- values ---- */

/* `line` is the key's: a value may stand below. */
static int load_scalar(struct loader *loader, const yaml_node_t *node, unsigned line,
                       const char *path, const struct config_key *key)
{
    char quoted[CONFIG_QUOTE_MAX], allowed[CONFIG_ALLOWED_MAX];
    const char *text = loader_text(node), *why;

    config_key_allowed(key, allowed);
    if (node->type != YAML_SCALAR_NODE)
        return loader_fail(loader, line, path, allowed, "is a %s",
                           node->type == YAML_MAPPING_NODE ? "mapping" : "list");
    if (!text)
        return loader_fail(loader, line, path, allowed, "has a NUL character");
    if (strcmp((const char *)node->tag, YAML_DEFAULT_SCALAR_TAG))
        return loader_fail(loader, line, path, allowed, "has the tag %s",
                           config_quote(quoted, (const char *)node->tag));

    int error = config_key_set(key, &loader->target, text,
                               node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE, &why);
    if (error == ERR_NOMEM)
        return loader_fail_nomem(loader);
    if (error && (key->type == CONFIG_TOKEN || loader_is_null(node)))
        return loader_fail(loader, line, path, allowed, "%s", why); /* no secret into a log */
    if (error)
        return loader_fail(loader, line, path, allowed, "\"%s\" %s", config_quote(quoted, text),
                           why);
    return 0;
}

static int load_origin(struct loader *loader, const yaml_node_t *node, const char *path,
                       const struct config_key *key, bool only)
{
    struct settings *settings = loader->config->settings;
    const char *text = loader_text(node);
    char quoted[CONFIG_QUOTE_MAX], allowed[CONFIG_ALLOWED_MAX];

    config_key_allowed(key, allowed);
    if (!text)
        return loader_fail(loader, loader_line(node), path, allowed, "is not a string");
    if (!strcmp(text, "*") && !only)
        return loader_fail(loader, loader_line(node), path, allowed,
                           "\"*\" stands beside other origins");
    if (strcmp(text, "*") && !config_origin_valid(text))
        return loader_fail(loader, loader_line(node), path, allowed, "\"%s\" is not an origin",
                           config_quote(quoted, text));

    settings->origins[settings->origin_count] = strdup(text);
    if (!settings->origins[settings->origin_count])
        return loader_fail_nomem(loader);
    settings->origin_count++;
    return 0;
}

static int load_origins(struct loader *loader, const yaml_node_t *node, unsigned line,
                        const char *path, const struct config_key *key)
{
    char item[LOADER_PATH_MAX];

    if (node->type != YAML_SEQUENCE_NODE)
        return loader_fail_key(loader, line, path, key, "is not a list");

    const yaml_node_item_t *items = node->data.sequence.items.start;
    size_t count = (size_t)(node->data.sequence.items.top - items);
    if (count > CONFIG_ORIGINS_MAX)
        return loader_fail_count(loader, line, path, key, CONFIG_ORIGINS_MAX);
    loader->config->settings->origins = calloc(count + 1, sizeof(char *));
    if (!loader->config->settings->origins)
        return loader_fail_nomem(loader);
    for (size_t i = 0; i < count; i++) {
        loader_item(item, path, i);
        int error = load_origin(loader, loader_node(loader, items[i]), item, key, count == 1);
        if (error)
            return error;
    }
    return 0;
}

/* ---- what two keys say together ---- */

static int check_limits(struct loader *loader, const yaml_node_t *map, const char *path)
{
    const struct settings *settings = loader->config->settings;
    unsigned long long message = settings->limits.message_bytes;
    const struct {
        const char *name;
        unsigned long long bytes;
    } limits[] = {
        {"backlog_bytes", settings->limits.backlog_bytes},
        {"recovery_bytes", settings->limits.recovery_bytes},
    };

    for (unsigned i = 0; i < 2; i++) {
        char what[128], allowed[128];

        if (limits[i].bytes >= message)
            continue;
        snprintf(what, sizeof(what), "%s %llu is below message_bytes %llu", limits[i].name,
                 limits[i].bytes, message);
        snprintf(allowed, sizeof(allowed), "%s at least message_bytes", limits[i].name);
        return loader_fail_pair(loader, map, path, limits[i].name, "message_bytes", what, allowed);
    }
    return 0;
}

static int check_health(struct loader *loader, const yaml_node_t *map, const char *path)
{
    unsigned ping = loader->config->settings->health.ping_seconds;
    unsigned pong = loader->config->settings->health.pong_timeout_seconds;
    char what[128];

    if (!ping || pong < ping)
        return 0;
    snprintf(what, sizeof(what), "pong_timeout_seconds %u is not smaller than ping_seconds %u",
             pong, ping);
    return loader_fail_pair(loader, map, path, "pong_timeout_seconds", "ping_seconds", what,
                            "pong_timeout_seconds smaller than ping_seconds, or ping_seconds 0");
}

static int check_map(struct loader *loader, const yaml_node_t *map, const char *path)
{
    if (!strcmp(path, "limits"))
        return check_limits(loader, map, path);
    if (!strcmp(path, "health"))
        return check_health(loader, map, path);
    return 0;
}

/* ---- mappings ---- */

static int load_value(struct loader *loader, const yaml_node_t *node, unsigned line,
                      const char *path, const struct config_key *key)
{
    switch (key->type) {
    case CONFIG_MAP:
        if (loader_is_null(node))
            return 0; /* all that it had is a comment now */
        if (node->type != YAML_MAPPING_NODE)
            return loader_fail_key(loader, line, path, key, "is not a mapping");
        int error = loader_map(loader, node, path, key->keys);
        return error ? error : check_map(loader, node, path);
    case CONFIG_ORIGINS:
        return loader_is_null(node) ? 0 : load_origins(loader, node, line, path, key);
    case CONFIG_NAMESPACES:
        return loader_is_null(node) ? 0 : loader_namespaces(loader, node, line, path, key);
    default:
        return load_scalar(loader, node, line, path, key);
    }
}

/* The key that a mapping's pair names, or NULL with the error told. `seen` has the lines of those
 * that came before it in this mapping. */
static const struct config_key *load_key(struct loader *loader, const yaml_node_t *node,
                                         const char *path, const struct config_key *keys,
                                         unsigned *seen)
{
    char full[LOADER_PATH_MAX], allowed[CONFIG_ALLOWED_MAX];
    const char *text = loader_text(node);

    config_key_names(keys, allowed);
    loader_join(full, path, text ? text : "?");
    if (!text) {
        loader_fail(loader, loader_line(node), full, allowed, "is not a key");
        return NULL;
    }

    const struct config_key *key = config_key_find(keys, text, strlen(text));
    if (!key) {
        loader_fail(loader, loader_line(node), full, allowed, "unknown key");
        return NULL;
    }
    if (seen[key - keys]) {
        loader_fail(loader, loader_line(node), full, "each key once",
                    "is given twice, first in line %u", seen[key - keys]);
        return NULL;
    }
    seen[key - keys] = loader_line(node);
    return key;
}

int loader_map(struct loader *loader, const yaml_node_t *map, const char *path,
               const struct config_key *keys)
{
    unsigned seen[CONFIG_KEYS_MAX] = {0};
    char full[LOADER_PATH_MAX];

    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *name = loader_node(loader, pair->key);
        const struct config_key *key = load_key(loader, name, path, keys, seen);

        if (!key)
            return ERR_CONFIG;
        loader_join(full, path, key->name);
        int error =
            load_value(loader, loader_node(loader, pair->value), loader_line(name), full, key);
        if (error)
            return error;
        if (!strcmp(full, "listen.producers"))
            loader->lines->producers = loader_line(name);
        else if (!strcmp(full, "listen.admin"))
            loader->lines->admin = loader_line(name);
    }
    return 0;
}

/* ---- documents ---- */

static unsigned count_lines(const char *text, size_t size)
{
    unsigned lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

static int fail_parser(struct loader *loader, const yaml_parser_t *parser, const char *text,
                       size_t size)
{
    /* A line after the last newline is no line. */
    unsigned last = count_lines(text, size && text[size - 1] == '\n' ? size - 1 : size);
    unsigned line = (unsigned)parser->problem_mark.line + 1;

    if (parser->error == YAML_MEMORY_ERROR)
        return loader_fail_nomem(loader);
    if (parser->error == YAML_READER_ERROR)
        line = count_lines(text, parser->problem_offset < size ? parser->problem_offset : size);
    return loader_fail_yaml(loader, line < last ? line : last,
                            parser->problem ? parser->problem : "is not YAML");
}

/* What a text is made of so far. */
struct shape {
    unsigned documents, depth, anchors;
};

/* Counts an event in; NULL, or what is too much of it. Depth and anchors cost libyaml time by their
 * square. */
static const char *judge_event(struct shape *shape, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return shape->documents++ ? "has a second document" : NULL;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        shape->depth++;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        shape->depth++;
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        shape->depth--;
        break;
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        break;
    default:
        break;
    }
    shape->anchors += anchor != NULL;
    if (shape->anchors > ANCHORS_MAX)
        return "has more than 256 anchors";
    return shape->depth > DEPTH_MAX ? "is nested too deep" : NULL;
}

/* Goes through the whole text once: whether it is YAML, and of a shape that can be loaded. */
static int scan(struct loader *loader, const char *text, size_t size)
{
    struct shape shape = {0};
    yaml_parser_t parser;
    int result = 0;

    if (!yaml_parser_initialize(&parser))
        return loader_fail_nomem(loader);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    for (bool end = false; !end && !result;) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            result = fail_parser(loader, &parser, text, size);
            break;
        }
        const char *fault = judge_event(&shape, &event);
        if (fault)
            result = loader_fail_yaml(loader, (unsigned)event.start_mark.line + 1, fault);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return result;
}

static int load_document(struct loader *loader, yaml_document_t *document)
{
    const yaml_node_t *root = yaml_document_get_root_node(document);

    loader->document = document;
    if (!root || loader_is_null(root))
        return 0;
    if (root->type != YAML_MAPPING_NODE)
        return loader_fail_yaml(loader, loader_line(root), "is not a mapping");
    return loader_map(loader, root, "", config_keys);
}

int config_file_parse(struct config *config, const char *file, const char *text, size_t size,
                      struct config_lines *lines, char error[CONFIG_ERROR_MAX])
{
    struct loader loader = {
        .file = file,
        .config = config,
        .target = {.base = {[BASE_CONFIG] = config, [BASE_SETTINGS] = config->settings}},
        .lines = lines,
        .error = error,
    };
    yaml_document_t document;
    yaml_parser_t parser;

    *lines = (struct config_lines){0};
    int result = scan(&loader, text, size);
    if (result)
        return result;

    if (!yaml_parser_initialize(&parser))
        return loader_fail_nomem(&loader);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (yaml_parser_load(&parser, &document)) {
        result = load_document(&loader, &document);
        yaml_document_delete(&document);
    } else {
        result = fail_parser(&loader, &parser, text, size);
    }
    yaml_parser_delete(&parser);
    return result;
}

int config_file_read(const char *file, char **text, size_t *size)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC), result = ERR_SYS;
    char *bytes = NULL;
    size_t have = 0;

    if (fd < 0)
        return ERR_SYS;
    bytes = malloc(CONFIG_FILE_MAX + 1);
    if (!bytes) {
        result = ERR_NOMEM;
        goto fail;
    }
    for (;;) {
        ssize_t got = read(fd, bytes + have, CONFIG_FILE_MAX + 1 - have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            goto fail;
        if (!got)
            break;
        have += (size_t)got;
        if (have > CONFIG_FILE_MAX) {
            result = ERR_TOO_LARGE;
            goto fail;
        }
    }
    close(fd);
    *text = bytes;
    *size = have;
    return 0;

fail:;
    int saved = errno;
    close(fd);
    free(bytes);
    errno = saved;
    return result;
}
