#define _GNU_SOURCE
#include "bench/load_producer.h"

#include <errno.h>
#include <fcntl.h>
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
#define ANSWER_ROOM    65536 /* no answer is longer */

struct command {
    uint8_t *bytes; /* all that comes before the payload */
    size_t size;    /* 0: it cannot be published */
};

struct producer {
    int fd;
    struct producer_config config;
    const struct dialect *dialect;
    uint64_t random;
    unsigned variants; /* of commands: one of each priority, or one */
    size_t head_max;
    const char *tail; /* what comes behind the payload */
    size_t tail_bytes;
    struct command *commands; /* by group and variant; one more for everyone, without priority */
    uint8_t *filler;          /* a payload without its stamp */
    uint8_t *answers;         /* read, but not understood yet */
    size_t answers_size;
    unsigned pongs; /* owed to the server, between two messages */
    uint64_t refused;
    char error[ANSWER_REFUSAL_MAX];
};

/* All that comes before the payload. Returns its length, or -1. */
static int encode_head(const struct producer *producer, char *out, uint32_t group, unsigned variant,
                       size_t payload)
{
    const struct groups *groups = producer->config.groups;
    const struct dialect *dialect = producer->dialect;

    if (group == groups->count)
        return dialect->head(out, DIALECT_ROOM, NULL, payload);
    if (producer->variants == 1)
        return dialect->head(out, DIALECT_ROOM, groups->names[group], payload);
    return dialect->urgent_head(out, DIALECT_ROOM, groups->names[group], payload,
                                mix_name((enum mix_priority)variant));
}

static int prepare_command(struct producer *producer, uint32_t group, unsigned variant)
{
    struct command *command = &producer->commands[(size_t)group * producer->variants + variant];
    char head[DIALECT_ROOM];
    int size = encode_head(producer, head, group, variant, producer->config.sizes->max);

    if (size < 0) {
        errno = ENAMETOOLONG;
        return -1;
    }
    command->bytes = malloc((size_t)size + 1);
    if (!command->bytes)
        return -1;
    memcpy(command->bytes, head, (size_t)size);
    command->size = (size_t)size;
    if (command->size > producer->head_max)
        producer->head_max = command->size;
    return 0;
}

static size_t command_count(const struct producer *producer)
{
    return (size_t)producer->config.groups->count * producer->variants + 1;
}

static int prepare(struct producer *producer)
{
    uint32_t groups = producer->config.groups->count;
    size_t payload = producer->config.sizes->max;

    producer->tail = producer->dialect->tail ? producer->dialect->tail : "";
    producer->tail_bytes = strlen(producer->tail);
    producer->commands = calloc(command_count(producer), sizeof(*producer->commands));
    producer->filler = malloc(payload);
    producer->answers = malloc(ANSWER_ROOM);
    if (!producer->commands || !producer->filler || !producer->answers)
        return -1;
    for (size_t i = 0; i < payload; i++)
        producer->filler[i] = (uint8_t)(i * 31 + 7);
    for (uint32_t i = 0; i < groups; i++)
        for (unsigned variant = 0; variant < producer->variants; variant++)
            if (prepare_command(producer, i, variant) < 0)
                return -1;
    return prepare_command(producer, groups, 0);
}

/* The control connection's handshake, blocking. */
static int upgrade(int fd, const char *path)
{
    uint8_t answer[4096];
    char request[512];
    size_t have = 0;
    int size = member_request(request, sizeof(request), "localhost", path, NULL);

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

/* Blocking: what the server wants to hear before the first message. */
static int greet(const struct producer *producer)
{
    const struct dialect *dialect = producer->dialect;
    char greeting[DIALECT_ROOM];
    int size;

    if (dialect->control && upgrade(producer->fd, dialect->control) < 0)
        return -1;
    if (!dialect->greet)
        return 0;
    size = dialect->greet(greeting, sizeof(greeting));
    return size < 0 || send(producer->fd, greeting, (size_t)size, MSG_NOSIGNAL) != size ? -1 : 0;
}

struct producer *producer_open(const struct producer_config *config)
{
    struct producer *producer = calloc(1, sizeof(*producer));
    int yes = 1;

    if (!producer)
        return NULL;
    producer->config = *config;
    producer->dialect = config->dialect->producer ? config->dialect->producer : config->dialect;
    producer->variants = mix_on(config->mix) ? MIX_PRIORITIES : 1;
    producer->random = 1;
    producer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (producer->fd < 0 ||
        connect(producer->fd, (const struct sockaddr *)&config->server, sizeof(config->server)) < 0)
        goto fail;
    (void)setsockopt(producer->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (greet(producer) < 0 || fcntl(producer->fd, F_SETFL, O_NONBLOCK) < 0 ||
        prepare(producer) < 0)
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
    for (size_t i = 0; producer->commands && i < command_count(producer); i++)
        free(producer->commands[i].bytes);
    free(producer->commands);
    free(producer->filler);
    free(producer->answers);
    if (producer->fd >= 0)
        close(producer->fd);
    free(producer);
}

size_t producer_message_max(const struct producer *producer)
{
    return producer->head_max + producer->config.sizes->max + producer->tail_bytes;
}

size_t producer_encode(struct producer *producer, uint8_t *out, const struct stamp *stamp)
{
    const struct producer_config *config = &producer->config;
    uint32_t group = stamp->group == STAMP_EVERYONE ? config->groups->count : stamp->group;
    size_t head, payload = sizes_draw(config->sizes, &producer->random);
    unsigned variant = 0;

    if (producer->variants > 1 && group < config->groups->count)
        variant = mix_priority_of(config->mix, group, stamp->sequence);
    if (payload == config->sizes->max) {
        const struct command *command =
            &producer->commands[(size_t)group * producer->variants + variant];

        head = command->size;
        memcpy(out, command->bytes, head);
    } else {
        /* No longer than that of the largest, which could be made. */
        head = (size_t)encode_head(producer, (char *)out, group, variant, payload);
    }
    memcpy(out + head, producer->filler, payload);
    stamp_write(out + head, payload, stamp);
    memcpy(out + head + payload, producer->tail, producer->tail_bytes);
    return head + payload + producer->tail_bytes;
}

/* Sends all of it; see producer_send(). */
static int send_all(struct producer *producer, const uint8_t *bytes, size_t size,
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

int producer_send(struct producer *producer, const uint8_t *bytes, size_t size,
                  uint64_t *blocked_ns)
{
    const struct dialect *dialect = producer->dialect;

    for (; producer->pongs; producer->pongs--)
        if (send_all(producer, (const uint8_t *)dialect->pong, dialect->pong_size, blocked_ns) < 0)
            return -1;
    if (send_all(producer, bytes, size, blocked_ns) < 0)
        return -1;
    return dialect->answers_all ? producer_answers(producer) : 0;
}

static void take_answer(struct producer *producer, const struct answer *answer)
{
    if (answer->kind == ANSWER_PING)
        producer->pongs++;
    if (answer->kind != ANSWER_REFUSED)
        return;
    producer->refused++;
    if (!producer->error[0]) /* the first is kept for the report */
        snprintf(producer->error, sizeof(producer->error), "%s", answer->refusal);
}

/* Takes the whole ones of what has been read. -1: it cannot be read on. */
static int take_answers(struct producer *producer)
{
    struct answer answer;
    size_t at = 0;
    int64_t n = 0;

    while (at < producer->answers_size) {
        n = producer->dialect->answer(producer->answers + at, producer->answers_size - at, &answer);
        if (n <= 0)
            break;
        take_answer(producer, &answer);
        at += (size_t)n;
    }
    producer->answers_size -= at;
    memmove(producer->answers, producer->answers + at, producer->answers_size);
    if (n >= 0 && producer->answers_size < ANSWER_ROOM)
        return 0;
    snprintf(producer->error, sizeof(producer->error), "an answer is not understood");
    return -1;
}

int producer_answers(struct producer *producer)
{
    for (;;) {
        ssize_t n = recv(producer->fd, producer->answers + producer->answers_size,
                         ANSWER_ROOM - producer->answers_size, 0);

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
        producer->answers_size += (size_t)n;
        if (take_answers(producer) < 0)
            return -1;
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
