/* The decoder of clients' frames: whatever comes, it makes the same of it in every cut, and what it
 * hands out keeps its promises.
 *
 * Input: one byte chooses the limit of a message, one the cuts; the rest is a client's stream. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was decoded, without regard to where the input was cut. */
struct outcome {
    uint8_t *bytes; /* of messages and control frames, one behind the other */
    size_t size;
    uint64_t events; /* a running hash of kinds, codes and sizes */
    uint64_t message;
    uint32_t utf8;
    bool ended;
};

static void check(bool promise)
{
    if (!promise)
        abort();
}

static void mix(struct outcome *outcome, uint64_t value)
{
    outcome->events = (outcome->events ^ value) * 0x100000001B3u;
}

static void keep(struct outcome *outcome, const struct frame_event *event)
{
    if (event->size)
        memcpy(outcome->bytes + outcome->size, event->bytes, event->size);
    outcome->size += event->size;
}

static void take_data(struct outcome *outcome, const struct frame_event *event,
                      uint64_t message_max)
{
    outcome->message += event->size;
    check(outcome->message <= message_max);
    check(event->size || event->last);
    if (event->opcode == FRAME_TEXT) {
        outcome->utf8 = utf8_check(outcome->utf8, event->bytes, event->size);
        check(outcome->utf8 != UTF8_REJECT);
        check(!event->last || outcome->utf8 == UTF8_ACCEPT);
    } else {
        check(event->opcode == FRAME_BINARY);
    }
    keep(outcome, event);
    if (!event->last)
        return;
    mix(outcome, event->kind);
    mix(outcome, event->opcode);
    mix(outcome, outcome->message);
    outcome->message = 0;
    outcome->utf8 = UTF8_ACCEPT;
}

static void take(struct outcome *outcome, const struct frame_event *event, uint64_t message_max)
{
    check(!outcome->ended);
    switch (event->kind) {
    case FRAME_EVENT_DATA:
        take_data(outcome, event, message_max);
        return;
    case FRAME_EVENT_ERROR:
        check(event->code == 1002 || event->code == 1007 || event->code == 1009);
        check(event->reason && strlen(event->reason) <= FRAME_REASON_MAX);
        outcome->ended = true;
        /* Pieces of the message under way may or may not have gone out before. */
        outcome->size -= outcome->message;
        mix(outcome, event->code);
        return;
    case FRAME_EVENT_CLOSE:
        check(event->size <= FRAME_REASON_MAX && utf8_valid(event->bytes, event->size));
        outcome->ended = true;
        outcome->size -= outcome->message;
        outcome->message = 0;
        break;
    default:
        check(event->kind == FRAME_EVENT_PING || event->kind == FRAME_EVENT_PONG);
        check(event->size <= FRAME_CONTROL_MAX);
    }
    mix(outcome, event->kind);
    mix(outcome, event->code);
    mix(outcome, event->size);
    /* Control frames may lie between pieces of a message: only their sizes are compared. */
}

/* Decodes the stream in pieces of 1 to `step` bytes, each in memory of its own. */
static struct outcome decode(const uint8_t *data, size_t size, size_t step, uint64_t message_max)
{
    struct outcome outcome = {.bytes = malloc(size + 1)};
    struct frame_decoder decoder;
    struct frame_event event;

    check(outcome.bytes != NULL);
    frame_decoder_init(&decoder);
    check(frame_decoder_idle(&decoder));
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = step == SIZE_MAX ? size : 1 + (at * 7 + data[at]) % step;
        if (piece > size - at)
            piece = size - at;

        uint8_t *copy = malloc(piece);
        size_t done = 0;

        check(copy != NULL);
        memcpy(copy, data + at, piece);
        do {
            size_t used = frame_decode(&decoder, copy + done, piece - done, message_max, &event);

            check(used <= piece - done);
            done += used;
            if (event.kind != FRAME_EVENT_NONE)
                take(&outcome, &event, message_max);
        } while (event.kind != FRAME_EVENT_NONE);
        check(done == piece);
        free(copy);
    }
    check(!outcome.ended || !frame_decoder_idle(&decoder));
    if (!outcome.ended)
        mix(&outcome, frame_decoder_idle(&decoder));
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t limits[] = {65536, 0, 1, 125, 1000, UINT64_MAX, 16, 300};

    if (size < 2)
        return 0;

    uint64_t message_max = limits[data[0] % (sizeof(limits) / sizeof(*limits))];
    struct outcome whole = decode(data + 2, size - 2, SIZE_MAX, message_max);
    struct outcome cut = decode(data + 2, size - 2, 1 + data[1] % 32, message_max);

    check(whole.events == cut.events);
    check(whole.size == cut.size);
    check(!whole.size || !memcmp(whole.bytes, cut.bytes, whole.size));
    free(whole.bytes);
    free(cut.bytes);
    return 0;
}
