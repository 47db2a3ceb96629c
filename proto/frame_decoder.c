/* The decoder of a client's frames: see frame.h. References are to RFC 6455. */
#include "proto/frame.h"

#include <string.h>

#include "proto/utf8.h"

#define FIN_BIT      0x80
#define RESERVED     0x70
#define OPCODE_BITS  0x0F
#define CONTROL_BIT  0x08 /* in an opcode */
#define MASK_BIT     0x80
#define LENGTH_BITS  0x7F
#define LENGTH_16    126
#define LENGTH_64    127
#define MASK_BYTES   4
#define HEADER_START 2 /* what every header has: then come the longer length and the mask */

void frame_decoder_init(struct frame_decoder *decoder)
{
    memset(decoder, 0, offsetof(struct frame_decoder, control));
}

bool frame_decoder_idle(const struct frame_decoder *decoder)
{
    return !decoder->closed && !decoder->message_opcode && !decoder->in_payload &&
           !decoder->header_have;
}

/* The event that ends it: nothing after is looked at. */
static bool fail(struct frame_decoder *decoder, struct frame_event *event, uint16_t code,
                 const char *reason)
{
    decoder->closed = true;
    event->kind = FRAME_EVENT_ERROR;
    event->code = code;
    event->reason = reason;
    return false;
}

static bool protocol_error(struct frame_decoder *decoder, struct frame_event *event,
                           const char *reason)
{
    return fail(decoder, event, FRAME_CODE_PROTOCOL_ERROR, reason);
}

/* Undoes (or does) the masking of section 5.3; `at` is the mask byte that goes with bytes[0]. */
static void unmask(uint8_t *bytes, size_t size, const uint8_t mask[MASK_BYTES], unsigned at)
{
    uint8_t turned[8];
    uint64_t pattern, word;
    size_t i = 0;

    for (unsigned k = 0; k < sizeof(turned); k++)
        turned[k] = mask[(at + k) % MASK_BYTES];
    memcpy(&pattern, turned, sizeof(pattern));
    for (; size - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        word ^= pattern;
        memcpy(bytes + i, &word, sizeof(word));
    }
    for (; i < size; i++)
        bytes[i] ^= turned[i % MASK_BYTES];
}

static void unmask_next(struct frame_decoder *decoder, uint8_t *bytes, size_t size)
{
    unmask(bytes, size, decoder->mask, decoder->mask_at);
    decoder->mask_at = (decoder->mask_at + size) % MASK_BYTES;
}

static bool is_control(const struct frame_decoder *decoder)
{
    return decoder->opcode & CONTROL_BIT;
}

/* Header, first byte (section 5.2). */
static bool take_opcode(struct frame_decoder *decoder, struct frame_event *event)
{
    uint8_t byte = decoder->header[0];

    decoder->fin = byte & FIN_BIT;
    decoder->opcode = byte & OPCODE_BITS;
    if (byte & RESERVED)
        return protocol_error(decoder, event, "reserved bits are set");
    switch (decoder->opcode) {
    case FRAME_CONTINUATION:
        if (!decoder->message_opcode)
            return protocol_error(decoder, event, "continuation of no message");
        return true;
    case FRAME_TEXT:
    case FRAME_BINARY:
        if (decoder->message_opcode)
            return protocol_error(decoder, event, "new message inside a message");
        return true;
    case FRAME_CLOSE:
    case FRAME_PING:
    case FRAME_PONG:
        if (!decoder->fin)
            return protocol_error(decoder, event, "control frame is fragmented");
        return true;
    default:
        return protocol_error(decoder, event, "reserved opcode");
    }
}

/* Header, second byte. */
static bool take_length_kind(struct frame_decoder *decoder, struct frame_event *event)
{
    if (!(decoder->header[1] & MASK_BIT))
        return protocol_error(decoder, event, "frame is not masked");
    if (is_control(decoder) && (decoder->header[1] & LENGTH_BITS) > FRAME_CONTROL_MAX)
        return protocol_error(decoder, event, "control frame is too long");
    return true;
}

/* Where the mask begins. */
static unsigned length_end(const struct frame_decoder *decoder)
{
    uint8_t length = decoder->header[1] & LENGTH_BITS;

    return HEADER_START + (length == LENGTH_64 ? 8 : length == LENGTH_16 ? 2 : 0);
}

/* Header, up to the mask: the length is known, and judged before mask and payload come. */
static bool take_length(struct frame_decoder *decoder, uint64_t message_max,
                        struct frame_event *event)
{
    uint64_t length = decoder->header[1] & LENGTH_BITS;

    if (length >= LENGTH_16) {
        uint64_t shortest = length == LENGTH_16 ? LENGTH_16 : 0x10000;

        length = 0;
        for (unsigned i = HEADER_START; i < length_end(decoder); i++)
            length = length << 8 | decoder->header[i];
        if (length >> 63)
            return protocol_error(decoder, event, "length has its top bit set");
        if (length < shortest)
            return protocol_error(decoder, event, "length is not in its shortest form");
    }
    decoder->left = length;
    if (is_control(decoder))
        return true;
    if (decoder->opcode != FRAME_CONTINUATION) {
        decoder->message_opcode = decoder->opcode;
        decoder->message = 0;
        decoder->utf8 = UTF8_ACCEPT;
    }
    /* A reload may have lowered the limit below what is there already. */
    if (decoder->message > message_max || length > message_max - decoder->message)
        return fail(decoder, event, FRAME_CODE_TOO_BIG, "message is too big");
    decoder->message += length;
    return true;
}

static void take_mask(struct frame_decoder *decoder)
{
    memcpy(decoder->mask, decoder->header + length_end(decoder), MASK_BYTES);
    decoder->mask_at = 0;
    decoder->control_have = 0;
    decoder->header_have = 0;
    decoder->in_payload = true;
}

/* Gathers header bytes and judges each part as soon as it is whole. True: the payload begins;
 * false: out of bytes, or an error is in `event`. */
static bool take_header(struct frame_decoder *decoder, const uint8_t *input, size_t size,
                        size_t *used, uint64_t message_max, struct frame_event *event)
{
    while (*used < size) {
        decoder->header[decoder->header_have++] = input[(*used)++];
        if (decoder->header_have < HEADER_START) {
            if (!take_opcode(decoder, event))
                return false;
            continue;
        }
        if (decoder->header_have == HEADER_START && !take_length_kind(decoder, event))
            return false;

        unsigned mask_start = length_end(decoder);

        if (decoder->header_have == mask_start && !take_length(decoder, message_max, event))
            return false;
        if (decoder->header_have == mask_start + MASK_BYTES) {
            take_mask(decoder);
            return true;
        }
    }
    return false;
}

/* Section 7.4: the protocol's own codes that may be sent (1012-1014 are IANA's additions), and the
 * ranges of libraries and applications. */
static bool close_code_may_be_sent(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* Section 5.5.1. */
static void take_close(struct frame_decoder *decoder, struct frame_event *event)
{
    size_t size = decoder->control_have;

    event->code = FRAME_CODE_NONE;
    if (size == 1) {
        protocol_error(decoder, event, "close frame has half a code");
        return;
    }
    if (size >= 2) {
        event->code = (uint16_t)(decoder->control[0] << 8 | decoder->control[1]);
        event->bytes = decoder->control + 2;
        event->size = size - 2;
        if (!close_code_may_be_sent(event->code)) {
            protocol_error(decoder, event, "close code may not be sent");
            return;
        }
        if (!utf8_valid(event->bytes, event->size)) {
            fail(decoder, event, FRAME_CODE_NOT_UTF8, "close reason is not UTF-8");
            return;
        }
    }
    decoder->closed = true;
    event->kind = FRAME_EVENT_CLOSE;
}

/* A control frame's payload is gathered whole. Returns the bytes taken. */
static size_t take_control(struct frame_decoder *decoder, const uint8_t *input, size_t size,
                           struct frame_event *event)
{
    size_t taken = size < decoder->left ? size : decoder->left;

    if (taken) {
        memcpy(decoder->control + decoder->control_have, input, taken);
        unmask_next(decoder, decoder->control + decoder->control_have, taken);
        decoder->control_have = (uint8_t)(decoder->control_have + taken);
        decoder->left -= taken;
    }
    if (decoder->left)
        return taken;
    decoder->in_payload = false;
    event->bytes = decoder->control;
    event->size = decoder->control_have;
    if (decoder->opcode == FRAME_CLOSE)
        take_close(decoder, event);
    else
        event->kind = decoder->opcode == FRAME_PING ? FRAME_EVENT_PING : FRAME_EVENT_PONG;
    return taken;
}

/* A message's payload goes out as it comes. Returns the bytes taken. */
static size_t take_data(struct frame_decoder *decoder, uint8_t *input, size_t size,
                        struct frame_event *event)
{
    size_t taken = size < decoder->left ? size : decoder->left;
    bool last;

    if (taken)
        unmask_next(decoder, input, taken);
    decoder->left -= taken;
    last = decoder->fin && !decoder->left;
    if (decoder->message_opcode == FRAME_TEXT) {
        decoder->utf8 = utf8_check(decoder->utf8, input, taken);
        if (decoder->utf8 == UTF8_REJECT || (last && decoder->utf8 != UTF8_ACCEPT)) {
            fail(decoder, event, FRAME_CODE_NOT_UTF8, "text is not UTF-8");
            return taken;
        }
    }
    if (taken || last) {
        event->kind = FRAME_EVENT_DATA;
        event->opcode = decoder->message_opcode;
        event->last = last;
        event->bytes = input;
        event->size = taken;
    }
    if (!decoder->left)
        decoder->in_payload = false;
    if (last)
        decoder->message_opcode = 0;
    return taken;
}

size_t frame_decode(struct frame_decoder *decoder, uint8_t *input, size_t size,
                    uint64_t message_max, struct frame_event *event)
{
    size_t used = 0;

    memset(event, 0, sizeof(*event));
    while (!decoder->closed) {
        if (!decoder->in_payload && !take_header(decoder, input, size, &used, message_max, event))
            break;
        if (is_control(decoder))
            used += take_control(decoder, input + used, size - used, event);
        else
            used += take_data(decoder, input + used, size - used, event);
        if (event->kind != FRAME_EVENT_NONE)
            return used;
        if (decoder->in_payload)
            break;
        /* An empty fragment that is not the last says nothing: on to the next frame. */
    }
    return size;
}
