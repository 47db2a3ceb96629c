#include "shards/producer_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shards/epoch.h"
#include "shards/shard.h"
#include "shards/stats.h"

/* The answer's place, or the end of the producer. */
static struct answer_place *add_place(struct producer *producer, const struct command *command)
{
    struct answer_place *place = answers_add(&producer->answers, command);

    if (place)
        producer->histories += command->op == COMMAND_HISTORY;
    else
        producer_end(producer);
    return place;
}

static void refuse(struct producer *producer, const struct command *command, enum refusal code,
                   const char *message)
{
    struct answer_place *place = add_place(producer, command);

    if (place && answer_refuse(place, code, message))
        producer_end(producer);
    if (code == REFUSAL_UNAUTHORIZED)
        producer->fatal = true;
}

/* Whether the producer may go on: compares in constant time. */
static bool token_matches(const char *token, struct name_view given)
{
    size_t size = strlen(token);
    unsigned differ = size != given.size;

    for (size_t i = 0; i < given.size; i++)
        differ |= (unsigned char)given.bytes[i] ^ (unsigned char)token[size ? i % size : 0];
    return !differ;
}

static struct named key_of(const struct shard *shard, const char *name, size_t size)
{
    return (struct named){group_name_hash(name, size, shard->world->hash_key), (uint32_t)size,
                          (char *)name};
}

/* Homes that the command goes to, one for each group. */
static uint32_t parts_of(const struct command *command)
{
    return command->all ? 1 : command->name_count;
}

static void send_disconnect(struct producer *producer, const struct command *command,
                            const struct named *name, struct command_ref ref)
{
    struct shard *shard = producer->shard;
    size_t reason_bytes = strlen(command->reason);
    struct record_disconnect *record =
        outbox_add(shard->outbox, shard_home(shard, name->hash), OUTBOX_NORMAL, RECORD_DISCONNECT,
                   sizeof(*record), name, reason_bytes, 0);

    record->command = ref;
    record->parts = parts_of(command);
    record->code = command->code;
    record->reason_bytes = (uint16_t)reason_bytes;
    memcpy(record->name + name->size, command->reason, reason_bytes);
    shard->under_way += record->head.size;
}

static void send_history(struct producer *producer, const struct command *command,
                         const struct named *name, struct command_ref ref)
{
    struct shard *shard = producer->shard;
    struct record_history *record =
        outbox_add(shard->outbox, shard_home(shard, name->hash), OUTBOX_NORMAL, RECORD_HISTORY,
                   sizeof(*record), name, 0, 0);

    record->asker = (struct history_asker){.command = ref};
    record->query = (struct history_query){
        .limit = command->has_limit ? command->limit : UINT64_MAX,
        .epoch = epoch_read(command->since_epoch.bytes, command->since_epoch.size),
        .offset = command->since_offset,
        .since = command->since.bytes != NULL,
        .newest = command->since.bytes == NULL,
    };
    shard->under_way += record->head.size;
}

static void send_part(struct producer *producer, struct command *command, const char *name,
                      size_t size, uint32_t part)
{
    struct shard *shard = producer->shard;
    struct named key = key_of(shard, name, size);
    struct command_ref ref = {producer->ref.slot, producer->ref.generation,
                              producer->answers.next - 1, part};

    if (command->op == COMMAND_BROADCAST)
        shard_publish(shard, &key, command->payload, command->priority, ref,
                      (struct slot_ref){NO_SLOT, 0});
    else if (command->op == COMMAND_DISCONNECT)
        send_disconnect(producer, command, &key, ref);
    else
        send_history(producer, command, &key, ref);
}

/* Sends the command on its way to the homes of its groups. */
static void route(struct producer *producer, struct command *command)
{
    struct answer_place *place = add_place(producer, command);
    uint32_t parts = parts_of(command);

    if (!place)
        return;
    place->homes = parts;
    if (command->payload && parts > 1)
        payload_ref(command->payload, parts - 1);
    if (command->all)
        send_part(producer, command, GROUP_EVERYONE, GROUP_EVERYONE_BYTES, 0);
    else if (parts == 1)
        send_part(producer, command, command->name.bytes, command->name.size, 0);
    else
        for (uint32_t i = 0; i < parts; i++)
            send_part(producer, command, command->names[i].bytes, command->names[i].size, i);
    command->payload = NULL; /* the records have it */
}

static void carry_out(struct producer *producer, struct command *command)
{
    const struct settings *settings = producer->shard->settings;

    if (command->op == COMMAND_HELLO && settings->producers_token) {
        if (!command->token.bytes || !token_matches(settings->producers_token, command->token)) {
            refuse(producer, command, REFUSAL_UNAUTHORIZED, "hello with the right token is needed");
            return;
        }
        producer->authorized = true;
    }
    if (!producer->authorized) {
        refuse(producer, command, REFUSAL_UNAUTHORIZED, "hello with a token is needed first");
        return;
    }
    switch (command->op) {
    case COMMAND_BROADCAST:
    case COMMAND_DISCONNECT:
    case COMMAND_HISTORY:
        if (producer->shard->draining)
            refuse(producer, command, REFUSAL_SHUTTING_DOWN, "the engine is shutting down");
        else
            route(producer, command);
        break;
    case COMMAND_STATS:
    case COMMAND_HELLO:
    case COMMAND_PING: {
        struct answer_place *place = add_place(producer, command);
        (void)place; /* answered when its turn comes */
        break;
    }
    }
}

void producer_command(struct producer *producer, const uint8_t *bytes, size_t size)
{
    struct command command;
    struct command_refusal refusal;
    int error = command_decode(&command, bytes, size,
                               producer->shard->settings->limits.message_bytes, &refusal);

    if (error == ERR_NOMEM) {
        producer_end(producer);
        return;
    }
    if (!error)
        carry_out(producer, &command);
    else if (!producer->authorized)
        refuse(producer, &command, REFUSAL_UNAUTHORIZED, "hello with a token is needed first");
    else
        refuse(producer, &command, refusal.code, refusal.message);
    command_clear(&command);
}

void producer_stream_broken(struct producer *producer, int error)
{
    struct command nothing;

    memset(&nothing, 0, sizeof(nothing));
    if (!producer->authorized)
        refuse(producer, &nothing, REFUSAL_UNAUTHORIZED, "hello with a token is needed first");
    else if (error == ERR_TOO_LARGE)
        refuse(producer, &nothing, REFUSAL_TOO_LARGE,
               "the command is longer than message_bytes allows; the connection is closed");
    else
        refuse(producer, &nothing, REFUSAL_BAD_COMMAND, "not msgpack; the connection is closed");
    producer->fatal = true;
}

/* Answers */

static int encode_stats(struct producer *producer, const struct answer_place *place)
{
    struct world *world = producer->shard->world;
    struct stats *stats = stats_new(world->shards);

    if (!stats)
        return ERR_NOMEM;
    stats_gather(stats, (const struct counters *const *)world->counters, NULL);
    int error = stats_answer(&producer->out, place->id, stats);
    free(stats);
    return error;
}

static int encode_refusal(struct producer *producer, const struct answer_place *place)
{
    const struct answer_refusal *refusal = place->refusal;
    bool several = !place->position && refusal->name_count;
    struct answer_error error = {
        .has_id = place->has_id,
        .id = place->id,
        .code = refusal->code,
        .message = refusal->message,
        .retry_after_ms =
            refusal->code == REFUSAL_RATE_LIMITED ? (int64_t)refusal->retry_after_ms : -1,
        .members = place->members,
    };
    struct name_view *names = NULL;

    counter_add(&producer->shard->counters->refused[refusal->code], 1);
    if (several) {
        names = malloc(refusal->name_count * sizeof(*names));
        if (!names)
            return ERR_NOMEM;
        for (uint32_t i = 0; i < refusal->name_count; i++)
            names[i] = (struct name_view){refusal->names[i].bytes, refusal->names[i].size};
        error.refused = names;
        error.refused_count = refusal->name_count;
    }
    int failed = answer_error(&producer->out, &error);
    free(names);
    return failed;
}

static int encode_history(struct producer *producer, const struct answer_place *place)
{
    const struct history_range *range = place->range;
    char epoch[EPOCH_TEXT_MAX];

    return answer_history(&producer->out,
                          &(struct answer_history){
                              .id = place->id,
                              .epoch = place->epoch ? epoch_text(place->epoch, epoch) : "",
                              .offset = place->offset,
                              .messages = range ? range->messages : NULL,
                              .count = range ? range->count : 0,
                              .first = range ? range->first : 0,
                              .newest = place->newest,
                              .bytes_max = producer->shard->settings->limits.recovery_bytes,
                          });
}

static int encode_answer(struct producer *producer, const struct answer_place *place)
{
    struct shard *shard = producer->shard;
    char epoch[EPOCH_TEXT_MAX];

    if (place->refusal)
        return encode_refusal(producer, place);
    if (!place->has_id)
        return 0;
    switch ((enum command_op)place->op) {
    case COMMAND_BROADCAST:
        return answer_broadcast(&producer->out, place->id, place->members, place->offset,
                                place->position ? epoch_text(place->epoch, epoch) : NULL);
    case COMMAND_DISCONNECT:
        return answer_disconnect(&producer->out, place->id, place->members);
    case COMMAND_STATS:
        return encode_stats(producer, place);
    case COMMAND_HELLO:
        return answer_hello(&producer->out, place->id, shard->world->version, shard->world->shards,
                            shard->settings->limits.message_bytes);
    case COMMAND_HISTORY:
        return encode_history(producer, place);
    case COMMAND_PING:
        break;
    }
    return answer_ok(&producer->out, place->id);
}

int producer_encode_answers(struct producer *producer, size_t bytes_max)
{
    struct answer_place *place;

    while (producer->out.size < bytes_max && (place = answers_ready(&producer->answers))) {
        if (encode_answer(producer, place))
            return ERR_NOMEM;
        producer->histories -= place->op == COMMAND_HISTORY;
        answers_pop(&producer->answers);
    }
    return 0;
}
