/* Reads with libyaml's document interface and not through libcyaml's schemas. The contract wants
 * each error with the line, the full path of the key and what is allowed; libcyaml 1.3.1 keeps no
 * lines for checks between two keys, names neither the line nor the path of an unknown key, and
 * takes much for right that is not: 5.5 as 5, 010 as 8, `yes` as true, a second document. libyaml,
 * on which it stands, gives every node with its mark. */
#include "engine/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "engine/config_schema.h"

#define PATH_MAX_BYTES 192

struct loader {
    yaml_document_t *document;
    const char *file;
    struct config *config;
    struct config_target target;
    struct config_lines *lines;
    char *error; /* CONFIG_ERROR_MAX bytes */
};

static unsigned line_of(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

const char *config_quote(char to[CONFIG_QUOTE_MAX], const char *text)
{
    static const char dots[] = "...";
    size_t size = strlen(text), room = CONFIG_QUOTE_MAX - sizeof(dots);
    bool cut = size >= CONFIG_QUOTE_MAX;

    if (cut)
        for (size = room; size && ((unsigned char)text[size] & 0xc0) == 0x80;)
            size--; /* not inside a character */
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    memcpy(to + size, cut ? dots : "", cut ? sizeof(dots) : 1);
    return to;
}

/* Writes the error line; returns ERR_CONFIG. */
__attribute__((format(printf, 5, 6))) static int fail(struct loader *loader, unsigned line,
                                                      const char *path, const char *allowed,
                                                      const char *what, ...)
{
    char text[256];
    va_list args;

    va_start(args, what);
    vsnprintf(text, sizeof(text), what, args);
    va_end(args);
    snprintf(loader->error, CONFIG_ERROR_MAX, "%s:%u: %s: %s; allowed: %s", loader->file, line,
             path, text, allowed);
    return ERR_CONFIG;
}

static int fail_nomem(struct loader *loader)
{
    snprintf(loader->error, CONFIG_ERROR_MAX, "%s:1: yaml: out of memory; allowed: less of it",
             loader->file);
    return ERR_CONFIG;
}

/* A fault of the file as a whole. */
static int fail_yaml(struct loader *loader, unsigned line, const char *what)
{
    char allowed[CONFIG_ALLOWED_MAX] = "one YAML mapping of ";
    char names[CONFIG_ALLOWED_MAX];

    config_key_names(config_keys, names);
    strncat(allowed, names, sizeof(allowed) - strlen(allowed) - 1);
    return fail(loader, line, "yaml", allowed, "%s", what);
}

static int fail_key(struct loader *loader, unsigned line, const char *path,
                    const struct config_key *key, const char *what)
{
    char allowed[CONFIG_ALLOWED_MAX];

    config_key_allowed(key, allowed);
    return fail(loader, line, path, allowed, "%s", what);
}

static void join(char to[PATH_MAX_BYTES], const char *path, const char *name)
{
    char quoted[CONFIG_QUOTE_MAX];

    snprintf(to, PATH_MAX_BYTES, "%s%s%s", path, *path ? "." : "", config_quote(quoted, name));
}

static yaml_node_t *node_at(struct loader *loader, int index)
{
    return yaml_document_get_node(loader->document, index);
}

static bool is_null(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    const char *text = (const char *)node->data.scalar.value;
    return !*text || !strcmp(text, "~") || !strcmp(text, "null");
}

/* The text of a scalar; NULL: it is none that a C string can hold. */
static const char *scalar_text(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    return node->type == YAML_SCALAR_NODE && strlen(text) == node->data.scalar.length ? text : NULL;
}

/* Where a mapping names a key; NULL: it does not. */
static const yaml_node_t *find_key(struct loader *loader, const yaml_node_t *map, const char *name,
                                   const yaml_node_t **value)
{
    if (map->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *key = node_at(loader, pair->key);
        const char *text = scalar_text(key);

        if (text && !strcmp(text, name)) {
            if (value)
                *value = node_at(loader, pair->value);
            return key;
        }
    }
    return NULL;
}

/* ---- values ---- */

/* `line` is the key's: a value may stand below. */
static int load_scalar(struct loader *loader, const yaml_node_t *node, unsigned line,
                       const char *path, const struct config_key *key)
{
    char quoted[CONFIG_QUOTE_MAX], allowed[CONFIG_ALLOWED_MAX];
    const char *text = scalar_text(node), *why;

    config_key_allowed(key, allowed);
    if (node->type != YAML_SCALAR_NODE)
        return fail(loader, line, path, allowed, "is a %s",
                    node->type == YAML_MAPPING_NODE ? "mapping" : "list");
    if (!text)
        return fail(loader, line, path, allowed, "has a NUL character");
    if (strcmp((const char *)node->tag, YAML_DEFAULT_SCALAR_TAG))
        return fail(loader, line, path, allowed, "has the tag %s",
                    config_quote(quoted, (const char *)node->tag));

    int error = config_key_set(key, &loader->target, text,
                               node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE, &why);
    if (error == ERR_NOMEM)
        return fail_nomem(loader);
    if (error && (key->type == CONFIG_TOKEN || is_null(node)))
        return fail(loader, line, path, allowed, "%s", why); /* no secret into a log */
    if (error)
        return fail(loader, line, path, allowed, "\"%s\" %s", config_quote(quoted, text), why);
    return 0;
}

static int load_origin(struct loader *loader, const yaml_node_t *node, const char *path,
                       const struct config_key *key, bool only)
{
    struct settings *settings = loader->config->settings;
    const char *text = scalar_text(node);
    char quoted[CONFIG_QUOTE_MAX], allowed[CONFIG_ALLOWED_MAX];

    config_key_allowed(key, allowed);
    if (!text)
        return fail(loader, line_of(node), path, allowed, "is not a string");
    if (!strcmp(text, "*") && !only)
        return fail(loader, line_of(node), path, allowed, "\"*\" stands beside other origins");
    if (strcmp(text, "*") && !config_origin_valid(text))
        return fail(loader, line_of(node), path, allowed, "\"%s\" is not an origin",
                    config_quote(quoted, text));

    settings->origins[settings->origin_count] = strdup(text);
    if (!settings->origins[settings->origin_count])
        return fail_nomem(loader);
    settings->origin_count++;
    return 0;
}

static int load_origins(struct loader *loader, const yaml_node_t *node, unsigned line,
                        const char *path, const struct config_key *key)
{
    char item[PATH_MAX_BYTES];

    if (node->type != YAML_SEQUENCE_NODE)
        return fail_key(loader, line, path, key, "is not a list");

    const yaml_node_item_t *items = node->data.sequence.items.start;
    size_t count = (size_t)(node->data.sequence.items.top - items);
    if (count > CONFIG_ORIGINS_MAX)
        return fail_key(loader, line, path, key, "has more than 1024 items");
    loader->config->settings->origins = calloc(count + 1, sizeof(char *));
    if (!loader->config->settings->origins)
        return fail_nomem(loader);
    for (size_t i = 0; i < count; i++) {
        snprintf(item, sizeof(item), "%s[%zu]", path, i);
        int error = load_origin(loader, node_at(loader, items[i]), item, key, count == 1);
        if (error)
            return error;
    }
    return 0;
}

/* ---- what two keys say together ---- */

/* The error is on `name` where the file has it, else on `other`, which then made the conflict. */
static int fail_pair(struct loader *loader, const yaml_node_t *map, const char *path,
                     const char *name, const char *other, const char *what, const char *allowed)
{
    const yaml_node_t *key = find_key(loader, map, name, NULL);
    char full[PATH_MAX_BYTES];

    join(full, path, key ? name : other);
    if (!key)
        key = find_key(loader, map, other, NULL);
    return fail(loader, key ? line_of(key) : line_of(map), full, allowed, "%s", what);
}

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
        return fail_pair(loader, map, path, limits[i].name, "message_bytes", what, allowed);
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
    return fail_pair(loader, map, path, "pong_timeout_seconds", "ping_seconds", what,
                     "pong_timeout_seconds smaller than ping_seconds, or ping_seconds 0");
}

static int check_history(struct loader *loader, const yaml_node_t *map, const char *path,
                         const struct namespace_settings *space)
{
    unsigned position = space->history.position_seconds, seconds = space->history.seconds;
    char what[128];

    if (!position || position >= seconds)
        return 0;
    snprintf(what, sizeof(what), "position_seconds %u is below seconds %u", position, seconds);
    return fail_pair(loader, map, path, "position_seconds", "seconds", what,
                     "position_seconds at least seconds, or 0: never forgotten");
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

static int load_namespaces(struct loader *loader, const yaml_node_t *node, unsigned line,
                           const char *path, const struct config_key *key);
static int load_map(struct loader *loader, const yaml_node_t *map, const char *path,
                    const struct config_key *keys);

static int load_value(struct loader *loader, const yaml_node_t *node, unsigned line,
                      const char *path, const struct config_key *key)
{
    switch (key->type) {
    case CONFIG_MAP:
        if (is_null(node))
            return 0; /* all that it had is a comment now */
        if (node->type != YAML_MAPPING_NODE)
            return fail_key(loader, line, path, key, "is not a mapping");
        int error = load_map(loader, node, path, key->keys);
        return error ? error : check_map(loader, node, path);
    case CONFIG_ORIGINS:
        return is_null(node) ? 0 : load_origins(loader, node, line, path, key);
    case CONFIG_NAMESPACES:
        return is_null(node) ? 0 : load_namespaces(loader, node, line, path, key);
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
    char full[PATH_MAX_BYTES], allowed[CONFIG_ALLOWED_MAX];
    const char *text = scalar_text(node);

    config_key_names(keys, allowed);
    join(full, path, text ? text : "?");
    if (!text) {
        fail(loader, line_of(node), full, allowed, "is not a key");
        return NULL;
    }

    const struct config_key *key = config_key_find(keys, text, strlen(text));
    if (!key) {
        fail(loader, line_of(node), full, allowed, "unknown key");
        return NULL;
    }
    if (seen[key - keys]) {
        fail(loader, line_of(node), full, "each key once", "is given twice, first in line %u",
             seen[key - keys]);
        return NULL;
    }
    seen[key - keys] = line_of(node);
    return key;
}

static int load_map(struct loader *loader, const yaml_node_t *map, const char *path,
                    const struct config_key *keys)
{
    unsigned seen[16] = {0};
    char full[PATH_MAX_BYTES];

    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *name = node_at(loader, pair->key);
        const struct config_key *key = load_key(loader, name, path, keys, seen);

        if (!key)
            return ERR_CONFIG;
        join(full, path, key->name);
        int error = load_value(loader, node_at(loader, pair->value), line_of(name), full, key);
        if (error)
            return error;
        if (!strcmp(full, "listen.producers"))
            loader->lines->producers = line_of(name);
        else if (!strcmp(full, "listen.admin"))
            loader->lines->admin = line_of(name);
    }
    return 0;
}

/* ---- namespaces ---- */

static const char *namespace_name(struct loader *loader, const yaml_node_t *item, unsigned *line)
{
    const yaml_node_t *value, *key = find_key(loader, item, "name", &value);

    if (key && line)
        *line = line_of(key);
    return key ? scalar_text(value) : NULL;
}

/* Judges one item by itself, in the order in which it is written. */
static int judge_namespace(struct loader *loader, const yaml_node_t *list, size_t index,
                           const char *path, const struct config_key *key)
{
    const yaml_node_item_t *items = list->data.sequence.items.start;
    const yaml_node_t *item = node_at(loader, items[index]);
    struct namespace_settings scratch = {0};
    char full[PATH_MAX_BYTES], quoted[CONFIG_QUOTE_MAX];
    unsigned line;

    if (item->type != YAML_MAPPING_NODE)
        return fail_key(loader, line_of(item), path, key, "is not a mapping");
    loader->target.base[BASE_NAMESPACE] = &scratch;
    int error = load_map(loader, item, path, key->keys);
    if (error)
        return error;

    join(full, path, "name");
    const char *name = namespace_name(loader, item, &line);
    if (!name)
        return fail_key(loader, line_of(item), full,
                        config_key_find(key->keys, "name", strlen("name")), "is missing");
    for (size_t i = 0; i < index; i++) {
        if (strcmp(namespace_name(loader, node_at(loader, items[i]), NULL), name))
            continue;
        return fail(loader, line, full, "each name once",
                    "\"%s\" is the name of namespaces[%zu], too", config_quote(quoted, name), i);
    }
    return 0;
}

/* Takes over what an item says; it is judged already, so only memory can fail. */
static int apply_namespace(struct loader *loader, const yaml_node_t *item, const char *path,
                           const struct config_key *key)
{
    struct settings *settings = loader->config->settings;
    const char *name = namespace_name(loader, item, NULL);
    struct namespace_settings *space =
        *name ? settings_add_namespace(settings, name) : &settings->namespaces[0];

    if (!space)
        return fail_nomem(loader);
    loader->target.base[BASE_NAMESPACE] = space;
    return load_map(loader, item, path, key->keys);
}

/* "" first, wherever it stands: the others inherit from it. */
static int apply_namespaces(struct loader *loader, const yaml_node_t *list, const char *path,
                            const struct config_key *key)
{
    const yaml_node_item_t *items = list->data.sequence.items.start;
    size_t count = (size_t)(list->data.sequence.items.top - items);

    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++) {
            const yaml_node_t *item = node_at(loader, items[i]);
            bool rest = !*namespace_name(loader, item, NULL);
            int error = rest == !pass ? apply_namespace(loader, item, path, key) : 0;

            if (error)
                return error;
        }
    return 0;
}

static int load_namespaces(struct loader *loader, const yaml_node_t *node, unsigned line,
                           const char *path, const struct config_key *key)
{
    const struct settings *settings = loader->config->settings;
    char item_path[PATH_MAX_BYTES];
    int error = 0;

    if (node->type != YAML_SEQUENCE_NODE)
        return fail_key(loader, line, path, key, "is not a list");

    const yaml_node_item_t *items = node->data.sequence.items.start;
    size_t count = (size_t)(node->data.sequence.items.top - items);
    if (count > CONFIG_NAMESPACES_MAX)
        return fail_key(loader, line, path, key, "has more than 1024 items");
    for (size_t i = 0; !error && i < count; i++) {
        snprintf(item_path, sizeof(item_path), "%s[%zu]", path, i);
        error = judge_namespace(loader, node, i, item_path, key);
    }
    if (!error)
        error = apply_namespaces(loader, node, path, key);

    for (size_t i = 0, added = 1; !error && i < count; i++) {
        const yaml_node_t *item = node_at(loader, items[i]), *history;
        bool rest = !*namespace_name(loader, item, NULL);
        const struct namespace_settings *space = &settings->namespaces[rest ? 0 : added++];

        /* Who says nothing of history inherits a fault, but did not make it. */
        snprintf(item_path, sizeof(item_path), "%s[%zu].history", path, i);
        if (find_key(loader, item, "history", &history) &&
            (find_key(loader, history, "seconds", NULL) ||
             find_key(loader, history, "position_seconds", NULL)))
            error = check_history(loader, history, item_path, space);
    }
    return error;
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
        return fail_nomem(loader);
    if (parser->error == YAML_READER_ERROR)
        line = count_lines(text, parser->problem_offset < size ? parser->problem_offset : size);
    return fail_yaml(loader, line < last ? line : last,
                     parser->problem ? parser->problem : "is not YAML");
}

static int load_document(struct loader *loader, yaml_document_t *document)
{
    const yaml_node_t *root = yaml_document_get_root_node(document);

    loader->document = document;
    if (!root || is_null(root))
        return 0;
    if (root->type != YAML_MAPPING_NODE)
        return fail_yaml(loader, line_of(root), "is not a mapping");
    return load_map(loader, root, "", config_keys);
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
    yaml_document_t document, next;
    yaml_parser_t parser;
    int result;

    *lines = (struct config_lines){0};
    if (!yaml_parser_initialize(&parser))
        return fail_nomem(&loader);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);

    if (!yaml_parser_load(&parser, &document)) {
        result = fail_parser(&loader, &parser, text, size);
        goto done;
    }
    result = load_document(&loader, &document);
    if (!result && yaml_document_get_root_node(&document)) {
        if (!yaml_parser_load(&parser, &next)) {
            result = fail_parser(&loader, &parser, text, size);
        } else {
            const yaml_node_t *root = yaml_document_get_root_node(&next);

            if (root)
                result = fail_yaml(&loader, line_of(root), "is a second document");
            yaml_document_delete(&next);
        }
    }
    yaml_document_delete(&document);
done:
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
