#include "proto/sdk_json.h"

#include <string.h>

#include "proto/decimal.h"
#include "proto/json_string.h"
#include "proto/sdk_data.h"

void sdk_json_begin(struct sdk_json *json, struct buffer *out)
{
    *json = (struct sdk_json){.out = out, .begin = out->size};
}

int sdk_json_end(struct sdk_json *json)
{
    if (json->error)
        json->out->size = json->begin;
    return json->error;
}

/* Where `size` bytes can be written, which then count as written. NULL: the error has stuck. */
static uint8_t *room(struct sdk_json *json, size_t size)
{
    if (!json->error)
        json->error = buffer_reserve(json->out, size);
    if (json->error)
        return NULL;
    json->out->size += size;
    return json->out->bytes + json->out->size - size;
}

static void put(struct sdk_json *json, const void *bytes, size_t size)
{
    uint8_t *out = room(json, size);

    if (out)
        memcpy(out, bytes, size);
}

void sdk_json_text(struct sdk_json *json, const char *text)
{
    put(json, text, strlen(text));
}

void sdk_json_key(struct sdk_json *json, const char *key)
{
    const struct buffer *out = json->out;

    if (!json->error && out->bytes[out->size - 1] != '{')
        sdk_json_text(json, ",");
    sdk_json_text(json, "\"");
    sdk_json_text(json, key);
    sdk_json_text(json, "\":");
}

void sdk_json_uint(struct sdk_json *json, const char *key, uint64_t value)
{
    char digits[DECIMAL_MAX];

    sdk_json_key(json, key);
    put(json, digits, decimal_uint(digits, value));
}

void sdk_json_string_value(struct sdk_json *json, struct name_view text)
{
    const uint8_t *bytes = (const uint8_t *)(text.size ? text.bytes : "");
    uint8_t *out = room(json, json_string_bytes(bytes, text.size));

    if (out)
        json_string_write(out, bytes, text.size);
}

void sdk_json_string(struct sdk_json *json, const char *key, struct name_view text)
{
    sdk_json_key(json, key);
    sdk_json_string_value(json, text);
}

void sdk_json_true(struct sdk_json *json, const char *key, bool value)
{
    if (!value)
        return;
    sdk_json_key(json, key);
    sdk_json_text(json, "true");
}

void sdk_json_client(struct sdk_json *json, const struct publisher *client)
{
    sdk_json_text(json, "{");
    sdk_json_string(json, "user", client->user);
    sdk_json_string(json, "client", client->client);
    sdk_json_text(json, "}");
}

void sdk_json_publication(struct sdk_json *json, const struct payload *payload, uint64_t offset)
{
    struct sdk_data data = sdk_data_of(payload);
    struct publisher publisher;

    sdk_json_text(json, "{\"data\":");
    uint8_t *out = room(json, data.json_bytes);
    if (out)
        sdk_data_write(out, &data);
    if (payload_publisher(payload, &publisher)) {
        sdk_json_key(json, "info");
        sdk_json_client(json, &publisher);
    }
    if (offset)
        sdk_json_uint(json, "offset", offset);
    sdk_json_text(json, "}");
}
