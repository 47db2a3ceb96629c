/* shardcast history: the messages that a group keeps. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "engine/cli/commands.h"
#include "engine/cli/net.h"
#include "engine/cli/print.h"
#include "engine/cli/producer.h"
#include "proto/json_string.h"

/* Ids of the two commands. */
enum { HELLO, HISTORY };

static json_t *binary_json(const struct producer_message *message)
{
    size_t size = json_base64_bytes(message->size);
    uint8_t *text = malloc(size);
    json_t *json = NULL;

    if (text) {
        json_base64_write(text, message->bytes, message->size);
        json = json_stringn((char *)text + 1, size - 2); /* without its quotes */
    }
    free(text);
    return json;
}

static json_t *message_json(const struct producer_message *message)
{
    json_t *json = json_object();

    json_object_set_new(json, "offset", json_integer((json_int_t)message->offset));
    if (message->binary)
        json_object_set_new(json, "binary", binary_json(message));
    else
        json_object_set_new(json, "data", json_stringn((char *)message->bytes, message->size));
    return json;
}

static void print_json(const struct producer *producer, const struct producer_answer *answer)
{
    json_t *json = json_pack("{s:b}", "ok", answer->ok), *messages = json_array();

    for (uint32_t i = 0; i < answer->message_count; i++) {
        struct producer_message message = producer_message(producer, i);

        json_array_append_new(messages, message_json(&message));
    }
    if (answer->ok) {
        json_object_set(json, "messages", messages);
        json_object_set_new(json, "epoch", json_string(answer->epoch));
        json_object_set_new(json, "offset", json_integer((json_int_t)answer->offset));
    } else {
        json_object_set_new(json, "error", json_string(answer->error));
        json_object_set_new(json, "message", json_string(answer->message));
    }
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(messages);
    json_decref(json);
}

static void print_text(const struct producer *producer, const struct producer_answer *answer,
                       const char *group)
{
    for (uint32_t i = 0; i < answer->message_count; i++) {
        struct producer_message message = producer_message(producer, i);

        printf("%" PRIu64 " ", message.offset);
        print_bytes(message.bytes, message.size, message.binary);
        putchar('\n');
    }
    printf("%s: %" PRIu32 " message%s, offset %" PRIu64, group, answer->message_count,
           answer->message_count == 1 ? "" : "s", answer->offset);
    if (*answer->epoch) /* a group that is not there has none */
        printf(", epoch %s", answer->epoch);
    putchar('\n');
}

/* Sends and receives once. Returns 0, or an error after one line on stderr. */
static int turn(struct producer *producer, int64_t deadline)
{
    struct pollfd item = {
        .fd = producer_fd(producer),
        .events = (short)(POLLIN | (producer_unsent(producer) ? POLLOUT : 0)),
    };
    int64_t left = deadline - net_now();
    int n = left > 0 ? poll(&item, 1, (int)left) : 0;
    bool end = false;

    if (n == 0) {
        cli_error("no answer from the engine in time");
        return ERR_SYS;
    }
    if (n < 0 && errno != EINTR) {
        cli_error("poll: %s", strerror(errno));
        return ERR_SYS;
    }
    int error = producer_unsent(producer) ? producer_send(producer) : 0;
    if (!error && n > 0 && item.revents & ~POLLOUT)
        error = producer_receive(producer, &end);
    if (error)
        cli_error("lost the engine: %s", error == ERR_SYS ? strerror(errno) : error_text(error));
    else if (end)
        cli_error("the engine closed the connection");
    return end ? ERR_SYS : error;
}

/* Waits for the answer to the last command, or for a refusal. */
static int wait_answer(struct producer *producer, const struct options *options,
                       struct producer_answer *answer)
{
    int64_t deadline = net_now() + (int64_t)options->timeout * 1000;
    int n, error = 0;

    do {
        while ((n = producer_next(producer, answer)) == 1)
            if (!answer->ok || (answer->has_id && answer->id == HISTORY))
                return 0;
        if (n < 0) {
            cli_error("the engine's answer makes no sense: %s", error_text(n));
            return n;
        }
        error = turn(producer, deadline);
    } while (!error);
    return error;
}

static int ask(struct producer *producer, const struct options *options, const char *group)
{
    struct producer_answer answer;
    int error = 0;

    if (options->producers_token)
        error = producer_hello(producer, HELLO, options->producers_token);
    if (!error)
        error = producer_history(producer, HISTORY, group, options->limit, options->since);
    if (error) {
        cli_error("%s", error_text(error));
        return CLI_FAILURE;
    }
    if (wait_answer(producer, options, &answer))
        return CLI_FAILURE;
    if (options->json)
        print_json(producer, &answer);
    else if (answer.ok)
        print_text(producer, &answer, group);
    else
        cli_error("%s: %s", answer.error, answer.message);
    return answer.ok && !fflush(stdout) ? CLI_OK : CLI_FAILURE;
}

int history_main(const struct options *options)
{
    struct net_address address;
    int fd, status = CLI_FAILURE;

    if (options->operand_count != 1) {
        if (options->operand_count)
            cli_error("history: more than one group: \"%s\"", options->operands[1]);
        else
            cli_error("history: no group given; see shardcast history --help");
        return CLI_USAGE;
    }
    if (net_address_read(&address, options->producers, "producers"))
        return CLI_USAGE;
    fd = net_connect(&address, options->timeout);
    if (fd < 0)
        return CLI_FAILURE;
    struct producer *producer = producer_new(fd);
    if (producer) {
        status = ask(producer, options, options->operands[0]);
        producer_free(producer);
    } else {
        close(fd);
        cli_error("%s", error_text(ERR_NOMEM));
    }
    return status;
}
