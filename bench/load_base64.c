#include "bench/load_base64.h"

#include <stdbool.h>

#define VALID 0x40 /* with the six bits of a character; what is none of them is 0 */

/* clang-format off */
static const uint8_t characters[256] = {
    ['A'] = 64, ['B'] = 65, ['C'] = 66, ['D'] = 67, ['E'] = 68, ['F'] = 69, ['G'] = 70, ['H'] = 71,
    ['I'] = 72, ['J'] = 73, ['K'] = 74, ['L'] = 75, ['M'] = 76, ['N'] = 77, ['O'] = 78, ['P'] = 79,
    ['Q'] = 80, ['R'] = 81, ['S'] = 82, ['T'] = 83, ['U'] = 84, ['V'] = 85, ['W'] = 86, ['X'] = 87,
    ['Y'] = 88, ['Z'] = 89, ['a'] = 90, ['b'] = 91, ['c'] = 92, ['d'] = 93, ['e'] = 94, ['f'] = 95,
    ['g'] = 96, ['h'] = 97, ['i'] = 98, ['j'] = 99, ['k'] = 100, ['l'] = 101, ['m'] = 102,
    ['n'] = 103, ['o'] = 104, ['p'] = 105, ['q'] = 106, ['r'] = 107, ['s'] = 108, ['t'] = 109,
    ['u'] = 110, ['v'] = 111, ['w'] = 112, ['x'] = 113, ['y'] = 114, ['z'] = 115, ['0'] = 116,
    ['1'] = 117, ['2'] = 118, ['3'] = 119, ['4'] = 120, ['5'] = 121, ['6'] = 122, ['7'] = 123,
    ['8'] = 124, ['9'] = 125, ['+'] = 126, ['/'] = 127,
};
/* clang-format on */

/* Four characters to three bytes. */
static inline bool decode_four(uint8_t *out, const uint8_t *text)
{
    unsigned a = characters[text[0]], b = characters[text[1]];
    unsigned c = characters[text[2]], d = characters[text[3]];

    out[0] = (uint8_t)(a << 2 | (b >> 4 & 3));
    out[1] = (uint8_t)(b << 4 | (c >> 2 & 15));
    out[2] = (uint8_t)(c << 6 | (d & 63));
    return a & b & c & d & VALID;
}

int64_t base64_decode(uint8_t *out, const uint8_t *text, size_t size)
{
    uint8_t last[4], *at = out;
    size_t whole = size < 4 ? 0 : size - 4, padding = 0;

    if (size == 0)
        return 0;
    if (size % 4)
        return -1;
    for (size_t i = 0; i < whole; i += 4, at += 3)
        if (!decode_four(at, text + i))
            return -1;
    for (size_t i = 0; i < 4; i++)
        last[i] = text[whole + i];
    for (; padding < 2 && last[3 - padding] == '='; padding++)
        last[3 - padding] = 'A';
    return decode_four(at, last) ? at + 3 - padding - out : -1;
}
