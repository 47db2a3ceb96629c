/* Epochs: what tells one life of a group from another.
 *
 * Inside the engine 64 bits; on the wire 13 characters of base 36 (0-9, a-z). */
#ifndef SHARDCAST_SHARDS_EPOCH_H
#define SHARDCAST_SHARDS_EPOCH_H

#include <stdint.h>

#define EPOCH_TEXT_MAX 14 /* with NUL */

static inline const char *epoch_text(uint64_t epoch, char text[EPOCH_TEXT_MAX])
{
    for (int i = EPOCH_TEXT_MAX - 2; i >= 0; i--) {
        text[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[epoch % 36];
        epoch /= 36;
    }
    text[EPOCH_TEXT_MAX - 1] = '\0';
    return text;
}

#endif
