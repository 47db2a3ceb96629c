/* What the members of a replay must get. A recorded message carries no number and no checksum of
 * ours, so a member holds each against the messages that its group is to get, in order: the next
 * one, or, where it is not that, one that was skipped, comes late, comes again, is another group's,
 * or is no message of the recording at all.
 *
 * Made by the main thread before the members connect; from then on read by all threads, but for
 * began_ns, which is set before the first message is sent. */
#ifndef SHARDCAST_BENCH_LOAD_EXPECTED_H
#define SHARDCAST_BENCH_LOAD_EXPECTED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/load_groups.h"
#include "bench/load_recording.h"
#include "bench/load_stream.h"

/* Messages of a group keep their order but for critical ones, which may overtake. Whether a group
 * is critical by itself is not known here, so who says no priority is a class of its own. */
enum expected_class { CLASS_CRITICAL, CLASS_OTHER, CLASS_UNSAID, EXPECTED_CLASSES };

struct expected_list {
    uint64_t *hashes; /* of frame kind and payload, in order */
    uint64_t *due_ns; /* of each, since the recording began */
    uint32_t count, room;
};

struct expected {
    struct groups *groups;       /* those that the recording names; owned */
    struct expected_list *lists; /* by group and class; behind them those of everyone */
    uint32_t *table;             /* group numbers + 1 by name, open addressing; 0: free */
    uint64_t *known;             /* all hashes, likewise */
    uint32_t table_room;
    size_t known_room, known_count;
    size_t payload_max;
    uint64_t skipped; /* commands that are no broadcast */
    double speed;     /* of the replay; 1: as recorded */
    _Atomic uint64_t began_ns;
};

/* What a member has got of each list: its group's, and everyone's. */
struct expected_member {
    struct stream streams[2 * EXPECTED_CLASSES];
};

/* Reads the commands as the engine does, and leaves those that are no broadcast out of the
 * recording. Each group has `members` members. NULL: a command is wrong, or out of memory; stderr
 * says which. */
struct expected *expected_new(struct recording *recording, uint32_t members);
void expected_free(struct expected *expected);

/* Messages times members. */
uint64_t expected_deliveries(const struct expected *expected);

/* A member that has got nothing yet. */
void expected_begin(struct expected_member *member);

/* Judges a frame that a member of `group` got; `first` is the frame's first byte. True: it is one
 * of the recording's for this member, and *due_ns says when it was due. */
bool expected_take(const struct expected *expected, struct expected_member *member, uint32_t group,
                   struct faults *faults, uint8_t first, const uint8_t *payload, size_t size,
                   uint64_t *due_ns);

/* How many have not come (the gaps that are counted as lost aside). */
uint64_t expected_missing(const struct expected *expected, const struct expected_member *member,
                          uint32_t group);

#endif
