/* The file's list of namespaces. Each inherits from "" wherever "" stands in the list, and the
 * first error in the file is the one that is told: so the items are judged in the order in which
 * they are written, then taken over, then checked for what they say together with what they
 * inherit. */
#include <stdio.h>
#include <string.h>

#include "engine/config_loader.h"

static const char *namespace_name(struct loader *loader, const yaml_node_t *item, unsigned *line)
{
    const yaml_node_t *value, *key = loader_find(loader, item, "name", &value);

    if (key && line)
        *line = loader_line(key);
    return key ? loader_text(value) : NULL;
}

/* Judges one item by itself, in the order in which it is written. */
static int judge_namespace(struct loader *loader, const yaml_node_t *list, size_t index,
                           const char *path, const struct config_key *key)
{
    const yaml_node_item_t *items = list->data.sequence.items.start;
    const yaml_node_t *item = loader_node(loader, items[index]);
    struct namespace_settings scratch = {0};
    char full[LOADER_PATH_MAX], quoted[CONFIG_QUOTE_MAX];
    unsigned line;

    if (item->type != YAML_MAPPING_NODE)
        return loader_fail_key(loader, loader_line(item), path, key, "is not a mapping");
    loader->target.base[BASE_NAMESPACE] = &scratch;
    int error = loader_map(loader, item, path, key->keys);
    if (error)
        return error;

    loader_join(full, path, "name");
    const char *name = namespace_name(loader, item, &line);
    if (!name)
        return loader_fail_key(loader, loader_line(item), full,
                               config_key_find(key->keys, "name", strlen("name")), "is missing");
    for (size_t i = 0; i < index; i++) {
        if (strcmp(namespace_name(loader, loader_node(loader, items[i]), NULL), name))
            continue;
        return loader_fail(loader, line, full, "each name once",
                           "\"%s\" is the name of namespaces[%zu], too", config_quote(quoted, name),
                           i);
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
        return loader_fail_nomem(loader);
    loader->target.base[BASE_NAMESPACE] = space;
    return loader_map(loader, item, path, key->keys);
}

/* "" first, wherever it stands: the others inherit from it. */
static int apply_namespaces(struct loader *loader, const yaml_node_t *list, const char *path,
                            const struct config_key *key)
{
    const yaml_node_item_t *items = list->data.sequence.items.start;
    size_t count = (size_t)(list->data.sequence.items.top - items);

    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++) {
            const yaml_node_t *item = loader_node(loader, items[i]);
            bool rest = !*namespace_name(loader, item, NULL);
            int error = rest == !pass ? apply_namespace(loader, item, path, key) : 0;

            if (error)
                return error;
        }
    return 0;
}

static int check_history(struct loader *loader, const yaml_node_t *map, const char *path,
                         const struct namespace_settings *space)
{
    unsigned position = space->history.position_seconds, seconds = space->history.seconds;
    char what[128];

    if (!position || position >= seconds)
        return 0;
    snprintf(what, sizeof(what), "position_seconds %u is below seconds %u", position, seconds);
    return loader_fail_pair(loader, map, path, "position_seconds", "seconds", what,
                            "position_seconds at least seconds, or 0: never forgotten");
}

/* Who says nothing of it inherits a fault, but did not make it. */
static int check_histories(struct loader *loader, const yaml_node_t *list, const char *path)
{
    const struct namespace_settings *spaces = loader->config->settings->namespaces;
    const yaml_node_item_t *items = list->data.sequence.items.start;
    size_t count = (size_t)(list->data.sequence.items.top - items), added = 1;
    char item_path[LOADER_PATH_MAX], full[LOADER_PATH_MAX];
    int error = 0;

    for (size_t i = 0; !error && i < count; i++) {
        const yaml_node_t *item = loader_node(loader, items[i]), *history;
        bool rest = !*namespace_name(loader, item, NULL);
        const struct namespace_settings *space = &spaces[rest ? 0 : added++];

        loader_item(item_path, path, i);
        loader_join(full, item_path, "history");
        if (loader_find(loader, item, "history", &history) &&
            (loader_find(loader, history, "seconds", NULL) ||
             loader_find(loader, history, "position_seconds", NULL)))
            error = check_history(loader, history, full, space);
    }
    return error;
}

int loader_namespaces(struct loader *loader, const yaml_node_t *node, unsigned line,
                      const char *path, const struct config_key *key)
{
    char item_path[LOADER_PATH_MAX];
    int error = 0;

    if (node->type != YAML_SEQUENCE_NODE)
        return loader_fail_key(loader, line, path, key, "is not a list");

    const yaml_node_item_t *items = node->data.sequence.items.start;
    size_t count = (size_t)(node->data.sequence.items.top - items), named = 0;
    for (size_t i = 0; !error && i < count && named <= CONFIG_NAMESPACES_MAX; i++) {
        loader_item(item_path, path, i);
        error = judge_namespace(loader, node, i, item_path, key);
        if (!error)
            named += *namespace_name(loader, loader_node(loader, items[i]), NULL) != '\0';
    }
    if (named > CONFIG_NAMESPACES_MAX)
        return loader_fail_count(loader, line, path, key, CONFIG_NAMESPACES_MAX);
    if (!error)
        error = apply_namespaces(loader, node, path, key);
    return error ? error : check_histories(loader, node, path);
}
