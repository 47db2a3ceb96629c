#define _GNU_SOURCE
#include "bench/load_producer.h"

#include <errno.h>
#include <fcntl.h>
#include <msgpack.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_member.h"

#define BLOCKED_MAX_MS 30000
#define ANSWER_ROOM    4096

struct command {
    uint8_t *bytes; /* all that comes before the payload */
    size_t size;
};

struct producer {
    int fd;
    enum producer_protocol protocol;
    const struct groups *groups;
    size_t payload;
    size_t prefix_max;
    struct command *commands; /* by group; one more for everyone */
    uint8_t *filler;          /* a payload without its stamp */
    msgpack_unpacker unpacker;
    uint64_t refused;
    char error[256];
};

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str(packer, strlen(text));
    msgpack_pack_str_body(packer, text, strlen(text));
}

/* {"op": "broadcast", "group": NAME, "data": <bin>}, up to the payload. */
static int command_msgpack(struct command *command, const char *group, size_t payload)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 3);
    pack_text(&packer, "op");
    pack_text(&packer, "broadcast");
    if (group) {
        pack_text(&packer, "group");
        pack_text(&packer, group);
    } else {
        pack_text(&packer, "all");
        msgpack_pack_true(&packer);
    }
    pack_text(&packer, "data");
    if (msgpack_pack_bin(&packer, payload) < 0) {
        msgpack_sbuffer_destroy(&buffer);
        return -1;
    }
    command->size = buffer.size;
    command->bytes = (uint8_t *)msgpack_sbuffer_release(&buffer);
    return 0;
}

/* The head of a binary frame, masked with zeros: the server has to unmask, this side need not mask.
 */
static int command_websocket(struct command *command, size_t payload)
{
    uint8_t head[14] = {0x82};
    size_t size = 2;

    if (payload < 126) {
        head[1] = (uint8_t)(0x80 | payload);
    } else if (payload < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(payload >> 8);
        head[3] = (uint8_t)payload;
        size = 4;
    } else {
        head[1] = 0x80 | 127;
        for (unsigned i = 0; i < 8; i++)
            head[2 + i] = (uint8_t)((uint64_t)payload >> (56 - 8 * i));
        size = 10;
    }
    size += 4;
    command->bytes = malloc(size);
    if (!command->bytes)
        return -1;
    memcpy(command->bytes, head, size);
    command->size = size;
    return 0;
}

static int prepare(struct producer *producer)
{
    uint32_t count = producer->groups->count;

    producer->commands = calloc((size_t)count + 1, sizeof(*producer->commands));
    producer->filler = malloc(producer->payload);
    if (!producer->commands || !producer->filler)
        return -1;
    for (size_t i = 0; i < producer->payload; i++)
        producer->filler[i] = (uint8_t)(i * 31 + 7);
    for (uint32_t i = 0; i <= count; i++) {
        struct command *command = &producer->commands[i];
        const char *name = i < count ? producer->groups->names[i] : NULL;

        if ((producer->protocol == PRODUCER_MSGPACK
                 ? command_msgpack(command, name, producer->payload)
                 : command_websocket(command, producer->payload)) < 0)
            return -1;
        if (command->size > producer->prefix_max)
            producer->prefix_max = command->size;
    }
    return 0;
}

/* The control connection's handshake, blocking. */
static int upgrade(int fd)
{
    uint8_t answer[ANSWER_ROOM];
    char request[256];
    size_t have = 0;
    int size = member_request(request, sizeof(request), "localhost", "/publish");

    if (size < 0 || send(fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        return -1;
    for (;;) {
        ssize_t n = recv(fd, answer + have, sizeof(answer) - have, 0);
        int end;

        if (n <= 0)
            return -1;
        have += (size_t)n;
        end = member_answer(answer, have);
        if (end != 0)
            return end < 0 ? -1 : 0;
        if (have == sizeof(answer))
            return -1;
    }
}

struct producer *producer_open(const struct sockaddr_in *server, enum producer_protocol protocol,
                               const struct groups *groups, size_t payload)
{
    struct producer *producer = calloc(1, sizeof(*producer));
    int yes = 1;

    if (!producer || !msgpack_unpacker_init(&producer->unpacker, ANSWER_ROOM)) {
        free(producer);
        return NULL;
    }
    producer->protocol = protocol;
    producer->groups = groups;
    producer->payload = payload;
    producer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (producer->fd < 0 ||
        connect(producer->fd, (const struct sockaddr *)server, sizeof(*server)) < 0)
        goto fail;
    (void)setsockopt(producer->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (protocol == PRODUCER_WEBSOCKET && upgrade(producer->fd) < 0)
        goto fail;
    if (fcntl(producer->fd, F_SETFL, O_NONBLOCK) < 0 || prepare(producer) < 0)
        goto fail;
    return producer;
fail:
    fprintf(stderr, "shardcast-load: connecting as a producer: %s\n", strerror(errno));
    producer_close(producer);
    return NULL;
}

void producer_close(struct producer *producer)
{
    if (!producer)
        return;
    for (uint32_t i = 0; producer->commands && i <= producer->groups->count; i++)
        free(producer->commands[i].bytes);
    free(producer->commands);
    free(producer->filler);
    msgpack_unpacker_destroy(&producer->unpacker);
    if (producer->fd >= 0)
        close(producer->fd);
    free(producer);
}

size_t producer_message_max(const struct producer *producer)
{
    return producer->prefix_max + producer->payload;
}

size_t producer_encode(const struct producer *producer, uint8_t *out, const struct stamp *stamp)
{
    uint32_t group = stamp->group == STAMP_EVERYONE ? producer->groups->count : stamp->group;
    const struct command *command = &producer->commands[group];

    memcpy(out, command->bytes, command->size);
    memcpy(out + command->size, producer->filler, producer->payload);
    stamp_write(out + command->size, producer->payload, stamp);
    return command->size + producer->payload;
}

int producer_send(struct producer *producer, const uint8_t *bytes, size_t size,
                  uint64_t *blocked_ns)
{
    while (size > 0) {
        ssize_t n = send(producer->fd, bytes, size, MSG_NOSIGNAL);
        struct pollfd wait = {.fd = producer->fd, .events = POLLIN | POLLOUT};
        uint64_t since;
        int ready;

        if (n >= 0) {
            bytes += n;
            size -= (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN) {
            snprintf(producer->error, sizeof(producer->error), "sending: %s", strerror(errno));
            return -1;
        }
        since = monotonic_ns();
        ready = poll(&wait, 1, BLOCKED_MAX_MS);
        *blocked_ns += monotonic_ns() - since;
        if (ready == 0) {
            snprintf(producer->error, sizeof(producer->error), "the server took nothing for %d s",
                     BLOCKED_MAX_MS / 1000);
            return -1;
        }
        if ((wait.revents & ~POLLOUT) && producer_answers(producer) < 0)
            return -1;
    }
    return 0;
}

static bool key_is(const msgpack_object *key, const char *name)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
           memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

/* Without an id only errors are answered; the first is kept for the report. */
static void take_answer(struct producer *producer, const msgpack_object *answer)
{
    msgpack_object_str code = {0}, message = {0};

    producer->refused++;
    if (producer->error[0] || answer->type != MSGPACK_OBJECT_MAP)
        return;
    for (uint32_t i = 0; i < answer->via.map.size; i++) {
        const msgpack_object_kv *pair = &answer->via.map.ptr[i];

        if (pair->val.type != MSGPACK_OBJECT_STR)
            continue;
        if (key_is(&pair->key, "error"))
            code = pair->val.via.str;
        else if (key_is(&pair->key, "message"))
            message = pair->val.via.str;
    }
    snprintf(producer->error, sizeof(producer->error), "%.*s: %.*s", (int)code.size, code.ptr,
             (int)(message.size < 200 ? message.size : 200), message.ptr);
}

static void unpack_answers(struct producer *producer)
{
    msgpack_unpacked answer;

    msgpack_unpacked_init(&answer);
    while (msgpack_unpacker_next(&producer->unpacker, &answer) == MSGPACK_UNPACK_SUCCESS)
        take_answer(producer, &answer.data);
    msgpack_unpacked_destroy(&answer);
}

int producer_answers(struct producer *producer)
{
    for (;;) {
        ssize_t n;

        if (!msgpack_unpacker_reserve_buffer(&producer->unpacker, ANSWER_ROOM))
            return -1;
        n = recv(producer->fd, msgpack_unpacker_buffer(&producer->unpacker), ANSWER_ROOM, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0) {
            if (!producer->error[0])
                snprintf(producer->error, sizeof(producer->error),
                         "the server closed the producer's connection");
            return -1;
        }
        /* A peer's control connection says nothing that matters (pings). */
        if (producer->protocol != PRODUCER_MSGPACK)
            continue;
        msgpack_unpacker_buffer_consumed(&producer->unpacker, (size_t)n);
        unpack_answers(producer);
    }
}

int producer_fd(const struct producer *producer)
{
    return producer->fd;
}

uint64_t producer_refused(const struct producer *producer)
{
    return producer->refused;
}

const char *producer_error(const struct producer *producer)
{
    return producer->error;
}
