#include "proto/utf8.h"

#include <string.h>

/* A DFA whose transitions for one byte are packed into one word: six bits per state, and a state is
 * the position of its bits. A step is thus one load and one shift, without a branch
 * (the grammar is RFC 3629 section 4). */
enum state {
    AT_START = 0,   /* between characters */
    AT_REJECT = 6,  /* never left */
    WANT_1 = 12,    /* one more byte 80-BF */
    WANT_2 = 18,    /* two */
    WANT_3 = 24,    /* three */
    AFTER_E0 = 30,  /* A0-BF, then one more: shorter forms are overlong */
    AFTER_ED = 36,  /* 80-9F, then one more: above are the surrogates */
    AFTER_F0 = 42,  /* 90-BF, then two more: shorter forms are overlong */
    AFTER_F4 = 48,  /* 80-8F, then two more: above U+10FFFF is nothing */
    STATE_MASK = 63 /* what lies above the six bits belongs to other states */
};

#define GO(from, to) ((uint64_t)(to) << (from))

/* A byte that can only begin a character rejects in every other state, and the reverse. */
#define BEGINS(to)                                                                                 \
    (GO(AT_START, to) | GO(AT_REJECT, AT_REJECT) | GO(WANT_1, AT_REJECT) | GO(WANT_2, AT_REJECT) | \
     GO(WANT_3, AT_REJECT) | GO(AFTER_E0, AT_REJECT) | GO(AFTER_ED, AT_REJECT) |                   \
     GO(AFTER_F0, AT_REJECT) | GO(AFTER_F4, AT_REJECT))

#define CONTINUES(e0, ed, f0, f4)                                                    \
    (GO(AT_START, AT_REJECT) | GO(AT_REJECT, AT_REJECT) | GO(WANT_1, AT_START) |     \
     GO(WANT_2, WANT_1) | GO(WANT_3, WANT_2) | GO(AFTER_E0, e0) | GO(AFTER_ED, ed) | \
     GO(AFTER_F0, f0) | GO(AFTER_F4, f4))

static const uint64_t transitions[256] = {
    [0x00 ... 0x7F] = BEGINS(AT_START),
    [0x80 ... 0x8F] = CONTINUES(AT_REJECT, WANT_1, AT_REJECT, WANT_2),
    [0x90 ... 0x9F] = CONTINUES(AT_REJECT, WANT_1, WANT_2, AT_REJECT),
    [0xA0 ... 0xBF] = CONTINUES(WANT_1, AT_REJECT, WANT_2, AT_REJECT),
    [0xC0 ... 0xC1] = BEGINS(AT_REJECT),
    [0xC2 ... 0xDF] = BEGINS(WANT_1),
    [0xE0] = BEGINS(AFTER_E0),
    [0xE1 ... 0xEC] = BEGINS(WANT_2),
    [0xED] = BEGINS(AFTER_ED),
    [0xEE ... 0xEF] = BEGINS(WANT_2),
    [0xF0] = BEGINS(AFTER_F0),
    [0xF1 ... 0xF3] = BEGINS(WANT_3),
    [0xF4] = BEGINS(AFTER_F4),
    [0xF5 ... 0xFF] = BEGINS(AT_REJECT),
};

static inline uint64_t step(uint64_t state, uint8_t byte)
{
    return transitions[byte] >> state & STATE_MASK;
}

uint32_t utf8_check(uint32_t state, const void *bytes, size_t size)
{
    if (state == UTF8_REJECT || !size)
        return state;

    const uint8_t *at = bytes, *end = at + size;
    uint64_t now = state;

    for (; end - at >= 8; at += 8) {
        uint64_t word;

        memcpy(&word, at, sizeof(word));
        if (now == AT_START && !(word & 0x8080808080808080u))
            continue;
        for (int i = 0; i < 8; i++)
            now = step(now, at[i]);
        if (now == AT_REJECT)
            return UTF8_REJECT;
    }
    while (at < end)
        now = step(now, *at++);
    return now == AT_REJECT ? UTF8_REJECT : (uint32_t)now;
}
