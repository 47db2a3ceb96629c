#include "bench/load_figures.h"

#include <string.h>

#include "bench/load_text.h"

static const struct {
    const char *name;
    enum figure_kind kind;
    const char *help;
} table[FIGURES] = {
    [FIGURE_LOST] = {"lost", KIND_COUNT, "messages that never came"},
    [FIGURE_REPEATED] = {"repeated", KIND_COUNT, "messages that came more than once"},
    [FIGURE_REORDERED] = {"reordered", KIND_COUNT, "messages that came after a later one"},
    [FIGURE_MISDELIVERED] = {"misdelivered", KIND_COUNT, "messages of another group"},
    [FIGURE_CORRUPTED] = {"corrupted", KIND_COUNT, "messages with a byte changed"},
    [FIGURE_UNEXPECTED] = {"unexpected", KIND_COUNT, "frames that nobody asked for"},
    [FIGURE_CLOSED] = {"closed", KIND_COUNT, "connections that the server ended"},
    [FIGURE_UNRECOVERED] = {"unrecovered", KIND_COUNT,
                            "connections not given what they had missed"},
    [FIGURE_REFUSED] = {"refused", KIND_COUNT, "commands that were refused"},
    [FIGURE_UNSENT] = {"unsent", KIND_COUNT,
                       "messages that were due but could not be sent in time"},
    [FIGURE_DELIVERED] = {"delivered", KIND_COUNT, "messages received by members"},
    [FIGURE_RATE] = {"rate", KIND_COUNT, "deliveries per second"},
    [FIGURE_P50] = {"p50", KIND_TIME, "latency, from when a message was due: median"},
    [FIGURE_P90] = {"p90", KIND_TIME, "latency: 90th percentile"},
    [FIGURE_P99] = {"p99", KIND_TIME, "latency: 99th percentile"},
    [FIGURE_P999] = {"p99.9", KIND_TIME, "latency: 99.9th percentile"},
    [FIGURE_MAX] = {"max", KIND_TIME, "latency: the longest"},
    [FIGURE_MEAN] = {"mean", KIND_TIME, "latency: mean"},
    [FIGURE_CRITICAL_P99] = {"critical.p99", KIND_TIME, "latency of critical messages"},
    [FIGURE_NORMAL_P99] = {"normal.p99", KIND_TIME, "latency of normal messages"},
    [FIGURE_LOW_P99] = {"low.p99", KIND_TIME, "latency of low messages"},
    [FIGURE_UPGRADES] = {"upgrades", KIND_COUNT, "connections made per second, at the beginning"},
    [FIGURE_REJOINS] = {"rejoins", KIND_COUNT, "members that left and joined again"},
    [FIGURE_REJOIN_P99] = {"rejoin.p99", KIND_TIME,
                           "from connect to hello, while there is traffic"},
    [FIGURE_CURRENT] = {"current", KIND_TIME,
                        "recover: until all that were cut have what they missed"},
    [FIGURE_CPU] = {"cpu", KIND_TIME, "the server's CPU time per delivery"},
    [FIGURE_RSS] = {"rss", KIND_BYTES, "the server's resident memory at the end"},
    [FIGURE_RSS_EACH] = {"rss.each", KIND_BYTES, "what connecting added to it, per connection"},
    [FIGURE_KERNEL_EACH] = {"kernel.each", KIND_BYTES, "kernel memory, per connection, both ends"},
    [FIGURE_RSS_GROWTH] = {"rss.growth", KIND_SHARE, "of the last quarter over the second"},
    [FIGURE_FDS_GROWTH] = {"fds.growth", KIND_SHARE, "likewise, of the server's open files"},
    [FIGURE_P99_GROWTH] = {"p99.growth", KIND_SHARE, "likewise, of the latency's p99"},
    [FIGURE_LIMITED] = {"limited", KIND_COUNT, "1 where the generator was the limit, else 0"},
};

const char *figure_name(enum figure figure)
{
    return table[figure].name;
}

enum figure_kind figure_kind(enum figure figure)
{
    return table[figure].kind;
}

const char *figure_help(enum figure figure)
{
    return table[figure].help;
}

enum figure figure_find(const char *name, size_t size)
{
    for (int i = 0; i < FIGURES; i++)
        if (strlen(table[i].name) == size && memcmp(table[i].name, name, size) == 0)
            return (enum figure)i;
    return FIGURES;
}

const char *figure_format(char text[TEXT_MAX], enum figure figure, double value)
{
    switch (table[figure].kind) {
    case KIND_TIME:
        return text_time(text, value);
    case KIND_BYTES:
        return text_bytes(text, value);
    case KIND_SHARE:
        return text_percent(text, value);
    default:
        return text_number(text, value);
    }
}
