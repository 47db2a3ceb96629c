#include "engine/cli/producer.h"

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/utf8.h"

#define RECEIVE_BYTES 65536

struct producer {
    int fd;
    msgpack_sbuffer out;
    size_t sent; /* bytes of `out` that the socket has taken */
    msgpack_packer packer;
    msgpack_unpacker unpacker;
    msgpack_unpacked unpacked;
    const msgpack_object_array *messages; /* of what is unpacked; NULL: it has none */
};

struct producer *producer_new(int fd)
{
    struct producer *producer = calloc(1, sizeof(*producer));

    if (!producer)
        return NULL;
    if (!msgpack_unpacker_init(&producer->unpacker, RECEIVE_BYTES)) {
        free(producer);
        return NULL;
    }
    producer->fd = fd;
    msgpack_sbuffer_init(&producer->out);
    msgpack_packer_init(&producer->packer, &producer->out, msgpack_sbuffer_write);
    msgpack_unpacked_init(&producer->unpacked);
    return producer;
}

void producer_free(struct producer *producer)
{
    close(producer->fd);
    msgpack_unpacked_destroy(&producer->unpacked);
    msgpack_unpacker_destroy(&producer->unpacker);
    msgpack_sbuffer_destroy(&producer->out);
    free(producer);
}

int producer_fd(const struct producer *producer)
{
    return producer->fd;
}

size_t producer_unsent(const struct producer *producer)
{
    return producer->out.size - producer->sent;
}

static int pack_text(msgpack_packer *packer, const char *text)
{
    size_t size = strlen(text);

    return msgpack_pack_str(packer, size) || msgpack_pack_str_body(packer, text, size);
}

int producer_hello(struct producer *producer, uint64_t id, const char *token)
{
    msgpack_packer *packer = &producer->packer;
    int failed = msgpack_pack_map(packer, 3) || pack_text(packer, "op") ||
                 pack_text(packer, "hello") || pack_text(packer, "id") ||
                 msgpack_pack_uint64(packer, id) || pack_text(packer, "token") ||
                 pack_text(packer, token);

    return failed ? ERR_NOMEM : 0;
}

static int pack_target(msgpack_packer *packer, struct producer_target target)
{
    return pack_text(packer, target.key) ||
           (target.name ? pack_text(packer, target.name) : msgpack_pack_true(packer));
}

static int pack_data(msgpack_packer *packer, const void *bytes, size_t size, bool binary)
{
    if (binary)
        return msgpack_pack_bin(packer, size) || msgpack_pack_bin_body(packer, bytes, size);
    return msgpack_pack_str(packer, size) || msgpack_pack_str_body(packer, bytes, size);
}

int producer_broadcast(struct producer *producer, uint64_t id, struct producer_target target,
                       const char *priority, const void *bytes, size_t size, bool binary)
{
    msgpack_packer *packer = &producer->packer;
    int failed = msgpack_pack_map(packer, priority ? 5 : 4) || pack_text(packer, "op") ||
                 pack_text(packer, "broadcast") || pack_text(packer, "id") ||
                 msgpack_pack_uint64(packer, id) || pack_target(packer, target);

    if (!failed && priority)
        failed = pack_text(packer, "priority") || pack_text(packer, priority);
    if (!failed)
        failed = pack_text(packer, "data") ||
                 pack_data(packer, bytes, size, binary || !utf8_valid(bytes, size));
    return failed ? ERR_NOMEM : 0;
}

int producer_history(struct producer *producer, uint64_t id, const char *group, uint64_t limit,
                     const char *since)
{
    msgpack_packer *packer = &producer->packer;
    bool limited = limit != UINT64_MAX;
    int failed = msgpack_pack_map(packer, 3u + limited + (since != NULL)) ||
                 pack_text(packer, "op") || pack_text(packer, "history") ||
                 pack_text(packer, "id") || msgpack_pack_uint64(packer, id) ||
                 pack_text(packer, "group") || pack_text(packer, group);

    if (!failed && limited)
        failed = pack_text(packer, "limit") || msgpack_pack_uint64(packer, limit);
    if (!failed && since)
        failed = pack_text(packer, "since") || pack_text(packer, since);
    return failed ? ERR_NOMEM : 0;
}

int producer_send(struct producer *producer)
{
    while (producer_unsent(producer)) {
        ssize_t n = send(producer->fd, producer->out.data + producer->sent,
                         producer_unsent(producer), MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : ERR_SYS;
        producer->sent += (size_t)n;
    }
    msgpack_sbuffer_clear(&producer->out);
    producer->sent = 0;
    return 0;
}

int producer_receive(struct producer *producer, bool *end)
{
    ssize_t n;

    if (!msgpack_unpacker_reserve_buffer(&producer->unpacker, RECEIVE_BYTES))
        return ERR_NOMEM;
    n = recv(producer->fd, msgpack_unpacker_buffer(&producer->unpacker), RECEIVE_BYTES, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : ERR_SYS;
    *end = n == 0;
    msgpack_unpacker_buffer_consumed(&producer->unpacker, (size_t)n);
    return 0;
}

/* Copies a str, cut to fit. */
static void read_text(char *out, size_t size, const msgpack_object *object)
{
    size_t n = object->type == MSGPACK_OBJECT_STR ? object->via.str.size : 0;

    if (n >= size)
        n = size - 1;
    if (n)
        memcpy(out, object->via.str.ptr, n);
    out[n] = '\0';
}

static void read_pair(struct producer *producer, struct producer_answer *answer,
                      const msgpack_object_kv *pair)
{
    const msgpack_object *value = &pair->val;
    bool number = value->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    char key[32];

    read_text(key, sizeof(key), &pair->key);
    if (!strcmp(key, "ok")) {
        answer->ok = value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean;
    } else if (!strcmp(key, "id") && number) {
        answer->has_id = true;
        answer->id = value->via.u64;
    } else if (!strcmp(key, "members") && number) {
        answer->members = value->via.u64;
    } else if (!strcmp(key, "offset") && number) {
        answer->has_position = true;
        answer->offset = value->via.u64;
    } else if (!strcmp(key, "retry_after_ms") && number) {
        answer->retry_after_ms = (int64_t)value->via.u64;
    } else if (!strcmp(key, "messages") && value->type == MSGPACK_OBJECT_ARRAY) {
        producer->messages = &value->via.array;
        answer->message_count = value->via.array.size;
    } else if (!strcmp(key, "epoch")) {
        read_text(answer->epoch, sizeof(answer->epoch), value);
    } else if (!strcmp(key, "error")) {
        read_text(answer->error, sizeof(answer->error), value);
    } else if (!strcmp(key, "message")) {
        read_text(answer->message, sizeof(answer->message), value);
    }
}

int producer_next(struct producer *producer, struct producer_answer *answer)
{
    switch (msgpack_unpacker_next(&producer->unpacker, &producer->unpacked)) {
    case MSGPACK_UNPACK_SUCCESS:
        break;
    case MSGPACK_UNPACK_CONTINUE:
        return 0;
    case MSGPACK_UNPACK_NOMEM_ERROR:
        return ERR_NOMEM;
    default:
        return ERR_PROTOCOL;
    }
    if (producer->unpacked.data.type != MSGPACK_OBJECT_MAP)
        return ERR_PROTOCOL;
    memset(answer, 0, sizeof(*answer));
    answer->retry_after_ms = -1;
    producer->messages = NULL;
    for (uint32_t i = 0; i < producer->unpacked.data.via.map.size; i++)
        read_pair(producer, answer, &producer->unpacked.data.via.map.ptr[i]);
    return 1;
}

struct producer_message producer_message(const struct producer *producer, uint32_t place)
{
    const msgpack_object *object = &producer->messages->ptr[place];
    struct producer_message message = {.bytes = (const uint8_t *)""};
    uint32_t pairs = object->type == MSGPACK_OBJECT_MAP ? object->via.map.size : 0;

    for (uint32_t i = 0; i < pairs; i++) {
        const msgpack_object *value = &object->via.map.ptr[i].val;

        if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
            message.offset = value->via.u64;
        } else if (value->type == MSGPACK_OBJECT_STR || value->type == MSGPACK_OBJECT_BIN) {
            message.binary = value->type == MSGPACK_OBJECT_BIN;
            message.bytes = (const uint8_t *)value->via.str.ptr; /* bin has the same layout */
            message.size = value->via.str.size;
        }
    }
    return message;
}
