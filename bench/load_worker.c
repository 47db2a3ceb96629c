#define _GNU_SOURCE
#include "bench/load_worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load_clock.h"
#include "bench/load_pool.h"

#define EVENTS_PER_TURN 512
#define BUFFER_MAX      (64 << 20)
#define FIRST_SOURCE    0x7f000002u /* 127.0.0.2 */

static void publish(struct worker *worker)
{
    uint64_t slowest = UINT64_MAX;
    bool watch = worker->pool->config.groups->count == 1;

    for (uint32_t i = 0; watch && i < worker->member_count; i += worker->sample_stride) {
        uint64_t next = worker->members[i].own.next;

        if (next < slowest)
            slowest = next;
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

static void note_errno(struct worker *worker, const char *what, int error)
{
    const char *text = strerror(error);

    note_failure(worker, what, text, (int)strlen(text));
}

/* A connection is over, by the server's doing or because it could not be made. */
static void member_over(struct worker *worker, struct member *member)
{
    if (member->state == MEMBER_OPEN) {
        worker->tally.faults.closed++;
        atomic_fetch_sub(&worker->shared.open, 1);
    } else {
        worker->connecting--;
        atomic_fetch_add(&worker->shared.failed, 1);
    }
    member_cut(member);
}

/* Sends the handshake's request as soon as the connection stands. Over loopback it mostly stands
 * when connect() returns, so that is tried at once. */
static void send_request(struct worker *worker, struct member *member)
{
    const struct pool_config *config = &worker->pool->config;
    const struct dialect *dialect = worker->tally.dialect;
    char path[160], request[512];
    int size = dialect_path(dialect, path, sizeof(path), config->groups->names[member->group]);

    if (size > 0)
        size = member_request(request, sizeof(request), config->host, path, dialect->subprotocol);
    if (size < 0) {
        note_failure(worker, "request", "too long", 8);
        member_over(worker, member);
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
    member_over(worker, member);
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

static void connect_member(struct worker *worker, uint32_t i)
{
    const struct pool_config *config = &worker->pool->config;
    struct member *member = &worker->members[i];
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = member};

    worker->connecting++;
    member->state = MEMBER_CONNECTING;
    member->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (member->fd < 0 || bind_source(config, member->fd, worker_member_number(worker, i)) < 0 ||
        (connect(member->fd, (const struct sockaddr *)&config->server, sizeof(config->server)) <
             0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, member->fd, &event) < 0) {
        note_errno(worker, "connect", errno);
        member_over(worker, member);
        return;
    }
    send_request(worker, member);
}

static void connect_more(struct worker *worker)
{
    while (worker->connecting < worker->connect_limit &&
           worker->connect_next < worker->member_count)
        connect_member(worker, worker->connect_next++);
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
    atomic_store(&worker->shared.failed, 0);
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
}

/* Takes `size` bytes that are frames. Returns how many are done with, or -1. */
static int64_t take_frames(struct worker *worker, struct member *member, uint8_t *bytes,
                           size_t size, uint64_t now_ns)
{
    bool joining = member->state == MEMBER_JOINING;
    int64_t used = member_take(member, &worker->tally, bytes, size, now_ns);

    if (joining && used < 0)
        note_failure(worker, "subscribing", "the server does not accept it", 29);
    if (joining && member->state == MEMBER_OPEN)
        member_opened(worker, member);
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
    if (!worker->tally.dialect->join) {
        member_opened(worker, member);
    } else if (!member_join(member, &worker->tally, config->groups->names[member->group],
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

    if (!worker->tally.dialect->frame || size > BUFFER_MAX)
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

/* Reads until the socket is empty: the events are edge-triggered. A frame that was cut is put in
 * front of what is read next, so that the parser only ever sees whole ones. */
static void member_readable(struct worker *worker, struct member *member)
{
    for (;;) {
        size_t have = member->carry_size, room = worker->buffer_size - have;
        ssize_t n;

        if (have)
            memcpy(worker->buffer, member->carry, have);
        n = recv(member->fd, worker->buffer + have, room, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            if (member->state != MEMBER_OPEN)
                note_errno(worker, "upgrade", n < 0 ? errno : ECONNRESET);
            member_over(worker, member);
            return;
        }
        if (!take_bytes(worker, member, have + (size_t)n)) {
            member_over(worker, member);
            return;
        }
        if ((size_t)n < room)
            return;
        publish(worker); /* so much to read: do not keep others waiting for news */
    }
}

static void member_event(struct worker *worker, struct member *member, uint32_t events)
{
    bool handshake = member->state != MEMBER_OPEN;

    if (member->fd < 0)
        return;
    if (member->state == MEMBER_CONNECTING)
        send_request(worker, member);
    if (member->fd >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        member_readable(worker, member);
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

void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct epoll_event events[EVENTS_PER_TURN];
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};

    private_files();
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll_fd < 0 ||
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->wake_fd, &wake) < 0) {
        perror("shardcast-load: epoll");
        exit(1);
    }
    while (!worker->stop) {
        int n = epoll_wait(worker->epoll_fd, events, EVENTS_PER_TURN, -1);

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
