#include "shards/producer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "shards/answers.h"
#include "shards/producer_command.h"
#include "shards/shard.h"

#define SCRATCH_BYTES (128u << 10)
#define OUT_MAX       (1u << 20) /* answers that a producer has not taken */
#define LINGER_TICKS  (2u * WHEEL_PER_SECOND)

/* Producers that are read from before the loop comes to them, at a time, and how much from each. */
#define AHEAD_PRODUCERS 64
#define AHEAD_BYTES     65536

/* Questions for history that a producer may have under way: each answer holds messages. */
#define HISTORIES_MAX 16

int producer_table_init(struct producer_table *table)
{
    memset(table, 0, sizeof(*table));
    slot_table_init(&table->slots);
    table->scratch = malloc(SCRATCH_BYTES);
    return table->scratch ? 0 : ERR_NOMEM;
}

void producer_table_free(struct producer_table *table)
{
    slot_table_free(&table->slots);
    slot_list_free(&table->waiting);
    slot_list_free(&table->answered);
    slot_list_free(&table->lingering);
    free(table->scratch);
}

/* The end */

static void on_closed(uv_handle_t *handle)
{
    struct producer *producer = (struct producer *)handle;

    answers_free(&producer->answers);
    buffer_free(&producer->out);
    free(producer->input);
    free(producer);
}

void producer_end(struct producer *producer)
{
    if (producer->ended)
        return;
    producer->ended = true;
    slot_table_remove(&producer->shard->producers.slots, producer->ref);
    uv_close((uv_handle_t *)&producer->tcp, on_closed);
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct producer *producer = request->handle->data;

    free(request);
    if (status && !producer->ended)
        producer_end(producer);
}

/* Ends our side only: while there are bytes that nobody has read, a close would send a reset, which
 * may eat the last answer on its way. */
static void linger(struct producer *producer)
{
    struct shard *shard = producer->shard;
    uv_shutdown_t *request = malloc(sizeof(*request));

    if (!request || uv_shutdown(request, (uv_stream_t *)&producer->tcp, on_shut)) {
        free(request);
        producer_end(producer);
        return;
    }
    producer->linger_until = shard->wheel.now + LINGER_TICKS;
    slot_list_add(&shard->producers.lingering, producer->ref);
}

/* Closes once everything has been answered and sent. */
static void end_if_done(struct producer *producer)
{
    if (!answers_empty(&producer->answers) || producer->out.size || producer->linger_until ||
        uv_stream_get_write_queue_size((uv_stream_t *)&producer->tcp))
        return;
    if (producer->peer_done && !producer->waiting)
        producer_end(producer);
    else if (producer->fatal)
        linger(producer);
}

void producer_tick(struct shard *shard)
{
    struct slot_list list = slot_list_take(&shard->producers.lingering);

    for (uint32_t i = 0; i < list.count; i++) {
        struct producer *producer = slot_table_get(&shard->producers.slots, list.refs[i]);

        if (!producer)
            continue;
        if ((int32_t)(shard->wheel.now - producer->linger_until) >= 0)
            producer_end(producer);
        else
            slot_list_add(&shard->producers.lingering, producer->ref);
    }
    slot_list_free(&list);
}

/* Answers */

static void list_answered(struct producer *producer)
{
    if (producer->listed)
        return;
    producer->listed = true;
    slot_list_add(&producer->shard->producers.answered, producer->ref);
}

static struct answer_place *find_place(struct shard *shard, const struct command_ref *command,
                                       struct producer **producer)
{
    struct slot_ref ref = {command->producer, command->generation};

    *producer = slot_table_get(&shard->producers.slots, ref);
    return *producer ? answers_get(&(*producer)->answers, command->sequence) : NULL;
}

void producer_answered(struct shard *shard, const struct record_answer *answer)
{
    struct producer *producer;
    struct answer_place *place = find_place(shard, &answer->command, &producer);

    if (!place) {
        /* Its producer has gone, but the message has not. */
        if (answer->refusal == REFUSAL_NONE && answer->epoch && !answer->command.part)
            counter_add(&shard->counters->messages_in_producer, 1);
        return;
    }
    if (answer->refusal == REFUSAL_NONE && place->op == COMMAND_BROADCAST && !place->taken)
        counter_add(&shard->counters->messages_in_producer, 1);
    uint32_t max_rate =
        settings_namespace(shard->settings, answer->name, answer->head.name_bytes)->max_rate;
    if (answer_note(place, answer, max_rate))
        producer_end(producer);
    else
        list_answered(producer);
}

void producer_closed(struct shard *shard, const struct record_closed *closed)
{
    struct producer *producer;
    struct answer_place *place = find_place(shard, &closed->command, &producer);

    if (!place)
        return;
    place->closing--;
    place->members += closed->connections;
    list_answered(producer);
}

void producer_history(struct shard *shard, const struct record_history_answer *answer)
{
    struct producer *producer;
    struct answer_place *place = find_place(shard, &answer->asker.command, &producer);

    if (!place)
        return;
    if (answer_note_history(place, answer))
        producer_end(producer);
    else
        list_answered(producer);
}

struct write {
    uv_write_t request; /* first */
    struct buffer bytes;
};

static void on_written(uv_write_t *request, int status)
{
    struct write *write = (struct write *)request;
    struct producer *producer = request->handle->data;

    buffer_free(&write->bytes);
    free(write);
    if (producer->ended)
        return;
    if (status) {
        producer_end(producer);
        return;
    }
    list_answered(producer); /* looks whether it is done, and whether there is more */
    shard_again(producer->shard);
}

/* Sends what is in `out`: what the socket takes at once, and the rest by a request. */
static void send_out(struct producer *producer)
{
    uv_stream_t *stream = (uv_stream_t *)&producer->tcp;
    uv_buf_t piece = {.base = (char *)producer->out.bytes, .len = producer->out.size};
    int sent = uv_stream_get_write_queue_size(stream) ? 0 : uv_try_write(stream, &piece, 1);

    if (sent < 0 && sent != UV_EAGAIN) {
        producer_end(producer);
        return;
    }
    if (sent < 0)
        sent = 0;
    if ((size_t)sent == producer->out.size) {
        if (producer->out.capacity > 65536)
            buffer_free(&producer->out);
        producer->out.size = 0;
        return;
    }
    struct write *write = calloc(1, sizeof(*write));
    if (!write) {
        producer_end(producer);
        return;
    }
    write->bytes = producer->out;
    memset(&producer->out, 0, sizeof(producer->out));
    piece.base = (char *)write->bytes.bytes + sent;
    piece.len = write->bytes.size - (size_t)sent;
    if (uv_write(&write->request, stream, &piece, 1, on_written)) {
        buffer_free(&write->bytes);
        free(write);
        producer_end(producer);
    }
}

static size_t unsent(const struct producer *producer)
{
    return producer->out.size + uv_stream_get_write_queue_size((uv_stream_t *)&producer->tcp);
}

/* Sends what answers can go out while the producer takes them: on_written() goes on. */
static void send_answers(struct producer *producer)
{
    while (!producer->ended && unsent(producer) < OUT_MAX && answers_ready(&producer->answers)) {
        if (producer_encode_answers(producer, OUT_MAX))
            producer_end(producer);
        else if (producer->out.size)
            send_out(producer);
    }
}

void producer_send_answers(struct shard *shard)
{
    struct slot_list list = slot_list_take(&shard->producers.answered);

    for (uint32_t i = 0; i < list.count; i++) {
        struct producer *producer = slot_table_get(&shard->producers.slots, list.refs[i]);

        if (!producer)
            continue;
        producer->listed = false;
        send_answers(producer);
        if (!producer->ended)
            end_if_done(producer);
    }
    slot_list_free(&list);
}

/* Commands */

/* One that has nothing under way need not wait for what others have: a heavy producer holds up
 * itself. What that lets in beyond the shard's limits has a limit, too. */
static bool must_wait(const struct producer *producer)
{
    const struct shard *shard = producer->shard;

    if (answers_empty(&producer->answers) && shard->under_way <= 2 * SHARD_UNDER_WAY_MAX)
        return unsent(producer) > OUT_MAX;
    return shard_congested(shard) || !shard->input_budget || answers_full(&producer->answers) ||
           producer->histories >= HISTORIES_MAX || unsent(producer) > OUT_MAX;
}

/* Takes what commands there are in `bytes`. Returns how many bytes they were. */
static size_t take_commands(struct producer *producer, const uint8_t *bytes, size_t size)
{
    struct shard *shard = producer->shard;
    size_t max = shard->settings->limits.message_bytes + COMMAND_OVERHEAD_MAX, at = 0;
    size_t share = group_flush_pending(&shard->groups) ? SHARD_INPUT_LITTLE : SHARD_INPUT_BUDGET;

    producer->waiting = false;
    while (at < size && !producer->fatal && !producer->ended) {
        if (must_wait(producer) || at >= share) {
            producer->waiting = true;
            break;
        }
        int64_t length = command_scan(&producer->scanner, bytes + at, size - at, max);
        if (length == 0)
            break;
        if (length < 0) {
            producer_stream_broken(producer, (int)length);
            break;
        }
        producer_command(producer, bytes + at, (size_t)length);
        at += (size_t)length;
        shard->input_budget -=
            (size_t)length < shard->input_budget ? (uint32_t)length : shard->input_budget;
    }
    if (!answers_empty(&producer->answers) || producer->peer_done)
        list_answered(producer);
    return producer->fatal ? size : at;
}

static int input_reserve(struct producer *producer, size_t size)
{
    size_t room = producer->input_room ? producer->input_room : 4096;

    while (room < size)
        room *= 2;
    if (room == producer->input_room)
        return 0;
    uint8_t *input = realloc(producer->input, room);
    if (!input)
        return ERR_NOMEM;
    producer->input = input;
    producer->input_room = room;
    return 0;
}

/* Keeps what is left of `size` bytes after `taken`; an idle producer keeps no buffer. */
static int keep_rest(struct producer *producer, const uint8_t *bytes, size_t size, size_t taken)
{
    size_t rest = size - taken;

    if (!rest) {
        free(producer->input);
        producer->input = NULL;
        producer->input_room = producer->input_size = 0;
        return 0;
    }
    if (bytes != producer->input && input_reserve(producer, rest))
        return ERR_NOMEM;
    memmove(producer->input, bytes + taken, rest);
    producer->input_size = rest;
    return 0;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct producer *producer = handle->data;

    if (!producer->input_size) {
        *buffer = uv_buf_init((char *)producer->shard->producers.scratch, SCRATCH_BYTES);
    } else if (input_reserve(producer, producer->input_size + suggested)) {
        *buffer = uv_buf_init(NULL, 0);
    } else {
        size_t room = producer->input_room - producer->input_size;

        *buffer = uv_buf_init((char *)producer->input + producer->input_size, (unsigned)room);
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer);

/* Works through bytes that have come. */
static void consume(struct producer *producer, const uint8_t *bytes, size_t size)
{
    size_t taken = take_commands(producer, bytes, size);

    if (producer->ended)
        return;
    if (keep_rest(producer, bytes, size, taken)) {
        producer_end(producer);
        return;
    }
    if (producer->waiting) {
        uv_read_stop((uv_stream_t *)&producer->tcp);
        slot_list_add(&producer->shard->producers.waiting, producer->ref);
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct producer *producer = stream->data;
    const uint8_t *bytes = (const uint8_t *)buffer->base;

    shard_turn_begins(producer->shard);
    if (producer->fatal && got >= 0)
        return; /* the stream cannot be read on: what still comes is thrown away */
    if (got == UV_EOF) {
        uv_read_stop(stream);
        producer->peer_done = true;
        if (producer->linger_until)
            producer_end(producer);
        else
            end_if_done(producer);
    } else if (got < 0) {
        producer_end(producer);
    } else if (producer->input_size) {
        consume(producer, producer->input, producer->input_size + (size_t)got);
    } else {
        consume(producer, bytes, (size_t)got);
    }
}

/* Goes on with one that had to wait. */
static void take_up(struct producer *producer)
{
    consume(producer, producer->input, producer->input_size);
    if (!producer->ended && !producer->waiting && !producer->peer_done)
        uv_read_start((uv_stream_t *)&producer->tcp, on_allocate, on_read);
}

static void read_ahead(struct producer *producer)
{
    uv_handle_t *handle = (uv_handle_t *)&producer->tcp;
    uv_os_fd_t fd;
    uv_buf_t buffer;
    ssize_t got;

    if (producer->ended || producer->waiting || producer->peer_done || uv_fileno(handle, &fd))
        return;
    on_allocate(handle, AHEAD_BYTES, &buffer);
    got = buffer.len ? recv(fd, buffer.base, buffer.len, MSG_DONTWAIT) : 0;
    if (got > 0) /* an end or an error is the loop's to tell */
        on_read((uv_stream_t *)&producer->tcp, got, &buffer);
}

void producer_read_ahead(struct shard *shard)
{
    struct producer_table *table = &shard->producers;

    for (uint32_t i = 0; i < AHEAD_PRODUCERS && i < table->slots.room; i++) {
        struct producer *producer = table->slots.slots[table->ahead++ % table->slots.room].thing;

        if (producer)
            read_ahead(producer);
    }
}

void producer_take_waiting(struct shard *shard)
{
    struct slot_list *waiting = &shard->producers.waiting;
    struct slot_list list, passed = {NULL, 0, 0};

    if (!waiting->count)
        return;
    list = slot_list_take(waiting);
    for (uint32_t i = 0; i < list.count; i++) {
        struct producer *producer = slot_table_get(&shard->producers.slots, list.refs[i]);

        if (!producer)
            continue;
        if (must_wait(producer))
            slot_list_add(&passed, producer->ref);
        else
            take_up(producer);
    }
    /* Those who were passed by come first next time, before those who had their turn. */
    for (uint32_t i = 0; i < waiting->count; i++)
        slot_list_add(&passed, waiting->refs[i]);
    slot_list_free(waiting);
    slot_list_free(&list);
    *waiting = passed;
}

bool producer_can_go_on(const struct shard *shard)
{
    const struct slot_list *waiting = &shard->producers.waiting;

    for (uint32_t i = 0; i < waiting->count; i++) {
        struct producer *producer = slot_table_get(&shard->producers.slots, waiting->refs[i]);

        if (producer && !must_wait(producer))
            return true;
    }
    return false;
}

/* Birth and death */

bool producer_accept(struct shard *shard, int fd)
{
    struct producer *producer = calloc(1, sizeof(*producer));

    if (!producer || slot_table_add(&shard->producers.slots, producer, &producer->ref)) {
        free(producer);
        close(fd);
        return true;
    }
    producer->shard = shard;
    producer->authorized = !shard->settings->producers_token;
    command_scanner_init(&producer->scanner);
    uv_tcp_init(&shard->loop, &producer->tcp);
    producer->tcp.data = producer;
    if (uv_tcp_open(&producer->tcp, fd)) {
        close(fd);
        producer_end(producer);
    } else if (uv_read_start((uv_stream_t *)&producer->tcp, on_allocate, on_read)) {
        producer_end(producer);
    }
    return true;
}

/* Nothing is under way, and it goes on. */
static bool has_all(const struct producer *producer)
{
    return !producer->ended && !producer->linger_until && !producer->waiting &&
           answers_empty(&producer->answers) && !unsent(producer);
}

void producer_finish_all(struct shard *shard)
{
    const struct slot_table *slots = &shard->producers.slots;

    for (uint32_t i = 0; i < slots->room; i++) {
        struct producer *producer = slots->slots[i].thing;

        if (!producer || !has_all(producer))
            continue;
        read_ahead(producer); /* what has come already is answered */
        if (!has_all(producer))
            continue;
        producer->fatal = true;
        linger(producer);
    }
}

void producer_close_all(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->producers.slots.room; i++)
        if (shard->producers.slots.slots[i].thing)
            producer_end(shard->producers.slots.slots[i].thing);
}
