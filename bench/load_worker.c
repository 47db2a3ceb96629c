#define _GNU_SOURCE
#include "bench/load_worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_pool.h"
#include "bench/load_thread.h"

#define EVENTS_PER_TURN 512
#define BUFFER_MAX      (64 << 20)
#define FIRST_SOURCE    0x7f000002u /* 127.0.0.2 */
#define SLOW_HANDSHAKE  4096        /* bytes that a slow member reads at once before it is in */

static void publish(struct worker *worker)
{
    uint64_t slowest = UINT64_MAX;
    bool watch = worker->pool->config.groups->count == 1;

    for (uint32_t i = 0; watch && i < worker->member_count; i += worker->sample_stride) {
        const struct member *member = &worker->members[i];

        if (!member->slow && member->own.next < slowest)
            slowest = member->own.next;
    }
    atomic_store_explicit(&worker->shared.heard, worker->tally.heard, memory_order_relaxed);
    atomic_store_explicit(&worker->shared.slowest,
                          slowest == 0 || slowest == UINT64_MAX ? 0 : slowest - 1,
                          memory_order_relaxed);
    atomic_store(&worker->shared.delivered, worker->tally.delivered);
    pool_progressed(worker->pool);
}

/* Remembers why the first connection failed: a person wants a reason, not a count. */
static void note_failure(struct worker *worker, const char *what, const char *why, int size)
{
    if (worker->failure[0])
        return;
    snprintf(worker->failure, sizeof(worker->failure), "%s: %.*s", what, size, why);
}

static void note_refusal(struct worker *worker, uint16_t close_code)
{
    char text[64];
    int size = snprintf(text, sizeof(text), "the server does not accept it, code %u", close_code);

    note_failure(worker, "subscribing", text, size);
}

static void note_errno(struct worker *worker, const char *what, int error)
{
    const char *text = strerror(error);

    note_failure(worker, what, text, (int)strlen(text));
}

void worker_member_over(struct worker *worker, struct member *member)
{
    enum member_state was = (enum member_state)member->state;

    member_cut(member);
    switch (was) {
    case MEMBER_OPEN:
        atomic_fetch_sub(&worker->shared.open, 1);
        if (!member->slow) {
            worker->tally.faults.closed++;
            return;
        }
        worker->slow.cut++;
        break;
    case MEMBER_LEAVING:
        break;
    default:
        worker->connecting--;
        atomic_fetch_add(&worker->shared.failed, 1);
        return;
    }
    member_reset(member, &worker->rules);
    worker_connect_member(worker, member);
}

/* Sends the handshake's request as soon as the connection stands. Over loopback it mostly stands
 * when connect() returns, so that is tried at once. */
static void send_request(struct worker *worker, struct member *member)
{
    const struct pool_config *config = &worker->pool->config;
    const struct dialect *dialect = worker->rules.dialect;
    char path[512], request[1024];
    int size = dialect_path(dialect, path, sizeof(path), config->groups->names[member->group],
                            worker->rules.positions != NULL);

    if (size > 0)
        size = member_request(request, sizeof(request), config->host, path, dialect->subprotocol);
    if (size < 0) {
        note_failure(worker, "request", "too long", 8);
        worker_member_over(worker, member);
        return;
    }
    if (send(member->fd, request, (size_t)size, MSG_NOSIGNAL) == size) {
        member->state = MEMBER_UPGRADING;
        return;
    }
    /* Not connected yet reads as EAGAIN. The socket's buffer is empty: it takes all or nothing. */
    if (errno == EAGAIN || errno == EINTR)
        return;
    note_errno(worker, "connect", errno);
    worker_member_over(worker, member);
}

/* One address serves some thousand connections well: the kernel searches a free port for each. */
static int bind_source(const struct pool_config *config, int fd, uint32_t number)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int yes = 1;

    if (config->sources < 2)
        return 0;
    from.sin_addr.s_addr = htonl(FIRST_SOURCE + number % config->sources);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
    return bind(fd, (const struct sockaddr *)&from, sizeof(from));
}

void worker_connect_member(struct worker *worker, struct member *member)
{
    const struct pool_config *config = &worker->pool->config;
    uint32_t number = worker_member_number(worker, (uint32_t)(member - worker->members));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = member};

    if (worker->rules.more)
        worker->rules.more[member - worker->members].since_ns = monotonic_ns();
    worker->connecting++;
    member->state = MEMBER_CONNECTING;
    member->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (member->slow)
        slow_prepare(member->fd);
    if (member->fd < 0 || bind_source(config, member->fd, number) < 0 ||
        (connect(member->fd, (const struct sockaddr *)&config->server, sizeof(config->server)) <
             0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, member->fd, &event) < 0) {
        note_errno(worker, "connect", errno);
        worker_member_over(worker, member);
        return;
    }
    send_request(worker, member);
}

static void connect_more(struct worker *worker)
{
    while (worker->connecting < worker->connect_limit &&
           worker->connect_next < worker->member_count)
        worker_connect_member(worker, &worker->members[worker->connect_next++]);
}

void worker_connect(struct worker *worker, uint32_t limit)
{
    worker->connect_limit = limit;
    connect_more(worker);
}

void worker_cut(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->member_count; i++) {
        member_cut(&worker->members[i]);
        worker->members[i].state = MEMBER_IDLE;
    }
    worker->connect_next = worker->connecting = 0;
    atomic_store(&worker->shared.open, 0);
}

void worker_drop(struct worker *worker)
{
    worker_cut(worker);
    for (uint32_t i = 0; i < worker->member_count; i++) {
        member_reset(&worker->members[i], &worker->rules);
        worker->members[i].received = 0;
    }
    worker->tally.heard = 0;
    atomic_store(&worker->shared.heard, 0);
}

uint32_t worker_member_number(const struct worker *worker, uint32_t i)
{
    return i * worker->pool->worker_count + worker->index;
}

static void member_opened(struct worker *worker, struct member *member)
{
    member->state = MEMBER_OPEN;
    worker->connecting--;
    atomic_fetch_add(&worker->shared.open, 1);
    atomic_fetch_add(&worker->shared.opened, 1);
}

/* Who has spoken last holds back its acknowledgements, and the server then gets them while it
 * sends; a raw member, which never spoke, acknowledges what it reads. Members of all kinds are to
 * cost the server the same there. */
static void acknowledge_as_listener(const struct member *member)
{
    static const int yes = 1;

    (void)setsockopt(member->fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof(yes));
}

/* Takes `size` bytes that are frames. Returns how many are done with, or -1. */
static int64_t take_frames(struct worker *worker, struct member *member, uint8_t *bytes,
                           size_t size, uint64_t now_ns)
{
    bool joining = member->state == MEMBER_JOINING;
    struct tally *tally = member->slow ? worker->slow_tally : &worker->tally;
    int64_t used = member_take(member, tally, bytes, size, now_ns);

    if (joining && used < 0)
        note_refusal(worker, tally->close_code);
    if (joining && member->state == MEMBER_OPEN) {
        acknowledge_as_listener(member);
        member_opened(worker, member);
    }
    return used;
}

/* What came while the handshake's answer was awaited. Returns how much of it is used, or -1. */
static int64_t take_answer(struct worker *worker, struct member *member, uint8_t *bytes,
                           size_t size, uint64_t now_ns)
{
    const struct pool_config *config = &worker->pool->config;
    int answer = member_answer(bytes, size);
    int64_t used;

    if (answer < 0) {
        const uint8_t *end = memchr(bytes, '\r', size);

        note_failure(worker, "upgrade", (const char *)bytes,
                     end ? (int)(end - bytes) : (int)(size < 100 ? size : 100));
        return -1;
    }
    if (answer == 0)
        return 0;
    if (worker->rules.positions) {
        member->state = MEMBER_JOINING;
    } else if (!worker->rules.dialect->join) {
        member_opened(worker, member);
    } else if (!member_join(member, &worker->rules, config->groups->names[member->group],
                            worker_member_number(worker, (uint32_t)(member - worker->members)))) {
        note_failure(worker, "subscribing", "the request cannot be sent", 26);
        return -1;
    }
    used = take_frames(worker, member, bytes + answer, size - (size_t)answer, now_ns);
    return used < 0 ? used : used + answer;
}

/* A reply with all that a member has missed may be longer than what messages need. */
static bool grow_buffer(struct worker *worker)
{
    size_t size = 2 * worker->buffer_size;
    uint8_t *buffer;

    if (!worker->rules.dialect->frame || size > BUFFER_MAX)
        return false;
    buffer = realloc(worker->buffer, size);
    if (!buffer)
        return false;
    worker->buffer = buffer;
    worker->buffer_size = size;
    return true;
}

/* Takes `size` bytes from the buffer. False: the connection is over. */
static bool take_bytes(struct worker *worker, struct member *member, size_t size)
{
    uint64_t now = monotonic_ns();
    int64_t used;

    if (member->state == MEMBER_UPGRADING)
        used = take_answer(worker, member, worker->buffer, size, now);
    else
        used = take_frames(worker, member, worker->buffer, size, now);
    if (used < 0)
        return false;
    if ((uint64_t)used == size)
        return member->carry_size == 0 || member_keep(member, NULL, 0);
    if (!member_keep(member, worker->buffer + used, size - (size_t)used))
        return false;
    if (used > 0 || size < worker->buffer_size || grow_buffer(worker))
        return true;
    note_failure(worker, "frame", "longer than any message of this run", 35);
    return false;
}

/* A frame that was cut is put in front of what is read next, so that the parser only ever sees
 * whole ones. The events are edge-triggered: but for a member that is slow the socket must be
 * emptied. */
void worker_read_member(struct worker *worker, struct member *member, size_t most)
{
    for (;;) {
        size_t have = member->carry_size, room = worker->buffer_size - have;
        ssize_t n;

        if (most && room > most)
            room = most;
        if (have)
            memcpy(worker->buffer, member->carry, have);
        n = recv(member->fd, worker->buffer + have, room, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            if (member->state < MEMBER_OPEN)
                note_errno(worker, "upgrade", n < 0 ? errno : ECONNRESET);
            worker_member_over(worker, member);
            return;
        }
        if (!take_bytes(worker, member, have + (size_t)n)) {
            worker_member_over(worker, member);
            return;
        }
        if (member->slow)
            worker->slow.read_ns = monotonic_ns();
        if ((size_t)n < room || most)
            return;
        publish(worker); /* so much to read: do not keep others waiting for news */
    }
}

static void member_readable(struct worker *worker, struct member *member, uint32_t events)
{
    bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

    if (!member->slow || worker->slow.released || ended)
        worker_read_member(worker, member, 0);
    else if (member->state != MEMBER_OPEN)
        worker_read_member(worker, member, SLOW_HANDSHAKE);
}

static void member_event(struct worker *worker, struct member *member, uint32_t events)
{
    bool handshake = member->state != MEMBER_OPEN;

    if (member->fd < 0)
        return;
    if (member->state == MEMBER_CONNECTING)
        send_request(worker, member);
    if (member->fd >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        member_readable(worker, member, events);
    if (handshake)
        connect_more(worker);
}

static void run_job(struct worker *worker)
{
    struct pool *pool = worker->pool;
    uint64_t ignored;
    pool_job job;
    void *arg;

    (void)!read(worker->wake_fd, &ignored, sizeof(ignored));
    pthread_mutex_lock(&pool->lock);
    job = pool->job;
    arg = pool->job_arg;
    pthread_mutex_unlock(&pool->lock);

    job(worker, arg);

    pthread_mutex_lock(&pool->lock);
    if (--pool->job_pending == 0)
        pthread_cond_signal(&pool->done);
    pthread_mutex_unlock(&pool->lock);
}

static void end(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->member_count; i++)
        member_cut(&worker->members[i]);
    close(worker->epoll_fd);
}

/* A file table per thread: the limit on open files then counts for each of them. Refused (in some
 * sandboxes), all share one table, and the limit will say so itself. ThreadSanitizer knows
 * descriptors by their number alone and would take those of two tables for one. */
static void private_files(void)
{
#ifndef __SANITIZE_THREAD__
    (void)unshare(CLONE_FILES);
#endif
}

/* What is due by the clock. Returns for how long, in ms, there is nothing more; -1: for ever. */
static int timed_turn(struct worker *worker)
{
    uint64_t now, slow, churn, next;

    if (worker->churn.interval_ns <= 0 && worker->slow.count == 0)
        return -1;
    now = monotonic_ns();
    slow = slow_turn(worker, now);
    churn = churn_turn(worker, now);
    next = slow < churn ? slow : churn;
    if (next == UINT64_MAX)
        return -1;
    return next > now ? (int)((next - now) / NS_PER_MS) + 1 : 0;
}

void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct epoll_event events[EVENTS_PER_TURN];
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};

    private_files();
    if (worker->pool->config.urgent)
        thread_goes_first();
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll_fd < 0 ||
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->wake_fd, &wake) < 0) {
        perror("shardcast-load: epoll");
        exit(1);
    }
    while (!worker->stop) {
        int n = epoll_wait(worker->epoll_fd, events, EVENTS_PER_TURN, timed_turn(worker));

        for (int i = 0; i < n; i++)
            if (events[i].data.ptr)
                member_event(worker, events[i].data.ptr, events[i].events);
            else
                run_job(worker);
        publish(worker);
    }
    end(worker);
    return NULL;
}
