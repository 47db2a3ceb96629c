#include "shards/answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16

static void place_clear(struct answer_place *place)
{
    if (place->refusal)
        free(place->refusal->names);
    free(place->refusal);
    history_range_unref(place->range);
    place->refusal = NULL;
    place->range = NULL;
}

void answers_free(struct answers *answers)
{
    for (; answers->first != answers->next; answers->first++)
        place_clear(&answers->places[answers->first & (answers->room - 1)]);
    free(answers->places);
    memset(answers, 0, sizeof(*answers));
}

static int answers_grow(struct answers *answers)
{
    uint32_t room = answers->room ? answers->room * 2 : FIRST_ROOM;
    struct answer_place *places = malloc(room * sizeof(*places));

    if (!places)
        return ERR_NOMEM;
    for (uint32_t i = answers->first; i != answers->next; i++)
        places[i & (room - 1)] = answers->places[i & (answers->room - 1)];
    free(answers->places);
    answers->places = places;
    answers->room = room;
    return 0;
}

struct answer_place *answers_add(struct answers *answers, const struct command *command)
{
    if (answers->next - answers->first == answers->room && answers_grow(answers))
        return NULL;

    struct answer_place *place = &answers->places[answers->next++ & (answers->room - 1)];

    memset(place, 0, sizeof(*place));
    place->op = (uint8_t)command->op;
    place->has_id = command->has_id;
    place->id = command->id;
    place->position = !command->all && !command->groups;
    return place;
}

struct answer_place *answers_get(struct answers *answers, uint32_t sequence)
{
    if (sequence - answers->first >= answers->next - answers->first)
        return NULL;
    return &answers->places[sequence & (answers->room - 1)];
}

struct answer_place *answers_ready(struct answers *answers)
{
    struct answer_place *place;

    if (answers_empty(answers))
        return NULL;
    place = &answers->places[answers->first & (answers->room - 1)];
    return place->homes || place->closing ? NULL : place;
}

void answers_pop(struct answers *answers)
{
    place_clear(&answers->places[answers->first++ & (answers->room - 1)]);
}

int answer_refuse(struct answer_place *place, enum refusal code, const char *message)
{
    struct answer_refusal *refusal = calloc(1, sizeof(*refusal));

    if (!refusal)
        return ERR_NOMEM;
    refusal->code = code;
    snprintf(refusal->message, sizeof(refusal->message), "%s", message);
    place->refusal = refusal;
    return 0;
}

static void refusal_text(char text[COMMAND_MESSAGE_MAX], const struct record_answer *answer,
                         uint32_t max_rate)
{
    int size = (int)answer->head.name_bytes;

    switch ((enum refusal)answer->refusal) {
    case REFUSAL_RATE_LIMITED:
        snprintf(text, COMMAND_MESSAGE_MAX, "%.*s: more than %u messages in one second", size,
                 answer->name, max_rate);
        break;
    case REFUSAL_OVERLOADED:
        snprintf(text, COMMAND_MESSAGE_MAX, "%.*s: the engine has as many groups as it may", size,
                 answer->name);
        break;
    default:
        snprintf(text, COMMAND_MESSAGE_MAX, "%.*s: refused", size, answer->name);
    }
}

static int note_refusal(struct answer_place *place, const struct record_answer *answer,
                        uint32_t max_rate)
{
    struct answer_refusal *refusal = place->refusal;

    if (!refusal && !(refusal = place->refusal = calloc(1, sizeof(*refusal))))
        return ERR_NOMEM;
    if (!refusal->name_count || answer->command.part < refusal->part) {
        refusal->code = answer->refusal;
        refusal->part = answer->command.part;
        refusal->retry_after_ms = answer->retry_after_ms;
        refusal_text(refusal->message, answer, max_rate);
    }
    struct command_name *names =
        realloc(refusal->names, (refusal->name_count + 1) * sizeof(*names));
    if (!names)
        return ERR_NOMEM;
    refusal->names = names;
    names[refusal->name_count].size = (uint16_t)answer->head.name_bytes;
    memcpy(names[refusal->name_count].bytes, answer->name, answer->head.name_bytes);
    refusal->name_count++;
    return 0;
}

int answer_note(struct answer_place *place, const struct record_answer *answer, uint32_t max_rate)
{
    place->homes--;
    place->closing += (int32_t)answer->closing;
    if (answer->refusal != REFUSAL_NONE)
        return note_refusal(place, answer, max_rate);
    place->taken = true;
    place->members += answer->members;
    place->offset = answer->offset;
    place->epoch = answer->epoch;
    return 0;
}

int answer_note_history(struct answer_place *place, const struct record_history_answer *answer)
{
    static const struct {
        enum refusal code;
        const char *text;
    } refusals[] = {
        [HISTORY_OTHER_EPOCH] = {REFUSAL_INSUFFICIENT_STATE, "its epoch is another one"},
        [HISTORY_GONE] =
            {REFUSAL_INSUFFICIENT_STATE,
             "not all that came after that offset is kept, or it has not been reached"},
        [HISTORY_OVERLOADED] = {REFUSAL_OVERLOADED, "out of memory"},
    };
    char text[COMMAND_MESSAGE_MAX];

    place->homes--;
    place->offset = answer->offset;
    place->epoch = answer->epoch;
    place->newest = answer->query.newest;
    if (answer->outcome == HISTORY_OK) {
        place->range = answer->range ? history_range_ref(answer->range) : NULL;
        return 0;
    }
    snprintf(text, sizeof(text), "%.*s: %s", (int)answer->head.name_bytes, answer->name,
             refusals[answer->outcome].text);
    return answer_refuse(place, refusals[answer->outcome].code, text);
}
