/* What one member got of one group, judged message by message: each number once and in order.
 * Owned by the thread that owns the member. */
#ifndef SHARDCAST_BENCH_LOAD_STREAM_H
#define SHARDCAST_BENCH_LOAD_STREAM_H

#include <stdbool.h>
#include <stdint.h>

/* What went wrong. Every count is of messages, but the last two are of connections. */
struct faults {
    uint64_t lost;         /* never came */
    uint64_t repeated;     /* came more than once */
    uint64_t reordered;    /* came after a later one */
    uint64_t misdelivered; /* of a group that the member is not in */
    uint64_t corrupted;    /* not the bytes that were sent */
    uint64_t unexpected;   /* what nobody asked for: text, fragments, another run's messages */
    uint64_t closed;       /* connections that ended before the run did */
    uint64_t unrecovered;  /* connections that were not given what they had missed */
};

struct stream {
    uint64_t next; /* the number that should come next; 0: nothing has come yet */
    uint64_t seen; /* of the 64 numbers before it: bit 0 is next - 1 */
};

/* What is not simply the next one. */
void stream_take_other(struct stream *stream, struct faults *faults, uint64_t sequence);

/* A stream begins with the first message that it gets: a member has no claim to what was sent
 * before it had joined. */
static inline void stream_take(struct stream *stream, struct faults *faults, uint64_t sequence)
{
    if (__builtin_expect(sequence == stream->next, 1)) {
        stream->next++;
        stream->seen = stream->seen << 1 | 1;
        return;
    }
    stream_take_other(stream, faults, sequence);
}

/* A stream in which the next message is the one behind the first `before`. */
static inline struct stream stream_behind(uint64_t before)
{
    return (struct stream){.next = before + 1, .seen = UINT64_MAX};
}

/* How many messages up to and with number `last` have not come (the gaps that stream_take() counted
 * aside). */
static inline uint64_t stream_missing(const struct stream *stream, uint64_t last)
{
    return stream->next <= last ? last - stream->next + (stream->next ? 1 : 0) : 0;
}

void faults_merge(struct faults *into, const struct faults *from);
bool faults_none(const struct faults *faults);

#endif
