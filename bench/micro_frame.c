/* What frames cost: to write a header, to make a payload with the header before it (as a command's
 * decoder does, once for all members), and to decode a client's frame, which is unmasked and, where
 * it is text, checked to be UTF-8. Beside that stands what it takes to copy the same bytes.
 *
 *     micro_frame [ROUNDS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/micro.h"
#include "proto/frame.h"
#include "proto/payload.h"

#define BYTES_MAX  65536
#define MASK_BYTES 4

struct state {
    uint32_t bytes; /* of a payload */
    enum frame_opcode opcode;
    uint8_t *body;
    uint8_t *frame; /* from a client */
    size_t frame_bytes;
    uint8_t *input; /* a copy of it: it is unmasked in place */
};

static void encode_header(void *context, uint64_t times)
{
    const struct state *state = context;

    for (; times; times--) {
        uint8_t header[FRAME_HEADER_MAX];

        micro_use(&state->bytes);
        micro_use(header + frame_header_encode(header, state->opcode, state->bytes));
    }
}

static void make_payload(void *context, uint64_t times)
{
    const struct state *state = context;

    for (; times; times--) {
        struct payload *payload = payload_new(PAYLOAD_TEXT, state->bytes);

        if (!payload)
            micro_die("out of memory");
        memcpy(payload_body(payload), state->body, state->bytes);
        micro_use(payload);
        payload_unref(payload);
    }
}

static void copy(void *context, uint64_t times)
{
    const struct state *state = context;

    for (; times; times--) {
        memcpy(state->input, state->frame, state->frame_bytes);
        micro_use(state->input);
    }
}

/* The copy is counted, too. */
static void decode(void *context, uint64_t times)
{
    const struct state *state = context;
    struct frame_decoder decoder;

    frame_decoder_init(&decoder);
    for (; times; times--) {
        struct frame_event event;

        memcpy(state->input, state->frame, state->frame_bytes);
        if (frame_decode(&decoder, state->input, state->frame_bytes, BYTES_MAX, &event) !=
                state->frame_bytes ||
            event.kind != FRAME_EVENT_DATA || !event.last)
            micro_die("a frame is not decoded");
        micro_use(event.bytes);
    }
}

/* The client's frame around the body. */
static void make_frame(struct state *state)
{
    static const uint8_t mask[MASK_BYTES] = {0x12, 0x34, 0x56, 0x78};
    size_t header = frame_header_encode(state->frame, state->opcode, state->bytes);

    state->frame[1] |= 0x80;
    memcpy(state->frame + header, mask, MASK_BYTES);
    for (uint32_t i = 0; i < state->bytes; i++)
        state->frame[header + MASK_BYTES + i] = state->body[i] ^ mask[i % MASK_BYTES];
    state->frame_bytes = header + MASK_BYTES + state->bytes;
}

static void measure(uint32_t bytes, unsigned rounds)
{
    struct state state = {.bytes = bytes, .opcode = FRAME_TEXT};
    struct micro_figure copied, made;

    state.body = malloc(bytes);
    state.frame = malloc(FRAME_HEADER_MAX + MASK_BYTES + bytes);
    state.input = malloc(FRAME_HEADER_MAX + MASK_BYTES + bytes);
    if (!state.body || !state.frame || !state.input)
        micro_die("out of memory");
    memset(state.body, 'x', bytes);
    make_frame(&state);

    micro_print(micro_measure(encode_header, &state, rounds), "header: %u bytes", bytes);
    made = micro_measure(make_payload, &state, rounds);
    copied = micro_measure(copy, &state, rounds);
    micro_print(made, "payload, made and freed: %u bytes", bytes);
    micro_print_peer(copied, made, "copy: %u bytes", bytes);
    micro_print(micro_measure(decode, &state, rounds), "decode, text: %u bytes", bytes);
    state.opcode = FRAME_BINARY;
    make_frame(&state);
    micro_print(micro_measure(decode, &state, rounds), "decode, binary: %u bytes", bytes);
    free(state.body);
    free(state.frame);
    free(state.input);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {64, 128, 1024, 65536};
    unsigned rounds = micro_rounds(argc, argv);

    micro_print_machine(rounds, "ns per frame");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        measure(sizes[i], rounds);
    return 0;
}
