/* What the decoders of both forms share: which fields a request has and where they go, and what is
 * made of names. Internal to proto/sdk_command*.c. */
#ifndef SHARDCAST_PROTO_SDK_DECODE_H
#define SHARDCAST_PROTO_SDK_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/sdk_command.h"

/* What a field is on the wire. Those that the engine does not read are listed, too: they must be of
 * their type. */
enum sdk_field_type {
    SDK_FIELD_BOOL,
    SDK_FIELD_INT32, /* kept in an int64_t */
    SDK_FIELD_INT64,
    SDK_FIELD_UINT64, /* the last that is a varint in Protobuf */
    SDK_FIELD_STRING, /* a struct name_view */
    SDK_FIELD_CHANNEL,
    SDK_FIELD_EPOCH,
    SDK_FIELD_DATA,  /* a publish's */
    SDK_FIELD_SINCE, /* an object: history's position */
    SDK_FIELD_SUBS,  /* a map from channels to what a subscribe has */
    /* Not read. JSON: any value. Protobuf: bytes or strings; a message; a map of strings. */
    SDK_FIELD_ANY,
    SDK_FIELD_MESSAGE,
    SDK_FIELD_HEADERS
};

struct sdk_field {
    const char *name; /* in JSON */
    uint8_t number;   /* in Protobuf */
    uint8_t type;     /* enum sdk_field_type */
    uint16_t at;      /* in struct sdk_command; 0: nowhere */
};

struct sdk_fields {
    const struct sdk_field *fields;
    size_t count;
};

/* The fields of a method's request. */
const struct sdk_fields *sdk_request_fields(enum sdk_method method);

/* The fields of what stands in a request: history's `since`, an entry of a connect's `headers`, and
 * a message that is not read. */
extern const struct sdk_fields sdk_since_fields, sdk_header_fields, sdk_no_fields;

/* In Protobuf a Command's `id` is field 1; the methods have numbers in their order. */
#define SDK_NUMBER_ID      1
#define SDK_NUMBER_CONNECT 4

static inline void *sdk_field_place(struct sdk_command *command, const struct sdk_field *field)
{
    return (char *)command + field->at;
}

/* One pass over a command. */
struct sdk_decode {
    struct sdk_command *command;
    bool any;                /* something was in it, known or not */
    struct name_view wanted; /* a channel to be found in a connect's `subs`; bytes NULL: none */
    struct sdk_sub *sub;     /* where it goes */
    bool found;
};

/* ERR_PROTOCOL: malformed. Whether what must be there is there is not looked at. */
int sdk_decode_json(struct sdk_decode *pass) MUST_CHECK;
int sdk_decode_protobuf(struct sdk_decode *pass) MUST_CHECK;

/* Another method is asked for. ERR_PROTOCOL: that makes two. */
int sdk_set_method(struct sdk_decode *pass, enum sdk_method method) MUST_CHECK;

void sdk_set_channel(struct sdk_command *command, const char *name, size_t size);
void sdk_set_epoch(struct sdk_command *command, const char *epoch, size_t size);

/* An entry of `subs` has been read into `entry`. */
void sdk_found_sub(struct sdk_decode *pass, struct name_view channel,
                   const struct sdk_command *entry);

#endif
