/* Writing the client protocol's JSON, piece by piece, behind what is in a buffer. The first error
 * sticks; the end then takes back what was written. Internal to proto/sdk_*.c. */
#ifndef SHARDCAST_PROTO_SDK_JSON_H
#define SHARDCAST_PROTO_SDK_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"
#include "proto/error.h"
#include "proto/group_name.h"
#include "proto/payload.h"

struct sdk_json {
    struct buffer *out;
    size_t begin; /* out->size before */
    int error;
};

void sdk_json_begin(struct sdk_json *json, struct buffer *out);
int sdk_json_end(struct sdk_json *json) MUST_CHECK;

/* Bytes written since the beginning. */
static inline size_t sdk_json_size(const struct sdk_json *json)
{
    return json->out->size - json->begin;
}

/* Text as it is. */
void sdk_json_text(struct sdk_json *json, const char *text);

/* A key, the colon behind it, and before it a comma where it is not the object's first. */
void sdk_json_key(struct sdk_json *json, const char *key);

/* Keys with their values. The last is left out where it is false. */
void sdk_json_uint(struct sdk_json *json, const char *key, uint64_t value);
void sdk_json_string(struct sdk_json *json, const char *key, struct name_view text);
void sdk_json_true(struct sdk_json *json, const char *key, bool value);

/* A string, for example as a key that is not known before. */
void sdk_json_string_value(struct sdk_json *json, struct name_view text);

/* {"user": …, "client": …} */
void sdk_json_client(struct sdk_json *json, const struct publisher *client);

/* {"data": …[, "info": …][, "offset": …]} */
void sdk_json_publication(struct sdk_json *json, const struct payload *payload, uint64_t offset);

#endif
