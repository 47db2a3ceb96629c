/* Epochs: what tells one life of a group from another.
 *
 * Inside the engine 64 bits; on the wire 13 characters of base 36 (0-9, a-z). */
#ifndef SHARDCAST_SHARDS_EPOCH_H
#define SHARDCAST_SHARDS_EPOCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EPOCH_TEXT_MAX 14 /* with NUL */

/* No group has one of these. */
#define EPOCH_NONE  0          /* of a group that is not there: "" */
#define EPOCH_OTHER UINT64_MAX /* what a text stands for that this engine has not written */

static inline const char *epoch_text(uint64_t epoch, char text[EPOCH_TEXT_MAX])
{
    for (int i = EPOCH_TEXT_MAX - 2; i >= 0; i--) {
        text[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[epoch % 36];
        epoch /= 36;
    }
    text[EPOCH_TEXT_MAX - 1] = '\0';
    return text;
}

/* The epoch that a text stands for; "" is EPOCH_NONE. */
static inline uint64_t epoch_read(const char *text, size_t size)
{
    uint64_t epoch = 0;

    if (size != EPOCH_TEXT_MAX - 1)
        return size ? EPOCH_OTHER : EPOCH_NONE;
    for (size_t i = 0; i < size; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';

        if (!digit && (text[i] < 'a' || text[i] > 'z'))
            return EPOCH_OTHER;
        if (__builtin_mul_overflow(epoch, 36u, &epoch) ||
            __builtin_add_overflow(epoch, (unsigned)(digit ? text[i] - '0' : text[i] - 'a' + 10),
                                   &epoch))
            return EPOCH_OTHER;
    }
    return epoch == EPOCH_NONE ? EPOCH_OTHER : epoch;
}

#endif
