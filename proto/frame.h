/* WebSocket frames (RFC 6455 section 5): the header that the server writes, and a decoder for what
 * clients send. Pure: no I/O, no allocation, no globals. */
#ifndef SHARDCAST_PROTO_FRAME_H
#define SHARDCAST_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

enum frame_opcode {
    FRAME_CONTINUATION = 0x0,
    FRAME_TEXT = 0x1,
    FRAME_BINARY = 0x2,
    FRAME_CLOSE = 0x8,
    FRAME_PING = 0x9,
    FRAME_PONG = 0xA
};

#define FRAME_HEADER_MAX  10  /* server to client: no mask */
#define FRAME_CONTROL_MAX 125 /* RFC 6455 section 5.5 */
#define FRAME_REASON_MAX  123 /* a close frame's reason: 125 less the code */

/* Close codes of the protocol itself (RFC 6455 section 7.4.1). */
enum frame_code {
    FRAME_CODE_PROTOCOL_ERROR = 1002,
    FRAME_CODE_NONE = 1005, /* never on the wire: a close frame without a code */
    FRAME_CODE_NOT_UTF8 = 1007,
    FRAME_CODE_TOO_BIG = 1009
};

/* Writes the header of an unmasked, final frame with `bytes` bytes of payload, in the shortest
 * form. Returns its length: 2, 4 or 10. */
size_t frame_header_encode(uint8_t header[FRAME_HEADER_MAX], enum frame_opcode opcode,
                           uint64_t bytes);

/* The length of the whole frame (header and payload) that starts at `frame`, which this side
 * encoded: at least its header must be there. */
uint64_t frame_length(const uint8_t *frame);

/* Writes a whole close frame; FRAME_CODE_NONE: an empty one, as an answer to an empty one. `reason`
 * (may be NULL) is cut at FRAME_REASON_MAX, never inside a character. Returns its length. */
size_t frame_close_encode(uint8_t frame[2 + FRAME_CONTROL_MAX], uint16_t code, const char *reason);

/* Decoder of a client's frames, as strict as RFC 6455 has it: what breaks a MUST is an error.
 *
 * Feed it bytes as they come, in any cut; it unmasks in place and hands out pieces. It checks
 * reserved bits, opcodes, masking, the shortest form of lengths, control frames (final, at most
 * 125 bytes), the order of fragments, UTF-8 of text over the whole message (also when control
 * frames lie between its fragments), close frames (length, code that may be sent, reason in UTF-8),
 * and the sum of a message's fragments against a limit (at the header, before the bytes come). */
struct frame_decoder {
    uint8_t header[14]; /* header bytes so far */
    uint8_t header_have;
    uint8_t mask[4];
    uint8_t mask_at;        /* which mask byte comes next */
    uint8_t opcode;         /* of the frame under way */
    uint8_t message_opcode; /* FRAME_TEXT or FRAME_BINARY while a message is under way, else 0 */
    bool fin;
    bool in_payload;
    bool closed; /* a close frame has been seen: everything after it is ignored */
    uint8_t control_have;
    uint32_t utf8;    /* state of the UTF-8 check of the message under way */
    uint64_t left;    /* payload bytes of the frame still to come */
    uint64_t message; /* payload bytes of the message so far, by the headers */
    uint8_t control[FRAME_CONTROL_MAX];
};

enum frame_event_kind {
    FRAME_EVENT_NONE,  /* all bytes are consumed, nothing is complete */
    FRAME_EVENT_DATA,  /* a piece of a message: bytes, size, opcode; `last` on its last piece. A
                          message of no bytes yields one piece of size 0 with last set */
    FRAME_EVENT_PING,  /* bytes, size: to be echoed */
    FRAME_EVENT_PONG,  /* bytes, size */
    FRAME_EVENT_CLOSE, /* code: as received, or 1005 where there was none; bytes, size: reason */
    FRAME_EVENT_ERROR  /* code: 1002, 1007 or 1009, to close with; reason: a static text */
};

struct frame_event {
    enum frame_event_kind kind;
    enum frame_opcode opcode; /* of a DATA piece: TEXT or BINARY, also for continuations */
    bool last;
    uint16_t code;
    uint8_t *bytes; /* into the input (DATA), or into the decoder (PING, PONG, CLOSE) */
    size_t size;
    const char *reason;
};

void frame_decoder_init(struct frame_decoder *decoder);

/* Whether the decoder stands between messages with nothing half read: its owner may then free it
 * (an idle connection keeps none) and begin anew with the next byte. False once closed. */
bool frame_decoder_idle(const struct frame_decoder *decoder);

/* Takes bytes from `input` up to the next event and returns how many it took. Call again with what
 * is left until the event is NONE. After ERROR or CLOSE it takes everything and reports NONE.
 * `message_max` limits one message's payload: beyond it ERROR 1009, at the header that shows it. */
size_t frame_decode(struct frame_decoder *decoder, uint8_t *input, size_t size,
                    uint64_t message_max, struct frame_event *event);

#endif
