/* shardcast pub: publishes one message, or standard input line by line.
 *
 * Lines are pipelined: what is typed or piped in goes out while answers come in, and nothing waits
 * for one answer before the next command, so that a file is published as fast as the engine takes
 * it. While the engine takes nothing, nothing more is read. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "engine/cli/commands.h"
#include "engine/cli/net.h"
#include "engine/cli/producer.h"
#include "proto/answer.h"

#define UNSENT_MAX   262144 /* bytes; beyond it no input is read */
#define READ_BYTES   65536
#define REFUSALS_MAX 10 /* refused lines that are told one by one */

struct publisher {
    const struct options *options;
    struct producer *producer;
    struct producer_target target;

    bool lines;          /* input is standard input, not one message */
    bool input_ended;    /* nothing more to publish */
    struct buffer input; /* read, not published yet */
    size_t input_at;     /* where in it the next line begins */
    size_t input_seen;   /* up to where it is known to hold no newline */

    uint64_t published, answered, refused, routed; /* messages; `routed` counts members */
    int64_t next_at;  /* ms: not before that the next line, where there is a rate */
    int64_t progress; /* ms: when the engine last did something */
};

static int publish(struct publisher *pub, const void *bytes, size_t size)
{
    pub->published++;
    return producer_broadcast(pub->producer, pub->published, pub->target, pub->options->priority,
                              bytes, size, pub->options->binary);
}

/* Publishes the lines that are there, as far as room and rate allow. */
static int publish_lines(struct publisher *pub)
{
    while (producer_unsent(pub->producer) < UNSENT_MAX) {
        const char *start = (char *)pub->input.bytes + pub->input_at;
        size_t left = pub->input.size - pub->input_at, known = pub->input_seen - pub->input_at;
        const char *newline = left > known ? memchr(start + known, '\n', left - known) : NULL;
        size_t size = newline ? (size_t)(newline - start) : left;

        if (!newline && (!pub->input_ended || !left)) {
            pub->input_seen = pub->input.size;
            break;
        }
        if (pub->options->rate && net_now() < pub->next_at)
            break;
        if (publish(pub, start, size))
            return ERR_NOMEM;
        pub->input_at += size + (newline ? 1 : 0);
        pub->input_seen = pub->input_at;
        if (pub->options->rate) {
            int64_t now = net_now();

            /* Whole seconds of the schedule: a rate need not divide 1000. */
            if (pub->next_at < now - 1000)
                pub->next_at = now;
            pub->next_at += (int64_t)(pub->published * 1000 / pub->options->rate -
                                      (pub->published - 1) * 1000 / pub->options->rate);
        }
    }
    return 0;
}

/* Whether lines wait that only the rate holds back. */
static bool has_line(const struct publisher *pub)
{
    size_t left = pub->input.size - pub->input_at;

    return left && (pub->input_ended || pub->input_seen < pub->input.size);
}

static int read_input(struct publisher *pub)
{
    uint8_t bytes[READ_BYTES];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

    if (n < 0) {
        if (errno == EINTR || errno == EAGAIN)
            return 0;
        cli_error("standard input: %s", strerror(errno));
        return ERR_SYS;
    }
    if (!n)
        pub->input_ended = true;
    if (pub->input_at) { /* what has been published makes room; a long line keeps its place */
        memmove(pub->input.bytes, pub->input.bytes + pub->input_at,
                pub->input.size - pub->input_at);
        pub->input.size -= pub->input_at;
        pub->input_seen -= pub->input_at;
        pub->input_at = 0;
    }
    if (n && buffer_append(&pub->input, bytes, (size_t)n))
        return ERR_NOMEM;
    return 0;
}

static void print_json(const struct publisher *pub, const struct producer_answer *answer)
{
    json_t *json = json_pack("{s:b}", "ok", answer->ok);

    if (pub->lines)
        json_object_set_new(json, "line", json_integer((json_int_t)answer->id));
    if (answer->ok)
        json_object_set_new(json, "members", json_integer((json_int_t)answer->members));
    if (answer->has_position) {
        json_object_set_new(json, "offset", json_integer((json_int_t)answer->offset));
        json_object_set_new(json, "epoch", json_string(answer->epoch));
    }
    if (!answer->ok) {
        json_object_set_new(json, "error", json_string(answer->error));
        json_object_set_new(json, "message", json_string(answer->message));
        if (answer->retry_after_ms >= 0)
            json_object_set_new(json, "retry_after_ms", json_integer(answer->retry_after_ms));
    }
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
}

static const char *members(uint64_t n)
{
    return n == 1 ? "member" : "members";
}

static void tell_refusal(const struct publisher *pub, const struct producer_answer *answer)
{
    if (!pub->lines || !answer->id)
        cli_error("%s: %s", answer->error, answer->message);
    else if (pub->refused <= REFUSALS_MAX)
        cli_error("line %" PRIu64 ": %s: %s", answer->id, answer->error, answer->message);
}

static void tell_taken(const struct publisher *pub, const struct producer_answer *answer)
{
    const char *name = pub->target.name ? pub->target.name : "everyone";
    const char *kind = pub->target.name && strcmp(pub->target.key, "group") ? pub->target.key : "";

    printf("%s%s%s: %" PRIu64 " %s", kind, *kind ? " " : "", name, answer->members,
           members(answer->members));
    if (answer->has_position)
        printf(", offset %" PRIu64 ", epoch %s", answer->offset, answer->epoch);
    putchar('\n');
}

static int take_answer(struct publisher *pub, const struct producer_answer *answer)
{
    if (answer->has_id && answer->id == 0 && answer->ok)
        return 0; /* of hello */
    if (!answer->has_id || answer->id == 0) {
        tell_refusal(pub, answer);
        return ERR_PROTOCOL;
    }
    pub->answered++;
    pub->refused += !answer->ok;
    pub->routed += answer->members;
    if (pub->options->json)
        print_json(pub, answer);
    else if (!answer->ok)
        tell_refusal(pub, answer);
    else if (!pub->lines)
        tell_taken(pub, answer);
    return 0;
}

static int take_answers(struct publisher *pub)
{
    struct producer_answer answer;
    bool end = false;
    int n, error = producer_receive(pub->producer, &end);

    if (error) {
        cli_error("lost the engine: %s", error == ERR_SYS ? strerror(errno) : error_text(error));
        return error;
    }
    pub->progress = net_now();
    while ((n = producer_next(pub->producer, &answer)) == 1) {
        if (take_answer(pub, &answer))
            return ERR_PROTOCOL;
    }
    if (n < 0) {
        cli_error("the engine's answer makes no sense: %s", error_text(n));
        return n;
    }
    if (end) {
        cli_error("the engine closed the connection; %" PRIu64 " of %" PRIu64
                  " messages are unanswered",
                  pub->published - pub->answered, pub->published);
        return ERR_SYS;
    }
    return 0;
}

/* Milliseconds until something is due without any input; -1: nothing is. */
static int next_timeout(const struct publisher *pub)
{
    int64_t now = net_now(), due = -1;

    if (pub->answered < pub->published)
        due = pub->progress + (int64_t)pub->options->timeout * 1000 - now;
    if (pub->options->rate && has_line(pub) && (due < 0 || pub->next_at - now < due))
        due = pub->next_at - now;
    return due < 0 ? (pub->answered < pub->published || has_line(pub) ? 0 : -1) : (int)due;
}

static int wait_and_serve(struct publisher *pub)
{
    bool wants_input = !pub->input_ended && producer_unsent(pub->producer) < UNSENT_MAX &&
                       (!pub->options->rate || !has_line(pub));
    struct pollfd items[2] = {
        {.fd = producer_fd(pub->producer),
         .events = (short)(POLLIN | (producer_unsent(pub->producer) ? POLLOUT : 0))},
        {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN},
    };
    uint64_t before = pub->published;
    int error;

    if (poll(items, 2, next_timeout(pub)) < 0 && errno != EINTR) {
        cli_error("poll: %s", strerror(errno));
        return ERR_SYS;
    }
    if (items[0].revents && (error = take_answers(pub)))
        return error;
    if (items[1].revents && (error = read_input(pub)))
        return error;
    if ((error = publish_lines(pub)))
        return error;
    if (before == pub->answered && pub->published > before)
        pub->progress = net_now(); /* the engine had nothing to do until now */
    if (producer_unsent(pub->producer) && producer_send(pub->producer) && errno != EPIPE &&
        errno != ECONNRESET) {
        /* A reset shows at the next read, behind the answer that says why. */
        cli_error("lost the engine: %s", strerror(errno));
        return ERR_SYS;
    }
    if (pub->answered < pub->published &&
        net_now() - pub->progress >= (int64_t)pub->options->timeout * 1000) {
        cli_error("no answer within %u seconds", pub->options->timeout);
        return ERR_SYS;
    }
    return 0;
}

static int serve(struct publisher *pub)
{
    while (!pub->input_ended || has_line(pub) || pub->answered < pub->published) {
        int error = wait_and_serve(pub);

        if (error)
            return error;
    }
    return 0;
}

/* Finds the target; operands are then what is left of them. ERR_CONFIG after one line on stderr. */
static int read_target(const struct options *options, struct producer_target *target,
                       const char **message)
{
    int given = !!options->user + !!options->experiment + !!options->session + options->all;
    int used = given ? 0 : 1;

    if (given > 1) {
        cli_error("pub: more than one of --user, --experiment, --session, --all");
        return ERR_CONFIG;
    }
    if (options->operand_count < used) {
        cli_error("pub: no group given; see shardcast pub --help");
        return ERR_CONFIG;
    }
    if (options->operand_count > used + 1) {
        cli_error("pub: more than one message (quote it where it has spaces): \"%s\"",
                  options->operands[used + 1]);
        return ERR_CONFIG;
    }
    *target = options->user         ? (struct producer_target){"user", options->user}
              : options->experiment ? (struct producer_target){"experiment", options->experiment}
              : options->session    ? (struct producer_target){"session", options->session}
              : options->all        ? (struct producer_target){"all", NULL}
                                    : (struct producer_target){"group", options->operands[0]};
    *message = options->operand_count > used ? options->operands[used] : "-";
    return 0;
}

static void tell_sum(const struct publisher *pub)
{
    if (pub->refused > REFUSALS_MAX && !pub->options->json)
        cli_error("... and %" PRIu64 " more were refused", pub->refused - REFUSALS_MAX);
    if (!pub->options->json)
        printf("%" PRIu64 " messages: %" PRIu64 " taken, %" PRIu64 " refused; routed to %" PRIu64
               " %s in all\n",
               pub->published, pub->answered - pub->refused, pub->refused, pub->routed,
               members(pub->routed));
}

int pub_main(const struct options *options)
{
    struct publisher pub = {.options = options};
    struct net_address address;
    const char *message;
    int fd, error = 0;

    if (read_target(options, &pub.target, &message) ||
        net_address_read(&address, options->producers, "producers"))
        return CLI_USAGE;
    fd = net_connect(&address, options->timeout);
    if (fd < 0)
        return CLI_FAILURE;
    pub.producer = producer_new(fd);
    if (!pub.producer) {
        close(fd);
        cli_error("%s", error_text(ERR_NOMEM));
        return CLI_FAILURE;
    }
    pub.progress = pub.next_at = net_now();
    pub.lines = !strcmp(message, "-");
    pub.input_ended = !pub.lines;
    if (options->producers_token)
        error = producer_hello(pub.producer, 0, options->producers_token);
    if (!error && !pub.lines)
        error = publish(&pub, message, strlen(message));
    if (!error)
        error = serve(&pub);
    if (error == ERR_NOMEM)
        cli_error("%s", error_text(ERR_NOMEM));
    if (pub.lines)
        tell_sum(&pub);
    producer_free(pub.producer);
    buffer_free(&pub.input);
    return error || pub.refused || fflush(stdout) ? CLI_FAILURE : CLI_OK;
}
