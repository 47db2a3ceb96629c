#include "shards/settings.h"

#include <stdlib.h>
#include <string.h>

struct settings *settings_new(void)
{
    struct settings *settings = calloc(1, sizeof(*settings));

    if (!settings)
        return NULL;
    atomic_init(&settings->refs, 1);
    settings->clients_on_loopback = true;
    settings->limits.groups = 1000000;
    settings->limits.groups_per_connection = 128;
    settings->limits.message_bytes = 65536;
    settings->limits.backlog_bytes = 1048576;
    settings->limits.recovery_bytes = 1048576;
    settings->health.ping_seconds = 25;
    settings->health.pong_timeout_seconds = 10;
    settings->drain_seconds = 5;

    struct namespace_settings *rest = settings_add_namespace(settings, "");
    if (!rest) {
        settings_unref(settings);
        return NULL;
    }
    rest->max_members = 1000;
    rest->max_rate = 100;
    rest->priority = PRIORITY_NORMAL;
    rest->slow_consumer = SLOW_CLOSE;
    rest->history.bytes = 1048576;
    rest->history.position_seconds = 86400;
    return settings;
}

struct namespace_settings *settings_add_namespace(struct settings *settings, const char *name)
{
    size_t count = settings->namespace_count;
    char *copy = strdup(name);
    struct namespace_settings *grown =
        copy ? realloc(settings->namespaces, (count + 1) * sizeof(*grown)) : NULL;

    if (!grown) {
        free(copy);
        return NULL;
    }
    settings->namespaces = grown;
    settings->namespace_count++;
    if (count)
        grown[count] = grown[0];
    else
        memset(&grown[0], 0, sizeof(grown[0]));
    grown[count].name = copy;
    return &grown[count];
}

struct settings *settings_ref(struct settings *settings)
{
    /* Relaxed: the caller holds a reference already. */
    atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
    return settings;
}

void settings_unref(struct settings *settings)
{
    /* Release orders this holder's reads before the free; acquire is its partner in the last. */
    if (!settings || atomic_fetch_sub_explicit(&settings->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < settings->namespace_count; i++)
        free(settings->namespaces[i].name);
    for (uint32_t i = 0; i < settings->origin_count; i++)
        free(settings->origins[i]);
    free(settings->namespaces);
    free(settings->origins);
    free(settings->producers_token);
    free(settings);
}

const struct namespace_settings *settings_namespace(const struct settings *settings,
                                                    const char *group, size_t size)
{
    size_t part = group_name_namespace(group, size);

    for (uint32_t i = 1; part && i < settings->namespace_count; i++) {
        const char *name = settings->namespaces[i].name;

        if (strlen(name) == part && !memcmp(name, group, part))
            return &settings->namespaces[i];
    }
    return &settings->namespaces[0];
}
