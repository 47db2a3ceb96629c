#include "proto/json_scan.h"

#include <stdint.h>
#include <string.h>

#include "proto/json_string.h"

/* Which containers are open, outermost first: a bit each, set for an object. */
struct nesting {
    uint64_t objects[JSON_SCAN_LEVELS_MAX / 64];
    unsigned depth;
};

static bool nesting_open(struct nesting *nesting, bool object)
{
    if (nesting->depth == JSON_SCAN_LEVELS_MAX)
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

bool json_take_word(struct json_scan *scan, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, word, size) != 0)
        return false;
    scan->at += size;
    return true;
}

/* At least one. */
static bool skip_digits(struct json_scan *scan)
{
    const char *from = scan->at;

    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return scan->at > from;
}

static bool skip_number(struct json_scan *scan)
{
    json_take(scan, '-');
    if (!json_take(scan, '0') && !skip_digits(scan))
        return false;
    if (json_take(scan, '.') && !skip_digits(scan))
        return false;
    if (json_take(scan, 'e') || json_take(scan, 'E')) {
        if (!json_take(scan, '+'))
            json_take(scan, '-');
        return skip_digits(scan);
    }
    return true;
}

static bool skip_hex4(struct json_scan *scan)
{
    for (int i = 0; i < 4; i++) {
        if (scan->at == scan->end)
            return false;
        char c = *scan->at++;
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F'))
            return false;
    }
    return true;
}

/* Behind a backslash. */
static bool skip_escape(struct json_scan *scan)
{
    if (json_take(scan, 'u'))
        return skip_hex4(scan);
    if (scan->at == scan->end || !*scan->at || !strchr("\"\\/bfnrt", *scan->at))
        return false;
    scan->at++;
    return true;
}

bool json_skip_string(struct json_scan *scan)
{
    if (!json_take(scan, '"'))
        return false;
    for (;;) {
        scan->at =
            (const char *)json_plain_end((const uint8_t *)scan->at, (const uint8_t *)scan->end);
        if (json_take(scan, '"'))
            return true;
        if (!json_take(scan, '\\') || !skip_escape(scan))
            return false;
    }
}

static bool skip_key(struct json_scan *scan)
{
    json_skip_space(scan);
    if (!json_skip_string(scan))
        return false;
    json_skip_space(scan);
    return json_take(scan, ':');
}

static bool skip_scalar(struct json_scan *scan)
{
    if (scan->at < scan->end && *scan->at == '"')
        return json_skip_string(scan);
    return json_take_word(scan, "true") || json_take_word(scan, "false") ||
           json_take_word(scan, "null") || skip_number(scan);
}

/* All of a scalar; of a container its opening, up to where its first value is to begin. `*complete`
 * says whether the value ends there. */
static int skip_opening(struct json_scan *scan, struct nesting *nesting, bool *complete)
{
    bool object;

    json_skip_space(scan);
    *complete = true;
    object = json_take(scan, '{');
    if (!object && !json_take(scan, '['))
        return skip_scalar(scan) ? 0 : ERR_PROTOCOL;
    json_skip_space(scan);
    if (!nesting_open(nesting, object))
        return ERR_TOO_LARGE;
    *complete = json_take(scan, object ? '}' : ']');
    nesting->depth -= *complete;
    return *complete || !object || skip_key(scan) ? 0 : ERR_PROTOCOL;
}

/* Behind a whole value in a container: closings, then a comma and the next key. False: an error, or
 * all is closed. */
static bool skip_to_next(struct json_scan *scan, struct nesting *nesting)
{
    while (nesting->depth) {
        bool object = nesting_in_object(nesting);

        json_skip_space(scan);
        if (json_take(scan, ','))
            return !object || skip_key(scan);
        if (!json_take(scan, object ? '}' : ']'))
            return false;
        nesting->depth--;
    }
    return false;
}

int json_skip_value(struct json_scan *scan)
{
    struct nesting nesting = {.depth = 0};
    bool complete;

    do {
        int error = skip_opening(scan, &nesting, &complete);

        if (error)
            return error;
    } while (!complete || skip_to_next(scan, &nesting));
    return nesting.depth ? ERR_PROTOCOL : 0;
}

bool json_valid(const char *text, size_t size)
{
    struct json_scan scan = {text, text + size};

    if (json_skip_value(&scan))
        return false;
    json_skip_space(&scan);
    return scan.at == scan.end;
}
