/* Answers to producers, in msgpack. Pure; the caller owns the buffer. */
#ifndef SHARDCAST_PROTO_ANSWER_H
#define SHARDCAST_PROTO_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"
#include "proto/error.h"
#include "proto/group_name.h"
#include "proto/refusal.h"

struct payload;

/* {"id", "ok": true, "members"[, "offset", "epoch"]}; position where `epoch` is not NULL
 * (NUL-ended) */
int answer_broadcast(struct buffer *out, uint64_t id, uint64_t members, uint64_t offset,
                     const char *epoch) MUST_CHECK;

/* {"id", "ok": true, "members"}: how many connections a disconnect closed. */
int answer_disconnect(struct buffer *out, uint64_t id, uint64_t members) MUST_CHECK;

/* {"id", "ok": true} */
int answer_ok(struct buffer *out, uint64_t id) MUST_CHECK;

/* {"id", "ok": true, "server", "version", "shards", "message_bytes"} */
int answer_hello(struct buffer *out, uint64_t id, const char *version, uint32_t shards,
                 uint64_t message_bytes) MUST_CHECK;

/* {"id", "ok": true, "messages": [{"offset", "data"}…], "epoch", "offset"}: data is str for text
 * and bin for binary messages. What makes the answer larger than `bytes_max` is left out, from the
 * end or, with `newest`, from the beginning; of several messages one is there in any case. */
struct answer_history {
    uint64_t id;
    const char *epoch;               /* NUL-ended */
    uint64_t offset;                 /* the group's top */
    struct payload *const *messages; /* each one offset further than the one before */
    uint32_t count;                  /* of messages */
    uint64_t first;                  /* offset of the first */
    bool newest;
    uint64_t bytes_max;
};

int answer_history(struct buffer *out, const struct answer_history *history) MUST_CHECK;

/* {"id", "ok": false, "error", "message"[, "retry_after_ms"][, "members", "refused"]}.
 * retry_after_ms where it is not negative; members and refused where `refused` is not NULL. */
struct answer_error {
    bool has_id; /* without one the id is nil */
    uint64_t id;
    enum refusal code;
    const char *message;
    int64_t retry_after_ms;
    uint64_t members;
    const struct name_view *refused;
    uint32_t refused_count;
};

int answer_error(struct buffer *out, const struct answer_error *error) MUST_CHECK;

/* Statistics are a tree of maps, arrays and numbers; these write it piece by piece. */
int answer_map(struct buffer *out, uint32_t pairs) MUST_CHECK;
int answer_array(struct buffer *out, uint32_t values) MUST_CHECK;
int answer_str(struct buffer *out, const char *text) MUST_CHECK;
int answer_uint(struct buffer *out, uint64_t value) MUST_CHECK;

#endif
