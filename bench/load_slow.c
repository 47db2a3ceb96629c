#define _GNU_SOURCE
#include "bench/load_slow.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "bench/load_clock.h"
#include "bench/load_pool.h"
#include "bench/load_worker.h"

#define READ_NS      (NS_PER_S / 20)
#define ALIVE_NS     (5 * NS_PER_S)
#define BUFFER_BYTES 4096

int slow_init(struct worker *worker)
{
    struct slow *slow = &worker->slow;
    uint32_t count = 0;

    for (uint32_t i = 0; i < worker->member_count; i++)
        count += worker->members[i].slow;
    if (count == 0)
        return 0;
    slow->members = malloc(count * sizeof(*slow->members));
    worker->slow_tally = calloc(1, sizeof(*worker->slow_tally));
    if (!slow->members || !worker->slow_tally)
        return -1;
    worker->slow_tally->rules = &worker->rules;
    for (uint32_t i = 0; i < worker->member_count; i++)
        if (worker->members[i].slow)
            slow->members[slow->count++] = i;
    return 0;
}

void slow_prepare(int fd)
{
    int bytes = BUFFER_BYTES;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

/* A pong that nobody asked for: the server is to judge what waits for them, and not that the ping
 * behind it is never answered. */
static void show_life(const struct member *member)
{
    static const uint8_t pong[] = {0x8a, 0x80, 0, 0, 0, 0};

    (void)!send(member->fd, pong, sizeof(pong), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void slow_release(struct worker *worker)
{
    struct slow *slow = &worker->slow;

    slow->released = true;
    for (uint32_t i = 0; i < slow->count; i++) {
        struct member *member = &worker->members[slow->members[i]];

        if (member->state == MEMBER_OPEN)
            worker_read_member(worker, member, 0);
    }
}

uint64_t slow_turn(struct worker *worker, uint64_t now_ns)
{
    struct slow *slow = &worker->slow;
    uint64_t rate = worker->pool->config.slow_rate;
    uint64_t share = rate ? rate * READ_NS / NS_PER_S + 1 : 0;
    bool reads = now_ns >= slow->next_ns, lives = now_ns >= slow->alive_ns;

    if (slow->count == 0 || slow->released)
        return UINT64_MAX;
    for (uint32_t i = 0; (reads || lives) && i < slow->count; i++) {
        struct member *member = &worker->members[slow->members[i]];

        if (lives && member->state == MEMBER_OPEN)
            show_life(member);
        if (reads && share && member->state == MEMBER_OPEN)
            worker_read_member(worker, member, share);
    }
    if (reads)
        slow->next_ns = now_ns + READ_NS;
    if (lives)
        slow->alive_ns = now_ns + ALIVE_NS;
    return slow->next_ns < slow->alive_ns ? slow->next_ns : slow->alive_ns;
}
