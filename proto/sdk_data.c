#include "proto/sdk_data.h"

#include <string.h>

#include "proto/json_scan.h"
#include "proto/json_string.h"

static size_t count_newlines(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = bytes + size;
    size_t count = 0;

    for (const uint8_t *at = bytes; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        count++;
    return count;
}

static uint8_t *write_lines(uint8_t *out, const uint8_t *at, size_t size)
{
    const uint8_t *end = at + size, *newline;

    while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
        memcpy(out, at, (size_t)(newline - at));
        out += newline - at;
        at = newline + 1;
    }
    memcpy(out, at, (size_t)(end - at));
    return out + (end - at);
}

/* Text that a producer or a Protobuf client sent. */
static void look_at_text(struct sdk_data *data)
{
    size_t newlines;

    if (!json_valid((const char *)data->bytes, data->size)) {
        data->form = SDK_DATA_STRING;
        data->json_bytes = json_string_bytes(data->bytes, data->size);
        return;
    }
    /* In valid JSON they stand between tokens only. */
    newlines = count_newlines(data->bytes, data->size);
    data->form = newlines ? SDK_DATA_LINES : SDK_DATA_VERBATIM;
    data->json_bytes = data->size - newlines;
}

struct sdk_data sdk_data_of(const struct payload *payload)
{
    struct sdk_data data = {
        .form = SDK_DATA_VERBATIM,
        .bytes = payload->frame + payload->header_bytes,
        .size = payload->body_bytes,
        .json_bytes = payload->body_bytes,
    };

    if (payload->kind == PAYLOAD_TEXT) {
        look_at_text(&data);
    } else if (payload->kind == PAYLOAD_BINARY) {
        data.form = SDK_DATA_BASE64;
        data.json_bytes = json_base64_bytes(data.size);
    }
    return data;
}

uint8_t *sdk_data_write(uint8_t *out, const struct sdk_data *data)
{
    switch (data->form) {
    case SDK_DATA_LINES:
        return write_lines(out, data->bytes, data->size);
    case SDK_DATA_STRING:
        return json_string_write(out, data->bytes, data->size);
    case SDK_DATA_BASE64:
        return json_base64_write(out, data->bytes, data->size);
    default:
        memcpy(out, data->bytes, data->size);
        return out + data->size;
    }
}
