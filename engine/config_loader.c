#include "engine/config_loader.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

int loader_fail(struct loader *loader, unsigned line, const char *path, const char *allowed,
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

int loader_fail_nomem(struct loader *loader)
{
    snprintf(loader->error, CONFIG_ERROR_MAX, "%s:1: yaml: out of memory; allowed: less of it",
             loader->file);
    return ERR_CONFIG;
}

int loader_fail_yaml(struct loader *loader, unsigned line, const char *what)
{
    char allowed[CONFIG_ALLOWED_MAX] = "one YAML mapping of ";
    char names[CONFIG_ALLOWED_MAX];

    config_key_names(config_keys, names);
    strncat(allowed, names, sizeof(allowed) - strlen(allowed) - 1);
    return loader_fail(loader, line, "yaml", allowed, "%s", what);
}

int loader_fail_key(struct loader *loader, unsigned line, const char *path,
                    const struct config_key *key, const char *what)
{
    char allowed[CONFIG_ALLOWED_MAX];

    config_key_allowed(key, allowed);
    return loader_fail(loader, line, path, allowed, "%s", what);
}

int loader_fail_count(struct loader *loader, unsigned line, const char *path,
                      const struct config_key *key, unsigned max)
{
    char what[64];

    snprintf(what, sizeof(what), "has more than %u items", max);
    return loader_fail_key(loader, line, path, key, what);
}

int loader_fail_pair(struct loader *loader, const yaml_node_t *map, const char *path,
                     const char *name, const char *other, const char *what, const char *allowed)
{
    const yaml_node_t *key = loader_find(loader, map, name, NULL);
    char full[LOADER_PATH_MAX];

    loader_join(full, path, key ? name : other);
    if (!key)
        key = loader_find(loader, map, other, NULL);
    return loader_fail(loader, key ? loader_line(key) : loader_line(map), full, allowed, "%s",
                       what);
}

void loader_join(char to[LOADER_PATH_MAX], const char *path, const char *name)
{
    char quoted[CONFIG_QUOTE_MAX];
    int size =
        snprintf(to, LOADER_PATH_MAX, "%s%s%s", path, *path ? "." : "", config_quote(quoted, name));

    assert(size < LOADER_PATH_MAX);
}

void loader_item(char to[LOADER_PATH_MAX], const char *path, size_t index)
{
    int size = snprintf(to, LOADER_PATH_MAX, "%s[%zu]", path, index);

    assert(size < LOADER_PATH_MAX);
}

bool loader_is_null(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    const char *text = (const char *)node->data.scalar.value;
    return !*text || !strcmp(text, "~") || !strcmp(text, "null");
}

const char *loader_text(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

const yaml_node_t *loader_find(struct loader *loader, const yaml_node_t *map, const char *name,
                               const yaml_node_t **value)
{
    if (map->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *key = loader_node(loader, pair->key);
        const char *text = loader_text(key);

        if (text && !strcmp(text, name)) {
            if (value)
                *value = loader_node(loader, pair->value);
            return key;
        }
    }
    return NULL;
}
