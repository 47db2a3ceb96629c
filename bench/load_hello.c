#include "bench/load_hello.h"

#include <jansson.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

int hello_parse(struct hello *hello, const uint8_t *text, size_t size)
{
    json_t *root = json_loadb((const char *)text, size, 0, NULL);
    json_t *groups = json_object_get(root, "groups");
    json_t *group = json_object_iter_value(json_object_iter(groups));
    const char *epoch = json_string_value(json_object_get(group, "epoch"));
    json_t *offset = json_object_get(group, "offset");
    int result = -1;

    if (json_object_size(groups) == 1 && epoch && json_is_integer(offset)) {
        hello->epoch = XXH3_64bits(epoch, strlen(epoch));
        hello->offset = (uint64_t)json_integer_value(offset);
        result = 0;
    }
    json_decref(root);
    return result;
}

uint64_t position_take(struct position *position, const struct hello *hello)
{
    if (position->state == POSITION_UNKNOWN) {
        position->state = POSITION_KNOWN;
        position->epoch = hello->epoch;
        position->base = hello->offset;
    } else if (position->epoch != hello->epoch || hello->offset < position->base) {
        position->state = POSITION_LOST;
    }
    return position->state == POSITION_KNOWN ? hello->offset - position->base + 1 : 0;
}
