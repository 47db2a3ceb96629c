#include "shards/history.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_ROOM 8
#define ROOM_MAX   (1u << 31)
#define SECOND_NS  1000000000ull

struct entry {
    struct payload *payload; /* one reference */
    uint64_t time_ns;        /* when it was appended */
    uint64_t frames_end;     /* bytes of frames up to its end, since the history began */
};

struct history {
    struct entry *entries; /* ring of `room`, a power of two */
    uint32_t room, first, count;
    uint64_t bytes;              /* of the payloads, without their headers */
    struct history_range *range; /* the last that was made; NULL: the history has changed since */
};

static struct entry *entry_at(const struct history *history, uint32_t index)
{
    return &history->entries[(history->first + index) & (history->room - 1)];
}

static int set_room(struct history *history, uint32_t room)
{
    struct entry *entries = malloc(room * sizeof(*entries));

    if (!entries)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < history->count; i++)
        entries[i] = *entry_at(history, i);
    free(history->entries);
    history->entries = entries;
    history->room = room;
    history->first = 0;
    return 0;
}

bool history_forget_range(struct history *history)
{
    if (!history || !history->range)
        return false;
    history_range_unref(history->range);
    history->range = NULL;
    return true;
}

void history_free(struct history **history)
{
    struct history *old = *history;

    if (!old)
        return;
    history_forget_range(old);
    for (uint32_t i = 0; i < old->count; i++)
        payload_unref(entry_at(old, i)->payload);
    free(old->entries);
    free(old);
    *history = NULL;
}

static bool too_old(const struct entry *entry, const struct history_settings *settings,
                    uint64_t now_ns)
{
    return settings->seconds && now_ns - entry->time_ns >= settings->seconds * SECOND_NS;
}

/* Drops the oldest message. */
static void drop(struct history *history)
{
    struct payload *payload = entry_at(history, 0)->payload;

    history->bytes -= payload->body_bytes;
    history->first = (history->first + 1) & (history->room - 1);
    history->count--;
    payload_unref(payload);
}

/* Drops until no more than `messages` are left, and what is too large or too old. */
static void trim(struct history *history, const struct history_settings *settings,
                 uint32_t messages, uint64_t now_ns)
{
    uint32_t before = history->count;

    while (history->count && (history->count > messages || history->bytes > settings->bytes ||
                              too_old(entry_at(history, 0), settings, now_ns)))
        drop(history);
    if (history->count != before)
        history_forget_range(history);
}

void history_trim(struct history **history, const struct history_settings *settings,
                  uint64_t now_ns)
{
    struct history *kept = *history;

    if (!kept)
        return;
    trim(kept, settings, settings->messages, now_ns);
    if (!kept->count)
        history_free(history);
    else if (kept->room > FIRST_ROOM && kept->count < kept->room / 4 &&
             set_room(kept, kept->room / 2))
        return; /* no memory for less memory: it stays as it is */
}

/* Room for one message more. */
static int reserve(struct history **history)
{
    struct history *kept = *history;

    if (!kept && !(kept = *history = calloc(1, sizeof(*kept))))
        return ERR_NOMEM;
    if (kept->count < kept->room)
        return 0;
    if (kept->room == ROOM_MAX)
        return ERR_NOMEM;
    return set_room(kept, kept->room ? kept->room * 2 : FIRST_ROOM);
}

void history_append(struct history **history, const struct history_settings *settings,
                    struct payload *payload, uint64_t now_ns)
{
    uint64_t frames = 0;

    if (*history) {
        trim(*history, settings, settings->messages - 1, now_ns);
        if ((*history)->count)
            frames = entry_at(*history, (*history)->count - 1)->frames_end;
    }
    if (reserve(history)) {
        history_free(history);
        return;
    }
    struct history *kept = *history;

    history_forget_range(kept);
    payload_ref(payload, 1);
    kept->bytes += payload->body_bytes;
    *entry_at(kept, kept->count++) =
        (struct entry){payload, now_ns, frames + payload_frame_bytes(payload)};
    history_trim(history, settings, now_ns);
}

uint64_t history_expires(const struct history *history, const struct history_settings *settings)
{
    if (!history || !settings->seconds)
        return UINT64_MAX;
    return entry_at(history, 0)->time_ns + settings->seconds * SECOND_NS;
}

uint32_t history_count(const struct history *history)
{
    return history ? history->count : 0;
}

/* Bytes of the frames of `count` messages from `index` on. */
static uint64_t frames_between(const struct history *history, uint32_t index, uint32_t count)
{
    const struct entry *first = entry_at(history, index);

    return entry_at(history, index + count - 1)->frames_end - first->frames_end +
           payload_frame_bytes(first->payload);
}

/* How many of `count` messages from `index` on are within `bytes_max`, from the beginning or, with
 * `newest`, from the end: one at least. */
static uint32_t fitting(const struct history *history, uint32_t index, uint32_t count,
                        uint64_t bytes_max, bool newest)
{
    uint32_t least = 1, most = count;

    while (least < most) {
        uint32_t middle = most - (most - least) / 2;
        uint32_t from = newest ? index + count - middle : index;

        if (frames_between(history, from, middle) <= bytes_max)
            least = middle;
        else
            most = middle - 1;
    }
    return least;
}

enum history_outcome history_select(const struct history *history, uint64_t top,
                                    const struct history_query *query, uint64_t bytes_max,
                                    struct history_part *part)
{
    uint64_t oldest = top - history_count(history) + 1;
    uint64_t from = oldest, behind = top + 1; /* the offset behind the last */
    bool gone = false;

    if (query->since && query->newest) {
        behind = query->offset < oldest ? oldest : query->offset < behind ? query->offset : behind;
    } else if (query->since) {
        gone = query->offset > top || query->offset + 1 < oldest;
        from = query->offset >= top ? behind : query->offset + 1;
        if (from < oldest)
            from = oldest;
    }
    uint64_t count = behind - from < query->limit ? behind - from : query->limit;
    if (query->newest)
        from = behind - count;
    if (count) {
        uint32_t fit =
            fitting(history, (uint32_t)(from - oldest), (uint32_t)count, bytes_max, query->newest);

        if (query->newest)
            from += count - fit;
        count = fit;
    }
    *part = (struct history_part){from, (uint32_t)count};
    return gone ? HISTORY_GONE : HISTORY_OK;
}

struct history_range *history_range(struct history *history, uint64_t top, struct history_part part)
{
    struct history_range *range = history->range;
    uint32_t index = (uint32_t)(part.first - (top - history->count + 1));

    assert(part.count && index + part.count <= history->count);
    if (range && range->first == part.first && range->count == part.count)
        return history_range_ref(range);
    range = history_range_new(part.count);
    if (!range)
        return NULL;
    range->first = part.first;
    range->bytes = frames_between(history, index, part.count);
    for (uint32_t i = 0; i < part.count; i++) {
        range->messages[i] = entry_at(history, index + i)->payload;
        payload_ref(range->messages[i], 1);
    }
    history_forget_range(history);
    history->range = history_range_ref(range);
    return range;
}
