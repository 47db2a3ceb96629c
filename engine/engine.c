#include "engine/engine.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sched.h>
#include <unistd.h>
#include <uv.h>

#include "engine/address.h"
#include "engine/admin.h"
#include "engine/demo.h"
#include "engine/log.h"
#include "shards/lws_adapter.h"
#include "shards/outbox.h"
#include "shards/shard.h"

#define INBOX_SLOTS  1024
#define INBOX_BYTES  (16u << 20)
#define SHARDS_MAX   256
#define STALLED_NS   5000000000ull /* a loop that has not turned for so long is stalled */
#define FILES_WANTED 131072u       /* per shard, or what limits.connections asks for */
#define FILES_SPARE  4096u         /* beyond limits.connections */
#define FILES_MAX    10000000u     /* libwebsockets 4.1.6 takes no more */
#define RETRY_MS     2

enum engine_state { ENGINE_STARTING, ENGINE_RUNNING, ENGINE_INTAKE, ENGINE_CLOSING, ENGINE_ENDED };

struct engine {
    struct config config;
    struct world world;
    struct shard *shards;
    uint32_t shards_started;
    enum engine_state state;
    struct outbox *outbox; /* records for the shards */
    struct admin *admin;
    struct metrics_namespace *namespaces;
    struct http_asset demo[DEMO_ASSETS];
    uint32_t reached[SHARD_CLOSED + 1]; /* how many shards have got so far */
    uv_loop_t loop;
    uv_poll_t inbox;
    uv_signal_t signals[3];
    uv_timer_t deadline, retry;
};

/* Talking to shards */

static void hand_over(struct engine *engine);

static void on_retry(uv_timer_t *timer)
{
    hand_over(timer->data);
}

static void hand_over(struct engine *engine)
{
    if (outbox_hand_over(engine->outbox))
        uv_timer_start(&engine->retry, on_retry, RETRY_MS, 0);
}

static void tell_all(struct engine *engine, enum record_type type)
{
    for (uint32_t i = 0; i < engine->shards_started; i++)
        outbox_add(engine->outbox, i, OUTBOX_NORMAL, type, sizeof(struct record), NULL, 0, 0);
    hand_over(engine);
}

static void tell_settings(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->shards_started; i++) {
        struct record_settings *record = outbox_add(engine->outbox, i, OUTBOX_NORMAL,
                                                    RECORD_SETTINGS, sizeof(*record), NULL, 0, 0);
        record->settings = settings_ref(engine->config.settings);
    }
    hand_over(engine);
}

/* Draining */

static void end_drain(struct engine *engine)
{
    engine->state = ENGINE_ENDED;
    uv_timer_stop(&engine->deadline);
    uv_stop(&engine->loop);
}

static void on_deadline(uv_timer_t *timer)
{
    struct engine *engine = timer->data;

    log_warning("msg=\"drain deadline\" seconds=%u", engine->config.settings->drain_seconds);
    tell_all(engine, RECORD_CUT);
    end_drain(engine);
}

static void begin_drain(struct engine *engine)
{
    engine->state = ENGINE_INTAKE;
    log_info("msg=draining seconds=%u", engine->config.settings->drain_seconds);
    tell_all(engine, RECORD_STOP_INTAKE);
    uv_timer_start(&engine->deadline, on_deadline,
                   (uint64_t)engine->config.settings->drain_seconds * 1000, 0);
}

static void shard_reached(struct engine *engine, uint32_t state)
{
    assert(state <= SHARD_CLOSED);
    if (++engine->reached[state] < engine->shards_started)
        return;
    if (state == SHARD_INTAKE_STOPPED && engine->state == ENGINE_INTAKE) {
        engine->state = ENGINE_CLOSING;
        tell_all(engine, RECORD_CLOSE_ALL);
    } else if (state == SHARD_CLOSED && engine->state == ENGINE_CLOSING) {
        end_drain(engine);
    }
}

static void on_inbox(uv_poll_t *poll, int status, int events)
{
    struct engine *engine = poll->data;
    struct inbox *inbox = engine->world.inboxes[engine->world.shards];
    struct batch *batch;

    (void)status;
    (void)events;
    inbox_drain_wakeups(inbox);
    do {
        while ((batch = inbox_pop(inbox))) {
            struct record *record = NULL;

            while ((record = batch_next(batch, record)))
                shard_reached(engine, ((struct record_state *)record)->state);
            outbox_recycle(engine->outbox, batch);
        }
    } while (!inbox_sleep(inbox));
}

/* Signals */

static void reload(struct engine *engine)
{
    struct config fresh;
    struct config_changes changes;
    char error[CONFIG_ERROR_MAX];

    if (!engine->config.path) {
        log_warning("msg=\"no configuration file to read again\"");
        return;
    }
    if (config_reload(&engine->config, &fresh, &changes, error)) {
        log_error("msg=\"configuration refused, the old one stays\" error=\"%s\"", error);
        config_clear(&fresh);
        return;
    }
    for (unsigned i = 0; i < changes.count; i++)
        log_warning("msg=\"needs a restart\" key=%s", changes.keys[i]);
    config_clear(&engine->config);
    engine->config = fresh;
    tell_settings(engine);
    log_info("msg=\"configuration read again\" file=%s", engine->config.path);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct engine *engine = handle->data;

    if (number == SIGHUP) {
        if (engine->state == ENGINE_RUNNING)
            reload(engine);
    } else if (engine->state == ENGINE_RUNNING) {
        begin_drain(engine);
    } else {
        log_warning("msg=\"second signal, ending at once\"");
        _exit(1);
    }
}

/* What the admin port shows */

static bool is_ready(void *context)
{
    return ((struct engine *)context)->state == ENGINE_RUNNING;
}

static bool is_turning(void *context, uint32_t shard)
{
    struct engine *engine = context;
    uint64_t last =
        atomic_load_explicit(&engine->world.counters[shard]->heartbeat, memory_order_relaxed);
    uint64_t now = uv_hrtime();

    return now < last || now - last < STALLED_NS;
}

static void gather(void *context, struct stats *stats)
{
    struct engine *engine = context;
    uint32_t depths[SHARDS_MAX];

    for (uint32_t i = 0; i < engine->world.shards; i++)
        depths[i] = (uint32_t)inbox_depth(engine->world.inboxes[i]);
    stats_gather(stats, (const struct counters *const *)engine->world.counters, depths);
}

static uint32_t gather_namespaces(void *context, const struct metrics_namespace **namespaces)
{
    struct engine *engine = context;
    const struct settings *settings = engine->config.settings;
    struct metrics_namespace *grown =
        realloc(engine->namespaces, settings->namespace_count * sizeof(*grown));

    if (!grown)
        return 0;
    engine->namespaces = grown;
    for (uint32_t i = 0; i < settings->namespace_count; i++) {
        grown[i] = (struct metrics_namespace){settings->namespaces[i].name, 0};
        for (uint32_t shard = 0; shard < engine->world.shards; shard++)
            grown[i].members += counter_read(&engine->world.counters[shard]->namespace_members[i]);
    }
    *namespaces = grown;
    return settings->namespace_count;
}

/* Starting */

static uint32_t available_cores(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

    return count < 1 ? 1 : (uint32_t)count;
}

/* The soft limit of files is a default for programs that use select(): a shard wants more. How many
 * more is bounded, since libwebsockets as Debian builds it goes through its whole table of files,
 * which is of this size, at each accept and close; and beyond FILES_MAX it takes none. */
static void raise_file_limit(const struct settings *settings)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)settings->limits.connections + FILES_SPARE;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    if (wanted < FILES_WANTED) /* a reload may ask for more */
        wanted = FILES_WANTED;
    if (wanted < limit.rlim_cur)
        wanted = limit.rlim_cur;
    if (wanted > FILES_MAX)
        wanted = FILES_MAX;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int resolve(const char *text, struct sockaddr_storage *address, socklen_t *bytes,
                   char error[ENGINE_ERROR_MAX])
{
    const char *why;

    if (!address_resolve(text, address, bytes, &why))
        return 0;
    snprintf(error, ENGINE_ERROR_MAX, "%s: %s", text, why);
    return ERR_SYS;
}

static int init_world(struct engine *engine, char error[ENGINE_ERROR_MAX])
{
    struct world *world = &engine->world;
    uint32_t count = engine->config.shards ? engine->config.shards : available_cores();

    world->shards = count < SHARDS_MAX ? count : SHARDS_MAX;
    world->version = SHARDCAST_VERSION;
    demo_assets(engine->demo);
    world->assets = engine->demo;
    world->asset_count = DEMO_ASSETS;
    if (getrandom(&world->hash_key, sizeof(world->hash_key), 0) < 0 ||
        getrandom(&world->client_key, sizeof(world->client_key), 0) < 0 ||
        getrandom(&world->seed, sizeof(world->seed), 0) < 0)
        return ERR_SYS;
    if (resolve(engine->config.clients, &world->clients, &world->clients_bytes, error) ||
        resolve(engine->config.producers, &world->producers, &world->producers_bytes, error))
        return ERR_SYS;
    world->inboxes = calloc(world->shards + 1u, sizeof(*world->inboxes));
    world->counters = calloc(world->shards, sizeof(*world->counters));
    engine->shards = calloc(world->shards, sizeof(*engine->shards));
    if (!world->inboxes || !world->counters || !engine->shards)
        return ERR_NOMEM;
    for (uint32_t i = 0; i <= world->shards; i++)
        if (!(world->inboxes[i] = inbox_new(INBOX_SLOTS, INBOX_BYTES)))
            return ERR_NOMEM;
    for (uint32_t i = 0; i < world->shards; i++) {
        world->counters[i] = aligned_alloc(64, sizeof(struct counters));
        if (!world->counters[i])
            return ERR_NOMEM;
        memset(world->counters[i], 0, sizeof(struct counters));
    }
    engine->outbox = outbox_new(world->shards, world->shards, world->inboxes);
    return engine->outbox ? 0 : ERR_NOMEM;
}

static int init_loop(struct engine *engine)
{
    static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};
    struct inbox *inbox = engine->world.inboxes[engine->world.shards];

    uv_timer_init(&engine->loop, &engine->deadline);
    uv_timer_init(&engine->loop, &engine->retry);
    engine->deadline.data = engine->retry.data = engine->inbox.data = engine;
    if (uv_poll_init(&engine->loop, &engine->inbox, inbox_fd(inbox)))
        return ERR_SYS;
    uv_poll_start(&engine->inbox, UV_READABLE, on_inbox);
    bool empty = inbox_sleep(inbox);
    assert(empty);
    (void)empty;
    for (unsigned i = 0; i < 3; i++) {
        uv_signal_init(&engine->loop, &engine->signals[i]);
        engine->signals[i].data = engine;
        uv_signal_start(&engine->signals[i], on_signal, numbers[i]);
    }
    return 0;
}

static int start_shards(struct engine *engine, char error[ENGINE_ERROR_MAX])
{
    for (uint32_t i = 0; i < engine->world.shards; i++) {
        struct shard *shard = &engine->shards[i];
        char why[256] = "";

        shard->index = i;
        shard->world = &engine->world;
        shard->settings = settings_ref(engine->config.settings);
        int failed = shard_start(shard, why);
        if (failed) {
            snprintf(error, ENGINE_ERROR_MAX, "%s", why);
            return failed;
        }
        engine->shards_started++;
    }
    return 0;
}

static void log_listening(const struct engine *engine)
{
    char clients[ADDRESS_MAX], producers[ADDRESS_MAX];

    address_format(&engine->world.clients, clients);
    address_format(&engine->world.producers, producers);
    log_info("msg=listening clients=%s producers=%s admin=%s shards=%u version=%s", clients,
             producers, admin_address(engine->admin), engine->world.shards, SHARDCAST_VERSION);
}

int engine_start(struct engine **out, struct config *config, char error[ENGINE_ERROR_MAX])
{
    struct engine *engine = aligned_alloc(64, (sizeof(*engine) + 63) & ~(size_t)63);
    struct admin_source source = {engine, 0, is_ready, is_turning, gather, gather_namespaces};
    int failed;

    *out = NULL;
    if (!engine) {
        config_clear(config);
        snprintf(error, ENGINE_ERROR_MAX, "%s", error_text(ERR_NOMEM));
        return ERR_NOMEM;
    }
    memset(engine, 0, sizeof(*engine));
    engine->config = *config;
    snprintf(error, ENGINE_ERROR_MAX, "cannot start");
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit(config->settings);
    lws_adapter_setup();
    if (uv_loop_init(&engine->loop)) {
        config_clear(&engine->config);
        free(engine);
        return ERR_SYS;
    }
    if ((failed = init_world(engine, error)) || (failed = init_loop(engine)))
        goto fail;
    source.shards = engine->world.shards;
    if ((failed = admin_start(&engine->admin, &engine->loop, engine->config.admin,
                              engine->config.admin_token, &source, error)) ||
        (failed = start_shards(engine, error)))
        goto fail;
    engine->state = ENGINE_RUNNING;
    log_listening(engine);
    *out = engine;
    return 0;

fail:
    engine_stop(engine);
    return failed;
}

void engine_run(struct engine *engine)
{
    uv_run(&engine->loop, UV_RUN_DEFAULT);
}

/* Stopping */

static void exit_at_once(int number)
{
    (void)number;
    _exit(1);
}

/* From here on no loop runs that would see a second signal. */
static void end_at_once_on_signal(struct engine *engine)
{
    struct sigaction action = {.sa_handler = exit_at_once};

    for (unsigned i = 0; i < 3; i++)
        if (engine->signals[i].data)
            uv_signal_stop(&engine->signals[i]);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGHUP, SIG_IGN);
}

static void close_handle(uv_handle_t *handle, void *argument)
{
    (void)argument;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void stop_shards(struct engine *engine)
{
    tell_all(engine, RECORD_QUIT);
    while (outbox_waiting(engine->outbox)) {
        uv_sleep(RETRY_MS);
        outbox_hand_over(engine->outbox);
    }
    for (uint32_t i = 0; i < engine->shards_started; i++)
        shard_join(&engine->shards[i]);
}

static void free_world(struct world *world)
{
    for (uint32_t i = 0; world->inboxes && i <= world->shards; i++)
        inbox_free(world->inboxes[i]);
    for (uint32_t i = 0; world->counters && i < world->shards; i++)
        free(world->counters[i]);
    free(world->inboxes);
    free(world->counters);
}

void engine_stop(struct engine *engine)
{
    if (!engine)
        return;
    end_at_once_on_signal(engine);

    if (engine->outbox)
        stop_shards(engine);
    admin_stop(engine->admin);
    uv_walk(&engine->loop, close_handle, NULL);
    uv_run(&engine->loop, UV_RUN_DEFAULT);
    uv_loop_close(&engine->loop);
    outbox_free(engine->outbox);
    free_world(&engine->world);
    free(engine->shards);
    free(engine->namespaces);
    log_info("msg=stopped");
    config_clear(&engine->config);
    free(engine);
}
