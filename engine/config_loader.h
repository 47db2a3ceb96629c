/* What the parts of the file's loader share: the document being loaded, how its nodes are looked
 * at, and how an error is worded. Used by config_file.c and config_namespaces.c alone. */
#ifndef SHARDCAST_ENGINE_CONFIG_LOADER_H
#define SHARDCAST_ENGINE_CONFIG_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "engine/config_file.h"
#include "engine/config_schema.h"

#define LOADER_PATH_MAX 192 /* of a key's full path; names are cut to CONFIG_QUOTE_MAX */

struct loader {
    yaml_document_t *document;
    const char *file;
    struct config *config;
    struct config_target target;
    struct config_lines *lines;
    char *error; /* CONFIG_ERROR_MAX bytes */
};

/* Each writes the error line and returns ERR_CONFIG. `path` is the key's. */
int loader_fail(struct loader *loader, unsigned line, const char *path, const char *allowed,
                const char *what, ...) __attribute__((format(printf, 5, 6)));
int loader_fail_key(struct loader *loader, unsigned line, const char *path,
                    const struct config_key *key, const char *what); /* allowed: what the key may */
int loader_fail_count(struct loader *loader, unsigned line, const char *path,
                      const struct config_key *key, unsigned max); /* a list has more items */
int loader_fail_yaml(struct loader *loader, unsigned line, const char *what); /* the whole file */
int loader_fail_nomem(struct loader *loader);

/* A conflict of two keys of a mapping: the error is on `name` where the file has it, else on
 * `other`, which then made it. */
int loader_fail_pair(struct loader *loader, const yaml_node_t *map, const char *path,
                     const char *name, const char *other, const char *what, const char *allowed);

/* PATH.NAME and PATH[INDEX]. */
void loader_join(char to[LOADER_PATH_MAX], const char *path, const char *name);
void loader_item(char to[LOADER_PATH_MAX], const char *path, size_t index);

static inline unsigned loader_line(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

static inline const yaml_node_t *loader_node(struct loader *loader, int index)
{
    return yaml_document_get_node(loader->document, index);
}

/* YAML's null, as an empty value is. */
bool loader_is_null(const yaml_node_t *node);

/* The text of a scalar; NULL: it is none that a C string can hold. */
const char *loader_text(const yaml_node_t *node);

/* Where a mapping names a key, and its value (NULL: not wanted). NULL: it does not, or is none. */
const yaml_node_t *loader_find(struct loader *loader, const yaml_node_t *map, const char *name,
                               const yaml_node_t **value);

/* Loads a mapping by its table of keys. */
int loader_map(struct loader *loader, const yaml_node_t *map, const char *path,
               const struct config_key *keys) MUST_CHECK;

/* Loads the list of namespaces (config_namespaces.c). */
int loader_namespaces(struct loader *loader, const yaml_node_t *node, unsigned line,
                      const char *path, const struct config_key *key) MUST_CHECK;

#endif
