#include "proto/group_name.h"

#include <string.h>

#include <xxhash.h>

static const bool in_names[256] = {
    ['!'] = true, ['$'] = true,         ['&'] = true,         ['\''] = true, ['('] = true,
    [')'] = true, ['+'] = true,         ['-'] = true,         ['.'] = true,  ['0' ... '9'] = true,
    [':'] = true, [';'] = true,         ['<'] = true,         ['='] = true,  ['>'] = true,
    ['@'] = true, ['A' ... 'Z'] = true, ['['] = true,         [']'] = true,  ['^'] = true,
    ['_'] = true, ['`'] = true,         ['a' ... 'z'] = true, ['{'] = true,  ['|'] = true,
    ['}'] = true, ['~'] = true,
};

bool group_name_valid(const char *name, size_t size)
{
    if (size == 0 || size > GROUP_NAME_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!in_names[(uint8_t)name[i]])
            return false;
    return true;
}

enum group_category group_name_category(const char *name, size_t size)
{
    size_t part = group_name_namespace(name, size);

    if (part == 4 && !memcmp(name, "user", 4))
        return GROUP_USER;
    if (part == 7 && !memcmp(name, "session", 7))
        return GROUP_SESSION;
    if (part == 10 && !memcmp(name, "experiment", 10))
        return GROUP_EXPERIMENT;
    if (size == GROUP_EVERYONE_BYTES && *name == *GROUP_EVERYONE)
        return GROUP_ALL;
    return GROUP_OTHER;
}

size_t group_name_namespace(const char *name, size_t size)
{
    const char *colon = size ? memchr(name, ':', size) : NULL;

    return colon ? (size_t)(colon - name) : 0;
}

uint64_t group_name_hash(const char *name, size_t size, uint64_t key)
{
    return XXH3_64bits_withSeed(name, size, key);
}
