#include "bench/load_stream.h"

#include <string.h>

/* A gap counts as lost until what is missing comes after all: then it was only out of order. Older
 * than what `seen` holds, a message cannot be told from one that came before: it is a repeat. */
void stream_take_other(struct stream *stream, struct faults *faults, uint64_t sequence)
{
    uint64_t gap, age;

    if (stream->next == 0) {
        stream->next = sequence + 1;
        stream->seen = UINT64_MAX;
        return;
    }
    if (sequence > stream->next) {
        gap = sequence - stream->next;
        faults->lost += gap;
        stream->seen = gap < 63 ? stream->seen << (gap + 1) | 1 : 1;
        stream->next = sequence + 1;
        return;
    }
    age = stream->next - 1 - sequence;
    if (age < 64 && !(stream->seen >> age & 1)) {
        stream->seen |= 1ull << age;
        faults->reordered++;
        faults->lost--;
        return;
    }
    faults->repeated++;
}

void faults_merge(struct faults *into, const struct faults *from)
{
    into->lost += from->lost;
    into->repeated += from->repeated;
    into->reordered += from->reordered;
    into->misdelivered += from->misdelivered;
    into->corrupted += from->corrupted;
    into->unexpected += from->unexpected;
    into->closed += from->closed;
    into->unrecovered += from->unrecovered;
}

bool faults_none(const struct faults *faults)
{
    static const struct faults none;

    return memcmp(faults, &none, sizeof(none)) == 0;
}
