#include "bench/load_mix.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[MIX_PRIORITIES] = {"critical", "normal", "low"};

const char *mix_name(enum mix_priority priority)
{
    return names[priority];
}

static int take_weight(struct mix *mix, const char **text)
{
    for (unsigned i = 0; i < MIX_PRIORITIES; i++) {
        size_t size = strlen(names[i]);
        unsigned long weight;
        char *end;

        if (strncmp(*text, names[i], size) != 0 || (*text)[size] != '=')
            continue;
        *text += size + 1;
        weight = strtoul(*text, &end, 10);
        if (!isdigit((unsigned char)**text) || weight > MIX_PATTERN || mix->weights[i])
            return -1;
        mix->weights[i] = (uint32_t)weight;
        *text = end;
        return 0;
    }
    return -1;
}

/* Each priority is spread evenly: at every place comes the one that is furthest behind its share.
 */
static void lay_out(struct mix *mix)
{
    uint32_t given[MIX_PRIORITIES] = {0};

    for (uint32_t place = 0; place < mix->size; place++) {
        unsigned most = 0;
        int64_t lack = INT64_MIN;

        for (unsigned i = 0; i < MIX_PRIORITIES; i++) {
            int64_t behind = (int64_t)mix->weights[i] * (place + 1) - (int64_t)given[i] * mix->size;

            if (given[i] < mix->weights[i] && behind > lack) {
                lack = behind;
                most = i;
            }
        }
        given[most]++;
        mix->pattern[place] = (uint8_t)most;
        mix->critical[place + 1] = mix->critical[place] + (most == MIX_CRITICAL);
    }
}

int mix_parse(struct mix *mix, const char *text)
{
    memset(mix, 0, sizeof(*mix));
    do {
        if (take_weight(mix, &text) < 0)
            return -1;
    } while (*text++ == ',');
    if (text[-1])
        return -1;
    for (unsigned i = 0; i < MIX_PRIORITIES; i++)
        mix->size += mix->weights[i];
    if (mix->size == 0 || mix->size > MIX_PATTERN)
        return -1;
    lay_out(mix);
    return 0;
}
