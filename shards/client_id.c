#include "shards/client_id.h"

/* splitmix64's permutation: different inputs give different outputs. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

void client_id_write(char text[CLIENT_ID_BYTES], uint64_t client_key, uint32_t shard,
                     struct slot_ref connection)
{
    /* Each half is a permutation of what tells connections of one shard apart, so no two are the
     * same there; the shard goes into both, and two shards would have to meet in 122 bits. */
    uint64_t key = (uint64_t)connection.generation << 32 | connection.slot;
    uint64_t halves[2] = {mix(mix(key ^ client_key) + shard), 0};

    halves[1] = mix(mix(halves[0] + client_key) ^ key);
    /* Version 4 and variant 1, as those who parse UUIDs want them (RFC 9562 section 5.4). */
    halves[0] = (halves[0] & ~0xf000ull) | 0x4000;
    halves[1] = (halves[1] & ~(3ull << 62)) | 2ull << 62;
    for (int digit = 0, at = 0; digit < 32; digit++) {
        uint64_t half = halves[digit / 16];

        if (digit == 8 || digit == 12 || digit == 16 || digit == 20)
            text[at++] = '-';
        text[at++] = "0123456789abcdef"[half >> (60 - digit % 16 * 4) & 15];
    }
}
