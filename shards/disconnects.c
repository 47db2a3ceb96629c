#include "shards/disconnects.h"

#include <stdlib.h>
#include <string.h>

#include "shards/shard.h"

struct disconnect {
    struct disconnect *next;
    struct command_ref command; /* whatever the part */
    uint32_t reader;
    uint32_t parts, heard;
    struct record_close *closes[]; /* of the homes that have spoken */
};

static void close_members(struct shard *shard, const struct record_close *close)
{
    uint64_t closed = group_close(&shard->groups, close);
    struct record_closed *record = outbox_add(shard->outbox, close->reader, OUTBOX_NORMAL,
                                              RECORD_CLOSED, sizeof(*record), NULL, 0, 0);

    record->command = close->command;
    record->connections = closed;
}

static void disconnect_free(struct disconnect *disconnect)
{
    for (uint32_t i = 0; i < disconnect->heard; i++)
        free(disconnect->closes[i]);
    free(disconnect);
}

/* Where the list names the command's disconnect, or ends. */
static struct disconnect **find(struct disconnect **list, const struct record_close *close)
{
    const struct command_ref *command = &close->command;

    while (*list &&
           ((*list)->reader != close->reader || (*list)->command.producer != command->producer ||
            (*list)->command.generation != command->generation ||
            (*list)->command.sequence != command->sequence))
        list = &(*list)->next;
    return list;
}

/* A home that was not heard would leave the command without an answer for ever. */
static void *need(void *memory)
{
    if (!memory)
        outbox_out_of_memory();
    return memory;
}

static struct disconnect *add(struct disconnect **end, const struct record_close *close)
{
    struct disconnect *disconnect =
        need(calloc(1, sizeof(*disconnect) + close->parts * sizeof(disconnect->closes[0])));

    disconnect->command = close->command;
    disconnect->reader = close->reader;
    disconnect->parts = close->parts;
    *end = disconnect;
    return disconnect;
}

void disconnects_take(struct shard *shard, const struct record_close *close)
{
    if (close->parts == 1) {
        close_members(shard, close);
        return;
    }
    struct disconnect **at = find(&shard->disconnects, close);
    struct disconnect *disconnect = *at ? *at : add(at, close);
    struct record_close *copy = need(malloc(close->head.size));

    memcpy(copy, close, close->head.size);
    disconnect->closes[disconnect->heard++] = copy;
    if (disconnect->heard < disconnect->parts)
        return;
    *at = disconnect->next;
    for (uint32_t i = 0; i < disconnect->parts; i++)
        close_members(shard, disconnect->closes[i]);
    disconnect_free(disconnect);
}

void disconnects_free(struct disconnect *first)
{
    while (first) {
        struct disconnect *next = first->next;

        disconnect_free(first);
        first = next;
    }
}
