/* Shardcast: the path names the group, every frame is a message; published as msgpack commands, of
 * which without an id only refusals are answered. */
#define _GNU_SOURCE
#include <ctype.h>
#include <msgpack.h>
#include <stdbool.h>
#include <string.h>

#include "bench/load_dialect.h"

#define USER "user:"

/* A name as it stands in a URL. Returns what follows it, NULL where it does not fit. */
static char *put_name(char *out, const char *end, const char *name)
{
    static const char plain[] = "-._~:", hex[] = "0123456789ABCDEF";

    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;

        if (end - out < 4)
            return NULL;
        if (isalnum(c) || strchr(plain, c)) {
            *out++ = (char)c;
        } else {
            *out++ = '%';
            *out++ = hex[c >> 4];
            *out++ = hex[c & 15];
        }
    }
    return out;
}

/* A user's own group cannot be joined by its name, but as that user. */
static int request_path(char *out, size_t room, const char *group, bool hello)
{
    bool user = strncmp(group, USER, sizeof(USER) - 1) == 0;
    const char *base = user ? "/ws?user=" : "/ws/";
    const char *ask = !hello ? "" : user ? "&hello=1" : "?hello=1";
    char *at;

    if (room < strlen(base) + strlen(ask) + 1)
        return -1;
    at = put_name(stpcpy(out, base), out + room - strlen(ask),
                  user ? group + sizeof(USER) - 1 : group);
    if (!at)
        return -1;
    return (int)(stpcpy(at, ask) - out);
}

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

/* {"op": "broadcast", "group": NAME, "priority": …, "data": <bin>}, up to the payload. */
static int urgent_head(char *out, size_t room, const char *group, size_t payload,
                       const char *priority)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    int size = -1;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, priority ? 4 : 3);
    pack_text(&packer, "op");
    pack_text(&packer, "broadcast");
    if (group) {
        pack_text(&packer, "group");
        pack_text(&packer, group);
    } else {
        pack_text(&packer, "all");
        msgpack_pack_true(&packer);
    }
    if (priority) {
        pack_text(&packer, "priority");
        pack_text(&packer, priority);
    }
    pack_text(&packer, "data");
    if (msgpack_pack_bin(&packer, payload) == 0 && buffer.size <= room) {
        memcpy(out, buffer.data, buffer.size);
        size = (int)buffer.size;
    }
    msgpack_sbuffer_destroy(&buffer);
    return size;
}

static int head(char *out, size_t room, const char *group, size_t payload)
{
    return urgent_head(out, room, group, payload, NULL);
}

static bool key_is(const msgpack_object *key, const char *name)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
           memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

/* Replayed commands may ask for an answer, and get one when all is well, too. */
static void explain(const msgpack_object *object, struct answer *answer)
{
    msgpack_object_str code = {0}, message = {0};

    answer->kind = ANSWER_REFUSED;

    for (uint32_t i = 0; object->type == MSGPACK_OBJECT_MAP && i < object->via.map.size; i++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[i];

        if (key_is(&pair->key, "ok") && pair->val.type == MSGPACK_OBJECT_BOOLEAN &&
            pair->val.via.boolean)
            answer->kind = ANSWER_FINE;
        if (pair->val.type != MSGPACK_OBJECT_STR)
            continue;
        if (key_is(&pair->key, "error"))
            code = pair->val.via.str;
        else if (key_is(&pair->key, "message"))
            message = pair->val.via.str;
    }
    snprintf(answer->refusal, sizeof(answer->refusal), "%.*s: %.*s", (int)code.size, code.ptr,
             (int)message.size, message.ptr);
}

static int64_t take_answer(const uint8_t *bytes, size_t size, struct answer *answer)
{
    msgpack_unpacked unpacked;
    msgpack_unpack_return result;
    size_t used = 0;

    msgpack_unpacked_init(&unpacked);
    result = msgpack_unpack_next(&unpacked, (const char *)bytes, size, &used);
    if (result == MSGPACK_UNPACK_SUCCESS)
        explain(&unpacked.data, answer);
    msgpack_unpacked_destroy(&unpacked);
    if (result == MSGPACK_UNPACK_SUCCESS)
        return (int64_t)used;
    return result == MSGPACK_UNPACK_CONTINUE ? 0 : -1;
}

const struct dialect dialect_msgpack = {
    .name = "msgpack",
    .path = "/ws/",
    .request_path = request_path,
    .head = head,
    .urgent_head = urgent_head,
    .answer = take_answer,
};
