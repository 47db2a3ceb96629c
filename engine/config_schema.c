#include "engine/config_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/address.h"
#include "proto/utf8.h"

#define TOKEN_MAX 1024 /* bytes */
#define DAY       86400
#define GIB       (UINT64_C(1) << 30)
#define TIB       (UINT64_C(1) << 40)

#define CONFIG(member)    BASE_CONFIG, offsetof(struct config, member)
#define SETTINGS(member)  BASE_SETTINGS, offsetof(struct settings, member)
#define NAMESPACE(member) BASE_NAMESPACE, offsetof(struct namespace_settings, member)
#define END          \
    {                \
        .name = NULL \
    }

static const struct config_key listen_keys[] = {
    {"clients", CONFIG_ADDRESS, CONFIG(clients), 0, 0, NULL},
    {"producers", CONFIG_ADDRESS, CONFIG(producers), 0, 0, NULL},
    {"admin", CONFIG_ADDRESS, CONFIG(admin), 0, 0, NULL},
    END,
};

static const struct config_key token_keys[] = {
    {"producers", CONFIG_TOKEN, CONFIG(producers_token), 0, 0, NULL},
    {"admin", CONFIG_TOKEN, CONFIG(admin_token), 0, 0, NULL},
    END,
};

static const struct config_key limit_keys[] = {
    {"connections", CONFIG_UINT32, SETTINGS(limits.connections), 0, UINT32_MAX, NULL},
    {"groups", CONFIG_UINT32, SETTINGS(limits.groups), 1, UINT32_MAX, NULL},
    {"groups_per_connection", CONFIG_UINT32, SETTINGS(limits.groups_per_connection), 1, UINT32_MAX,
     NULL},
    {"message_bytes", CONFIG_UINT64, SETTINGS(limits.message_bytes), 1, GIB, NULL},
    {"backlog_bytes", CONFIG_UINT64, SETTINGS(limits.backlog_bytes), 1, TIB, NULL},
    {"recovery_bytes", CONFIG_UINT64, SETTINGS(limits.recovery_bytes), 1, TIB, NULL},
    END,
};

static const struct config_key health_keys[] = {
    {"ping_seconds", CONFIG_UINT32, SETTINGS(health.ping_seconds), 0, DAY, NULL},
    {"pong_timeout_seconds", CONFIG_UINT32, SETTINGS(health.pong_timeout_seconds), 1, DAY, NULL},
    END,
};

static const struct config_key history_keys[] = {
    {"messages", CONFIG_UINT32, NAMESPACE(history.messages), 0, UINT32_MAX, NULL},
    {"seconds", CONFIG_UINT32, NAMESPACE(history.seconds), 0, UINT32_MAX, NULL},
    {"bytes", CONFIG_UINT64, NAMESPACE(history.bytes), 1, TIB, NULL},
    {"position_seconds", CONFIG_UINT32, NAMESPACE(history.position_seconds), 0, UINT32_MAX, NULL},
    END,
};

static const struct config_key namespace_keys[] = {
    {"name", CONFIG_NAME, NAMESPACE(name), 0, 0, NULL},
    {"max_members", CONFIG_UINT32, NAMESPACE(max_members), 0, UINT32_MAX, NULL},
    {"max_rate", CONFIG_UINT32, NAMESPACE(max_rate), 0, 1000000, NULL},
    {"priority", CONFIG_PRIORITY, NAMESPACE(priority), 0, 0, NULL},
    {"slow_consumer", CONFIG_SLOW_CONSUMER, NAMESPACE(slow_consumer), 0, 0, NULL},
    {"client_publish", CONFIG_BOOL, NAMESPACE(client_publish), 0, 0, NULL},
    {"history", CONFIG_MAP, BASE_NAMESPACE, 0, 0, 0, history_keys},
    {"presence", CONFIG_BOOL, NAMESPACE(presence), 0, 0, NULL},
    END,
};

const struct config_key config_keys[] = {
    {"listen", CONFIG_MAP, BASE_CONFIG, 0, 0, 0, listen_keys},
    {"shards", CONFIG_UINT32, CONFIG(shards), 0, CONFIG_SHARDS_MAX, NULL},
    {"insecure", CONFIG_BOOL, SETTINGS(insecure), 0, 0, NULL},
    {"tokens", CONFIG_MAP, BASE_CONFIG, 0, 0, 0, token_keys},
    {"origins", CONFIG_ORIGINS, BASE_SETTINGS, 0, 0, 0, NULL},
    {"limits", CONFIG_MAP, BASE_SETTINGS, 0, 0, 0, limit_keys},
    {"health", CONFIG_MAP, BASE_SETTINGS, 0, 0, 0, health_keys},
    {"drain_seconds", CONFIG_UINT32, SETTINGS(drain_seconds), 0, DAY, NULL},
    {"namespaces", CONFIG_NAMESPACES, BASE_SETTINGS, 0, 0, 0, namespace_keys},
    END,
};

static const char *const priorities[] = {"critical", "normal", "low"};
static const char *const slow_consumers[] = {"close", "skip", "latest"};

const char *config_priority_name(enum command_priority priority)
{
    return priorities[priority];
}

const char *config_slow_consumer_name(enum slow_consumer slow_consumer)
{
    return slow_consumers[slow_consumer];
}

const struct config_key *config_key_find(const struct config_key *keys, const char *name,
                                         size_t size)
{
    for (; keys->name; keys++)
        if (strlen(keys->name) == size && !memcmp(keys->name, name, size))
            return keys;
    return NULL;
}

void config_key_names(const struct config_key *keys, char text[CONFIG_ALLOWED_MAX])
{
    size_t at = 0;

    text[0] = '\0';
    for (; keys->name && at < CONFIG_ALLOWED_MAX; keys++)
        at += (size_t)snprintf(text + at, CONFIG_ALLOWED_MAX - at, "%s%s", at ? ", " : "",
                               keys->name);
}

void config_key_allowed(const struct config_key *key, char text[CONFIG_ALLOWED_MAX])
{
    switch (key->type) {
    case CONFIG_MAP:
        snprintf(text, CONFIG_ALLOWED_MAX, "a mapping of ");
        config_key_names(key->keys, text + strlen(text));
        break;
    case CONFIG_UINT32:
    case CONFIG_UINT64:
        snprintf(text, CONFIG_ALLOWED_MAX, "a whole number from %llu to %llu",
                 (unsigned long long)key->min, (unsigned long long)key->max);
        break;
    case CONFIG_BOOL:
        snprintf(text, CONFIG_ALLOWED_MAX, "true, false");
        break;
    case CONFIG_ADDRESS:
        snprintf(text, CONFIG_ALLOWED_MAX, ADDRESS_ALLOWED);
        break;
    case CONFIG_TOKEN:
        snprintf(text, CONFIG_ALLOWED_MAX,
                 "up to %d bytes without control characters, \"\" for no token", TOKEN_MAX);
        break;
    case CONFIG_PRIORITY:
        snprintf(text, CONFIG_ALLOWED_MAX, "critical, normal, low");
        break;
    case CONFIG_SLOW_CONSUMER:
        snprintf(text, CONFIG_ALLOWED_MAX, "close, skip, latest");
        break;
    case CONFIG_NAME:
        snprintf(text, CONFIG_ALLOWED_MAX,
                 "\"\" for all the rest, or 1-%d bytes of printable ASCII without space and "
                 ": / ? # %% * , \" \\",
                 GROUP_NAME_MAX - 1);
        break;
    case CONFIG_ORIGINS:
        snprintf(text, CONFIG_ALLOWED_MAX,
                 "a list of scheme://host[:port], or [\"*\"] for any origin");
        break;
    case CONFIG_NAMESPACES:
    default:
        snprintf(text, CONFIG_ALLOWED_MAX, "a list of mappings, each with a name");
        break;
    }
}

/* What a scalar says, before it is kept. */
struct value {
    uint64_t number; /* also a bool, and the index of an enum */
    const char *text;
};

static const char *judge_number(const struct config_key *key, const char *text, bool plain,
                                struct value *value)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t number = 0;

    if (!plain || !digits || text[digits])
        return text[0] == '-' && text[1] && !text[1 + strspn(text + 1, "0123456789")]
                   ? "is negative"
                   : "is not a whole number";
    /* YAML 1.1 reads 010 as eight, YAML 1.2 as ten. */
    if (digits > 1 && text[0] == '0')
        return "is ambiguous: it begins with 0";
    for (size_t i = 0; i < digits; i++) {
        if (number > (UINT64_MAX - 9) / 10)
            return "is too large";
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    if (number < key->min)
        return "is too small";
    if (number > key->max)
        return "is too large";
    value->number = number;
    return NULL;
}

static const char *judge_bool(const char *text, bool plain, struct value *value)
{
    /* The core schema of YAML 1.2 (section 10.3.2): yes, no, on and off are strings. */
    static const char *const words[2][3] = {{"false", "False", "FALSE"}, {"true", "True", "TRUE"}};

    for (unsigned i = 0; plain && i < 6; i++)
        if (!strcmp(text, words[i % 2][i / 2])) {
            value->number = i % 2;
            return NULL;
        }
    return "is neither true nor false";
}

static const char *judge_word(const char *const words[3], const char *text, struct value *value)
{
    for (unsigned i = 0; i < 3; i++)
        if (!strcmp(text, words[i])) {
            value->number = i;
            return NULL;
        }
    return "is none of them";
}

static const char *judge_token(const char *text)
{
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return "has a control character";
    if (!utf8_valid(text, strlen(text)))
        return "is not UTF-8"; /* a producer's never is */
    return strlen(text) > TOKEN_MAX ? "is too long" : NULL;
}

static const char *judge_name(const char *text)
{
    size_t size = strlen(text);

    if (!size)
        return NULL;
    if (strchr(text, ':'))
        return "has a ':', which ends a namespace in a group's name";
    if (size >= GROUP_NAME_MAX)
        return "is too long";
    return group_name_valid(text, size) ? NULL : "is not a valid name";
}

/* An empty plain scalar, ~ and null are YAML's null: nobody's value here. */
static bool is_null(const char *text, bool plain)
{
    return plain && (!*text || !strcmp(text, "~") || !strcmp(text, "null"));
}

static const char *judge(const struct config_key *key, const char *text, bool plain,
                         struct value *value)
{
    value->text = text;
    if (is_null(text, plain))
        return "has no value";
    switch (key->type) {
    case CONFIG_UINT32:
    case CONFIG_UINT64:
        return judge_number(key, text, plain, value);
    case CONFIG_BOOL:
        return judge_bool(text, plain, value);
    case CONFIG_ADDRESS:
        return address_fault(text);
    case CONFIG_TOKEN:
        return judge_token(text);
    case CONFIG_PRIORITY:
        return judge_word(priorities, text, value);
    case CONFIG_SLOW_CONSUMER:
        return judge_word(slow_consumers, text, value);
    case CONFIG_NAME:
        return judge_name(text);
    case CONFIG_ORIGINS:
    case CONFIG_NAMESPACES:
        return "is not a list";
    case CONFIG_MAP:
    default:
        return "is not a mapping";
    }
}

int config_key_judge(const struct config_key *key, const char *text, bool plain, const char **why)
{
    struct value value;

    *why = judge(key, text, plain, &value);
    return *why ? ERR_CONFIG : 0;
}

static int keep_text(char **to, const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        return ERR_NOMEM;
    free(*to);
    *to = copy;
    return 0;
}

int config_key_set(const struct config_key *key, const struct config_target *target,
                   const char *text, bool plain, const char **why)
{
    struct value value = {0};
    void *to = (char *)target->base[key->base] + key->offset;

    *why = judge(key, text, plain, &value);
    if (*why)
        return ERR_CONFIG;
    switch (key->type) {
    case CONFIG_UINT32:
        *(uint32_t *)to = (uint32_t)value.number;
        return 0;
    case CONFIG_UINT64:
        *(uint64_t *)to = value.number;
        return 0;
    case CONFIG_BOOL:
        *(bool *)to = value.number;
        return 0;
    case CONFIG_PRIORITY:
        *(enum command_priority *)to = (enum command_priority)value.number;
        return 0;
    case CONFIG_SLOW_CONSUMER:
        *(enum slow_consumer *)to = (enum slow_consumer)value.number;
        return 0;
    case CONFIG_TOKEN:
        /* "***" is what --print-config shows instead of a token; it must not become one. */
        if (!*text || !strcmp(text, "***"))
            text = NULL;
        return keep_text(to, text);
    case CONFIG_ADDRESS:
        return keep_text(to, text);
    default:
        return 0; /* has its own place */
    }
}

bool config_origin_valid(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *host = strstr(text, "://");
    char address[ADDRESS_MAX];

    /* RFC 6454 section 6.2; a scheme is RFC 3986's. */
    if (!host || !strspn(text, letters))
        return false;
    for (const char *at = text; at < host; at++)
        if (!strchr(letters, *at) && !strchr("0123456789+-.", *at))
            return false;
    host += 3;

    /* The rest has the form of an address whose port may be absent. */
    const char *end = *host == '[' ? strchr(host, ']') : host;
    bool has_port = end && strchr(end, ':');
    size_t size = strlen(host);
    if (size + sizeof(":1") > sizeof(address) || strchr(host, '%'))
        return false;
    memcpy(address, host, size + 1);
    if (!has_port)
        memcpy(address + size, ":1", sizeof(":1"));
    return !address_fault(address);
}
