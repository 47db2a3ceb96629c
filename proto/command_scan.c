/* Where a command ends: counts the values that are still to come, so that no depth needs a stack.
 *
 * Between two calls `at` stands at the head of the first value that was not there in full, and
 * `pending` counts that value and all that are known to come behind it. Since each needs a byte,
 * at + pending <= max holds throughout: no sum here can overflow, and as soon as `max` bytes are
 * there the answer is never "more". */
#include "proto/command.h"
#include "proto/value.h"

void command_scanner_init(struct command_scanner *scanner)
{
    scanner->at = 0;
    scanner->pending = 0;
}

int64_t command_scan(struct command_scanner *scanner, const uint8_t *bytes, size_t size, size_t max)
{
    size_t at = scanner->at;
    uint64_t pending = scanner->pending ? scanner->pending : 1;

    if (!size)
        return 0;
    while (pending && at < size) {
        struct value value;
        int head = value_read_head(&value, bytes + at, size - at);

        if (head == ERR_PROTOCOL)
            return ERR_PROTOCOL;

        /* What this value may take if each of the others takes but a byte. */
        if (at > max || max - at < pending)
            return ERR_TOO_LARGE; /* `max` has been lowered meanwhile, or is 0 */
        uint64_t left = max - at - (pending - 1);

        if (head == ERR_AGAIN) {
            if (value_head_bytes(bytes[at]) > left)
                return ERR_TOO_LARGE;
            break;
        }
        uint64_t own = (uint64_t)head + value_body(&value);
        uint64_t children = value_children(&value);
        if (own > left || children > left - own)
            return ERR_TOO_LARGE;
        if (own > size - at)
            break; /* its body is under way: look at this head once more */
        at += own;
        pending += children - 1;
    }
    if (pending) {
        scanner->at = at;
        scanner->pending = pending;
        return 0;
    }
    command_scanner_init(scanner);
    return (int64_t)at;
}
