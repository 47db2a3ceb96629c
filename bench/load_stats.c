#define _GNU_SOURCE
#include "bench/load_stats.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define RESPONSE_MAX (4 * 1024 * 1024)

/* Sends the request and reads until the server closes, which is asked for. Returns the response,
 * NUL-ended and the caller's to free, or NULL. */
static char *exchange(int fd)
{
    static const char request[] = "GET /stats HTTP/1.1\r\n"
                                  "Host: localhost\r\n"
                                  "Connection: close\r\n\r\n";
    size_t have = 0, room = 65536;
    char *response = malloc(room + 1);
    ssize_t n = send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);

    if (n != (ssize_t)sizeof(request) - 1 || !response)
        goto fail;
    while ((n = recv(fd, response + have, room - have, 0)) > 0) {
        have += (size_t)n;
        if (have == room) {
            char *larger = room < RESPONSE_MAX ? realloc(response, 2 * room + 1) : NULL;

            if (!larger)
                goto fail;
            response = larger;
            room *= 2;
        }
    }
    if (n < 0)
        goto fail;
    response[have] = 0;
    return response;
fail:
    free(response);
    return NULL;
}

static const char *const drop_names[STATS_DROPS] = {"closed", "slow", "skip", "latest", "low"};

const char *stats_drop_name(enum stats_drop drop)
{
    return drop_names[drop];
}

static uint64_t number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static int parse(const char *response, struct stats *stats)
{
    const char *body = strstr(response, "\r\n\r\n"), *reason;
    json_t *root, *drops, *value;

    if (strncmp(response, "HTTP/1.1 200", 12) != 0 || !body)
        return -1;
    /* Behind the value may come a chunk's end: what follows the JSON does not matter. */
    body = strchr(body, '{');
    root = body ? json_loads(body, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    if (!root)
        return -1;
    memset(stats, 0, sizeof(*stats));
    stats->connections = number(root, "total_connections");
    stats->routed = number(root, "messages_routed");
    stats->deliveries = number(root, "deliveries");
    stats->shards = (uint32_t)json_array_size(json_object_get(root, "shards"));
    drops = json_object_get(root, "drops");
    json_object_foreach(drops, reason, value) stats->drops += (uint64_t)json_integer_value(value);
    for (int i = 0; i < STATS_DROPS; i++)
        stats->dropped[i] = number(drops, drop_names[i]);
    json_decref(root);
    return 0;
}

struct stats stats_between(const struct stats *before, const struct stats *after)
{
    struct stats between = *after;

    between.routed -= before->routed;
    between.deliveries -= before->deliveries;
    between.drops -= before->drops;
    for (int i = 0; i < STATS_DROPS; i++)
        between.dropped[i] -= before->dropped[i];
    return between;
}

int stats_get(const struct sockaddr_in *admin, struct stats *stats)
{
    struct timeval limit = {.tv_sec = 5};
    char *response = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), result = -1;

    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        if (connect(fd, (const struct sockaddr *)admin, sizeof(*admin)) == 0)
            response = exchange(fd);
    }
    if (!response)
        fprintf(stderr, "shardcast-load: GET /stats: %s\n", strerror(errno));
    else if ((result = parse(response, stats)) < 0)
        fprintf(stderr, "shardcast-load: GET /stats: not understood: %.60s\n", response);
    free(response);
    if (fd >= 0)
        close(fd);
    return result;
}
