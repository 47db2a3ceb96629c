#define _GNU_SOURCE
#include "bench/load_expected.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench/load_dialect.h"
#include "proto/command.h"

#define TABLE_FIRST 64
#define AHEAD_MAX   65536 /* messages that are looked through for one that was not the next */
#define BEHIND_MAX  64    /* of those that have been, a stream knows so many */

static uint64_t hash_frame(uint8_t first, const uint8_t *payload, size_t size)
{
    uint64_t hash = XXH3_64bits_withSeed(payload, size, first);

    return hash ? hash : 1; /* 0 is a free place */
}

/* The place of a name: of its group, or where it would be. */
static uint32_t *find_place(struct expected *expected, const char *name)
{
    uint32_t mask = expected->table_room - 1;
    uint32_t at = (uint32_t)XXH3_64bits(name, strlen(name)) & mask;

    while (expected->table[at] &&
           strcmp(expected->groups->names[expected->table[at] - 1], name) != 0)
        at = (at + 1) & mask;
    return &expected->table[at];
}

static int grow_table(struct expected *expected)
{
    uint32_t room = expected->table_room ? 2 * expected->table_room : TABLE_FIRST;
    uint32_t *table = calloc(room, sizeof(*table));

    if (!table)
        return -1;
    free(expected->table);
    expected->table = table;
    expected->table_room = room;
    for (uint32_t i = 0; i < expected->groups->count; i++)
        *find_place(expected, expected->groups->names[i]) = i + 1;
    return 0;
}

/* Everyone's come first. */
static struct expected_list *lists_of_everyone(const struct expected *expected)
{
    return expected->lists;
}

static struct expected_list *lists_of(const struct expected *expected, uint32_t group)
{
    return &expected->lists[((size_t)group + 1) * EXPECTED_CLASSES];
}

/* Room for the lists of everyone and of `groups` groups; the last of them are empty. */
static int grow_lists(struct expected *expected, uint32_t groups)
{
    /* It grows in powers of two: at each of them, and only there, is it used up. */
    if ((groups & (groups - 1)) == 0) {
        size_t room = (groups ? 2 * (size_t)groups : 1) * EXPECTED_CLASSES;
        struct expected_list *lists = realloc(expected->lists, room * sizeof(*lists));

        if (!lists)
            return -1;
        expected->lists = lists;
    }
    memset(&expected->lists[(size_t)groups * EXPECTED_CLASSES], 0,
           EXPECTED_CLASSES * sizeof(*expected->lists));
    return 0;
}

/* The number of a group, which is made where it is new. -1: out of memory. */
static int64_t group_of(struct expected *expected, const char *name, uint32_t members)
{
    uint32_t *place = find_place(expected, name), count = expected->groups->count;

    if (*place)
        return *place - 1;
    if (grow_lists(expected, count + 1) < 0 || groups_add(expected->groups, name, members) < 0)
        return -1;
    *place = count + 1;
    if (2 * (count + 1) > expected->table_room && grow_table(expected) < 0)
        return -1;
    return count;
}

static int add_message(struct expected_list *list, uint64_t hash, uint64_t due_ns)
{
    if (list->count == list->room) {
        uint32_t room = list->room ? 2 * list->room : 16;
        uint64_t *hashes = realloc(list->hashes, room * sizeof(*hashes)), *due;

        if (!hashes)
            return -1;
        list->hashes = hashes;
        due = realloc(list->due_ns, room * sizeof(*due));
        if (!due)
            return -1;
        list->due_ns = due;
        list->room = room;
    }
    list->hashes[list->count] = hash;
    list->due_ns[list->count++] = due_ns;
    return 0;
}

/* The place of a hash among all that are known, or where it would be. */
static uint64_t *find_known(const struct expected *expected, uint64_t hash)
{
    size_t mask = expected->known_room - 1, at = (size_t)hash & mask;

    while (expected->known[at] && expected->known[at] != hash)
        at = (at + 1) & mask;
    return &expected->known[at];
}

static int add_known(struct expected *expected, uint64_t hash)
{
    uint64_t *old = expected->known, *place;
    size_t room = expected->known_room;

    if (2 * (expected->known_count + 1) > room) {
        expected->known_room = room ? 2 * room : TABLE_FIRST;
        expected->known = calloc(expected->known_room, sizeof(*expected->known));
        if (!expected->known) {
            expected->known = old;
            expected->known_room = room;
            return -1;
        }
        for (size_t i = 0; i < room; i++)
            if (old[i])
                *find_known(expected, old[i]) = old[i];
        free(old);
    }
    place = find_known(expected, hash);
    expected->known_count += *place == 0;
    *place = hash;
    return 0;
}

static enum expected_class class_of(enum command_priority priority)
{
    if (priority == PRIORITY_CRITICAL)
        return CLASS_CRITICAL;
    return priority == PRIORITY_UNSET ? CLASS_UNSAID : CLASS_OTHER;
}

/* What a broadcast makes members expect. */
static int add_broadcast(struct expected *expected, const struct command *command, uint64_t ns,
                         uint32_t members)
{
    struct payload *payload = command->payload;
    uint8_t first = payload->kind == PAYLOAD_BINARY ? BINARY_FRAME : TEXT_FRAME;
    uint64_t hash = hash_frame(first, payload_body(payload), payload->body_bytes);
    enum expected_class class = class_of(command->priority);

    if (payload->body_bytes > expected->payload_max)
        expected->payload_max = payload->body_bytes;
    if (add_known(expected, hash) < 0)
        return -1;
    if (command->all)
        return add_message(&lists_of_everyone(expected)[class], hash, ns);
    for (uint32_t i = 0; i < command->name_count; i++) {
        const struct command_name *name = command->names ? &command->names[i] : &command->name;
        int64_t group = group_of(expected, name->bytes, members);

        if (group < 0 || add_message(&lists_of(expected, (uint32_t)group)[class], hash, ns) < 0)
            return -1;
    }
    return 0;
}

struct reading {
    struct expected *expected;
    uint32_t members;
    bool failed;
};

/* Whether a command is to be sent again: broadcasts only. A `disconnect` would end the members that
 * measure, and what else there is reaches no member. */
static int keep_broadcast(void *context, const struct recording_entry *entry)
{
    struct reading *reading = context;
    struct command_refusal refusal;
    struct command command;
    int error, keep = 0;

    if (reading->failed)
        return 0;
    error = command_decode(&command, entry->command, entry->size, UINT32_MAX, &refusal);
    if (error == 0 && command.op == COMMAND_BROADCAST) {
        keep = 1;
        error = add_broadcast(reading->expected, &command, entry->ns, reading->members);
        if (error)
            strcpy(refusal.message, "out of memory");
    } else if (error == 0) {
        reading->expected->skipped++;
    } else if (error == ERR_NOMEM) {
        strcpy(refusal.message, "out of memory");
    }
    if (error) {
        fprintf(stderr, "shardcast-load: the command at %.6f s: %s\n", (double)entry->ns / 1e9,
                refusal.message);
        reading->failed = true;
    }
    command_clear(&command);
    return keep;
}

struct expected *expected_new(struct recording *recording, uint32_t members)
{
    struct expected *expected = calloc(1, sizeof(*expected));
    struct reading reading = {expected, members, false};

    if (!expected)
        return NULL;
    expected->speed = 1;
    expected->groups = groups_empty();
    if (expected->groups && grow_table(expected) == 0 && grow_lists(expected, 0) == 0)
        recording_filter(recording, keep_broadcast, &reading);
    else
        reading.failed = true;
    if (!reading.failed)
        return expected;
    expected_free(expected);
    return NULL;
}

void expected_free(struct expected *expected)
{
    if (!expected)
        return;
    for (size_t i = 0;
         expected->lists && i < ((size_t)expected->groups->count + 1) * EXPECTED_CLASSES; i++) {
        free(expected->lists[i].hashes);
        free(expected->lists[i].due_ns);
    }
    free(expected->lists);
    free(expected->table);
    free(expected->known);
    groups_free(expected->groups);
    free(expected);
}

uint64_t expected_deliveries(const struct expected *expected)
{
    const struct groups *groups = expected->groups;
    uint64_t deliveries = 0;

    for (unsigned class = 0; class < EXPECTED_CLASSES; class ++) {
        deliveries += (uint64_t)lists_of_everyone(expected)[class].count * groups_members(groups);
        for (uint32_t i = 0; i < groups->count; i++)
            deliveries += (uint64_t)lists_of(expected, i)[class].count * groups_size(groups, i);
    }
    return deliveries;
}

void expected_begin(struct expected_member *member)
{
    for (unsigned i = 0; i < 2 * EXPECTED_CLASSES; i++)
        member->streams[i] = stream_behind(0);
}

/* The lists in the order of a member's streams. */
static const struct expected_list *list_of(const struct expected *expected, uint32_t group,
                                           unsigned i)
{
    return i < EXPECTED_CLASSES ? &lists_of(expected, group)[i]
                                : &lists_of_everyone(expected)[i - EXPECTED_CLASSES];
}

/* The number of a message that is not the next one of a list: one that was skipped comes late, or
 * later ones were skipped, or it has been before. 0: it is not of this list. */
static uint64_t search(const struct expected_list *list, const struct stream *stream, uint64_t hash)
{
    uint64_t next = stream->next, seen = 0;

    for (uint64_t age = 0; age < BEHIND_MAX && age + 1 < next; age++)
        if (list->hashes[next - 2 - age] == hash) {
            if (!(stream->seen >> age & 1))
                return next - 1 - age;
            seen = seen ? seen : next - 1 - age;
        }
    for (uint64_t i = next; i <= list->count && i - next < AHEAD_MAX; i++)
        if (list->hashes[i - 1] == hash)
            return i;
    return seen;
}

bool expected_take(const struct expected *expected, struct expected_member *member, uint32_t group,
                   struct faults *faults, uint8_t first, const uint8_t *payload, size_t size,
                   uint64_t *due_ns)
{
    uint64_t hash = hash_frame(first, payload, size), number = 0;
    unsigned i;

    for (i = 0; i < 2 * EXPECTED_CLASSES && !number; i++) {
        const struct expected_list *list = list_of(expected, group, i);
        uint64_t next = member->streams[i].next;

        if (next <= list->count && list->hashes[next - 1] == hash)
            number = next;
    }
    if (!number)
        for (i = 0; i < 2 * EXPECTED_CLASSES && !number; i++)
            number = search(list_of(expected, group, i), &member->streams[i], hash);
    if (!number) {
        if (*find_known(expected, hash))
            faults->misdelivered++;
        else
            faults->corrupted++;
        return false;
    }
    i--;
    *due_ns = atomic_load_explicit(&expected->began_ns, memory_order_relaxed) +
              (uint64_t)((double)list_of(expected, group, i)->due_ns[number - 1] / expected->speed);
    stream_take(&member->streams[i], faults, number);
    return true;
}

uint64_t expected_missing(const struct expected *expected, const struct expected_member *member,
                          uint32_t group)
{
    uint64_t missing = 0;

    for (unsigned i = 0; i < 2 * EXPECTED_CLASSES; i++)
        missing += stream_missing(&member->streams[i], list_of(expected, group, i)->count);
    return missing;
}
