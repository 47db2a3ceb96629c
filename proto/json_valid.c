#include "proto/json_valid.h"

#include <stdint.h>
#include <string.h>

struct cursor {
    const char *at, *end;
};

/* Which containers are open, outermost first: a bit each, set for an object. */
struct nesting {
    uint64_t objects[JSON_VALID_LEVELS_MAX / 64];
    unsigned depth;
};

static bool nesting_open(struct nesting *nesting, bool object)
{
    if (nesting->depth == JSON_VALID_LEVELS_MAX)
        return false;
    uint64_t *word = &nesting->objects[nesting->depth / 64];
    uint64_t bit = UINT64_C(1) << nesting->depth % 64;
    *word = object ? *word | bit : *word & ~bit;
    nesting->depth++;
    return true;
}

static bool nesting_in_object(const struct nesting *nesting)
{
    unsigned innermost = nesting->depth - 1;

    return nesting->objects[innermost / 64] >> innermost % 64 & 1;
}

static void skip_space(struct cursor *cursor)
{
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\n' ||
                                        *cursor->at == '\r' || *cursor->at == '\t'))
        cursor->at++;
}

static bool skip_char(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static bool skip_word(struct cursor *cursor, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(cursor->end - cursor->at) < size || memcmp(cursor->at, word, size) != 0)
        return false;
    cursor->at += size;
    return true;
}

/* At least one. */
static bool skip_digits(struct cursor *cursor)
{
    const char *from = cursor->at;

    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9')
        cursor->at++;
    return cursor->at > from;
}

static bool skip_number(struct cursor *cursor)
{
    skip_char(cursor, '-');
    if (!skip_char(cursor, '0') && !skip_digits(cursor))
        return false;
    if (skip_char(cursor, '.') && !skip_digits(cursor))
        return false;
    if (skip_char(cursor, 'e') || skip_char(cursor, 'E')) {
        if (!skip_char(cursor, '+'))
            skip_char(cursor, '-');
        return skip_digits(cursor);
    }
    return true;
}

static bool skip_hex4(struct cursor *cursor)
{
    for (int i = 0; i < 4; i++) {
        if (cursor->at == cursor->end)
            return false;
        char c = *cursor->at++;
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F'))
            return false;
    }
    return true;
}

/* Behind the opening quote. */
static bool skip_string(struct cursor *cursor)
{
    while (cursor->at < cursor->end) {
        uint8_t c = (uint8_t)*cursor->at++;

        if (c == '"')
            return true;
        if (c < 0x20)
            return false;
        if (c != '\\')
            continue;
        if (skip_char(cursor, 'u')) {
            if (!skip_hex4(cursor))
                return false;
        } else if (cursor->at == cursor->end || !*cursor->at ||
                   !strchr("\"\\/bfnrt", *cursor->at++)) {
            return false;
        }
    }
    return false;
}

static bool skip_key(struct cursor *cursor)
{
    skip_space(cursor);
    if (!skip_char(cursor, '"') || !skip_string(cursor))
        return false;
    skip_space(cursor);
    return skip_char(cursor, ':');
}

/* All of a scalar; of a container its opening, up to where its first value is to begin. `*complete`
 * says whether the value ends there. */
static bool skip_value(struct cursor *cursor, struct nesting *nesting, bool *complete)
{
    skip_space(cursor);
    *complete = true;
    if (skip_char(cursor, '"'))
        return skip_string(cursor);
    if (skip_char(cursor, '{')) {
        skip_space(cursor);
        if (!nesting_open(nesting, true))
            return false;
        if (skip_char(cursor, '}')) {
            nesting->depth--;
            return true;
        }
        *complete = false;
        return skip_key(cursor);
    }
    if (skip_char(cursor, '[')) {
        skip_space(cursor);
        if (!nesting_open(nesting, false))
            return false;
        *complete = skip_char(cursor, ']');
        nesting->depth -= *complete;
        return true;
    }
    return skip_word(cursor, "true") || skip_word(cursor, "false") || skip_word(cursor, "null") ||
           skip_number(cursor);
}

/* Behind a whole value in a container: closings, then a comma and the next key. False: an error, or
 * all is closed. */
static bool skip_to_next(struct cursor *cursor, struct nesting *nesting)
{
    while (nesting->depth) {
        bool object = nesting_in_object(nesting);

        skip_space(cursor);
        if (skip_char(cursor, ','))
            return !object || skip_key(cursor);
        if (!skip_char(cursor, object ? '}' : ']'))
            return false;
        nesting->depth--;
    }
    return false;
}

bool json_valid(const char *text, size_t size)
{
    struct cursor cursor = {text, text + size};
    struct nesting nesting = {.depth = 0};
    bool complete;

    do {
        if (!skip_value(&cursor, &nesting, &complete))
            return false;
    } while (!complete || skip_to_next(&cursor, &nesting));
    skip_space(&cursor);
    return nesting.depth == 0 && cursor.at == cursor.end;
}
