/* What `data` of a publication is in JSON (sdk_push.h has the rules). Internal to proto/sdk_*.c. */
#ifndef SHARDCAST_PROTO_SDK_DATA_H
#define SHARDCAST_PROTO_SDK_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "proto/payload.h"

enum sdk_data_form { SDK_DATA_VERBATIM, SDK_DATA_LINES, SDK_DATA_STRING, SDK_DATA_BASE64 };

/* A payload that has been looked at: how it is to be written, and how long it is then. */
struct sdk_data {
    enum sdk_data_form form;
    const uint8_t *bytes; /* the payload's */
    size_t size;
    size_t json_bytes;
};

struct sdk_data sdk_data_of(const struct payload *payload);

/* Writes json_bytes and returns where they end. */
uint8_t *sdk_data_write(uint8_t *out, const struct sdk_data *data);

#endif
