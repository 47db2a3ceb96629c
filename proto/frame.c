#include "proto/frame.h"

#include <string.h>

size_t frame_header_encode(uint8_t header[FRAME_HEADER_MAX], enum frame_opcode opcode,
                           uint64_t bytes)
{
    size_t length_bytes = bytes <= 125 ? 0 : bytes <= 0xFFFF ? 2 : 8;

    header[0] = (uint8_t)(0x80 | opcode);
    if (!length_bytes) {
        header[1] = (uint8_t)bytes;
        return 2;
    }
    header[1] = length_bytes == 2 ? 126 : 127;
    for (size_t i = 0; i < length_bytes; i++)
        header[2 + i] = (uint8_t)(bytes >> 8 * (length_bytes - 1 - i));
    return 2 + length_bytes;
}

uint64_t frame_length(const uint8_t *frame)
{
    size_t length_bytes = frame[1] < 126 ? 0 : frame[1] == 126 ? 2 : 8;
    uint64_t bytes = length_bytes ? 0 : frame[1];

    for (size_t i = 0; i < length_bytes; i++)
        bytes = bytes << 8 | frame[2 + i];
    return 2 + length_bytes + bytes;
}

size_t frame_close_encode(uint8_t frame[2 + FRAME_CONTROL_MAX], uint16_t code, const char *reason)
{
    size_t size = reason ? strlen(reason) : 0;

    if (code == FRAME_CODE_NONE)
        return frame_header_encode(frame, FRAME_CLOSE, 0);
    if (size > FRAME_REASON_MAX) {
        size = FRAME_REASON_MAX;
        while (size && ((uint8_t)reason[size] & 0xC0) == 0x80)
            size--; /* not inside a character */
    }
    frame_header_encode(frame, FRAME_CLOSE, 2 + size);
    frame[2] = (uint8_t)(code >> 8);
    frame[3] = (uint8_t)code;
    if (size)
        memcpy(frame + 4, reason, size);
    return 4 + size;
}
