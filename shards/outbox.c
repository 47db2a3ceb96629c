#include "shards/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 4096
#define SPARES      16
#define SPARE_BYTES 65536 /* larger ones are not kept */
#define BATCH_BYTES (1u << 20)

struct lane {
    struct batch *open;          /* grows during the turn */
    struct batch *first, **last; /* refused by a full inbox, oldest first */
};

struct outbox {
    uint32_t self, count;
    uint32_t spares;
    bool waiting;
    bool urgent; /* something critical has been added since the last hand-over */
    struct inbox **inboxes;
    struct batch *spare;
    struct lane lanes[]; /* (count + 1) * OUTBOX_QUEUES */
};

struct outbox *outbox_new(uint32_t self, uint32_t count, struct inbox **inboxes)
{
    size_t lanes = (size_t)(count + 1) * OUTBOX_QUEUES;
    struct outbox *outbox = calloc(1, sizeof(*outbox) + lanes * sizeof(outbox->lanes[0]));

    if (!outbox)
        return NULL;
    outbox->self = self;
    outbox->count = count;
    outbox->inboxes = inboxes;
    for (size_t i = 0; i < lanes; i++)
        outbox->lanes[i].last = &outbox->lanes[i].first;
    return outbox;
}

static void discard_list(struct batch *batch)
{
    while (batch) {
        struct batch *next = batch->next;

        batch_discard(batch);
        batch = next;
    }
}

void outbox_free(struct outbox *outbox)
{
    if (!outbox)
        return;
    for (size_t i = 0; i < (size_t)(outbox->count + 1) * OUTBOX_QUEUES; i++) {
        discard_list(outbox->lanes[i].first);
        if (outbox->lanes[i].open)
            batch_discard(outbox->lanes[i].open);
    }
    discard_list(outbox->spare);
    free(outbox);
}

static struct lane *lane_of(struct outbox *outbox, uint32_t to, enum outbox_queue queue)
{
    return &outbox->lanes[(size_t)to * OUTBOX_QUEUES + queue];
}

void outbox_out_of_memory(void)
{
    fputs("shardcastd: out of memory between shards\n", stderr);
    abort();
}

static struct batch *batch_get(struct outbox *outbox)
{
    struct batch *batch = outbox->spare;

    if (batch) {
        outbox->spare = batch->next;
        outbox->spares--;
        batch->next = NULL;
        batch->source = outbox->self;
    } else if (!(batch = batch_new(outbox->self, FIRST_BYTES))) {
        outbox_out_of_memory();
    }
    return batch;
}

static void lane_queue(struct lane *lane)
{
    *lane->last = lane->open;
    lane->last = &lane->open->next;
    lane->open = NULL;
}

void *outbox_add(struct outbox *outbox, uint32_t to, enum outbox_queue queue, enum record_type type,
                 size_t fixed, const struct named *name, size_t extra, uint32_t payload_bytes)
{
    struct lane *lane = lane_of(outbox, to, queue);

    /* A batch of bounded size, so that one inbox entry is a bounded piece of work. */
    if (lane->open && (lane->open->used > BATCH_BYTES || lane->open->payload_bytes > BATCH_BYTES))
        lane_queue(lane);
    if (!lane->open)
        lane->open = batch_get(outbox);
    void *record = batch_add(&lane->open, type, fixed, name, extra);
    if (!record)
        outbox_out_of_memory();
    lane->open->payload_bytes += payload_bytes;
    outbox->urgent |= queue == OUTBOX_CRITICAL;
    return record;
}

static struct batch *lane_take(struct lane *lane)
{
    struct batch *batch = lane->first;

    if (batch) {
        lane->first = batch->next;
        if (!lane->first)
            lane->last = &lane->first;
    } else {
        batch = lane->open;
        lane->open = NULL;
    }
    if (batch)
        batch->next = NULL;
    return batch;
}

struct batch *outbox_take_own(struct outbox *outbox)
{
    struct batch *batch = NULL;
    enum outbox_queue last = outbox->waiting ? OUTBOX_NORMAL : OUTBOX_ANSWERS;

    for (unsigned queue = OUTBOX_CRITICAL; !batch && queue <= last; queue++)
        batch = lane_take(lane_of(outbox, outbox->self, queue));
    return batch;
}

bool outbox_has_own(const struct outbox *outbox)
{
    const struct lane *lanes = &outbox->lanes[(size_t)outbox->self * OUTBOX_QUEUES];
    enum outbox_queue last = outbox->waiting ? OUTBOX_NORMAL : OUTBOX_ANSWERS;

    for (unsigned queue = OUTBOX_CRITICAL; queue <= last; queue++)
        if (lanes[queue].first || lanes[queue].open)
            return true;
    return false;
}

void outbox_recycle(struct outbox *outbox, struct batch *batch)
{
    if (outbox->spares >= SPARES || batch->capacity > SPARE_BYTES) {
        free(batch);
        return;
    }
    batch->used = batch->payload_bytes = 0; /* its records have given up what they owned */
    batch->next = outbox->spare;
    outbox->spare = batch;
    outbox->spares++;
}

/* Pushes what the lane has, oldest first. False: the inbox is full. */
static bool lane_hand_over(struct lane *lane, struct inbox *inbox, enum inbox_queue queue,
                           bool *pushed)
{
    struct batch *batch;

    while ((batch = lane_take(lane))) {
        if (inbox_push_mpmc(inbox, queue, batch)) {
            batch->next = lane->first;
            if (!lane->first)
                lane->last = &batch->next;
            lane->first = batch;
            return false;
        }
        *pushed = true;
    }
    return true;
}

bool outbox_hand_over(struct outbox *outbox)
{
    bool waiting = false;

    /* What is critical goes first: inbox_pop() relies on it. */
    for (uint32_t to = 0; to <= outbox->count; to++) {
        bool pushed = false;

        if (to == outbox->self)
            continue;
        if (!lane_hand_over(lane_of(outbox, to, OUTBOX_CRITICAL), outbox->inboxes[to],
                            INBOX_CRITICAL, &pushed) ||
            !lane_hand_over(lane_of(outbox, to, OUTBOX_NORMAL), outbox->inboxes[to], INBOX_NORMAL,
                            &pushed))
            waiting = true;
        if (pushed)
            inbox_wake(outbox->inboxes[to]);
    }
    for (uint32_t to = 0; !waiting && to < outbox->count; to++) {
        bool pushed = false;

        if (to == outbox->self)
            continue;
        if (!lane_hand_over(lane_of(outbox, to, OUTBOX_ANSWERS), outbox->inboxes[to], INBOX_NORMAL,
                            &pushed))
            waiting = true;
        if (pushed)
            inbox_wake(outbox->inboxes[to]);
    }
    outbox->waiting = waiting;
    outbox->urgent = false;
    return waiting;
}

bool outbox_urgent(const struct outbox *outbox)
{
    return outbox->urgent;
}

bool outbox_waiting(const struct outbox *outbox)
{
    return outbox->waiting;
}
