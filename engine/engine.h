/* The process: shards, admin port, signals. Main thread.
 *
 * Life: STARTING, RUNNING, then a drain in three steps, each of which all shards must have reached
 * before the next begins: every command that was taken has been answered (no message can follow);
 * every client has got what it has yet to get and 1001; the threads end. The drain's deadline cuts
 * what is left. */
#ifndef SHARDCAST_ENGINE_ENGINE_H
#define SHARDCAST_ENGINE_ENGINE_H

#include "engine/config.h"
#include "proto/error.h"

#define ENGINE_ERROR_MAX 512

struct engine;

/* Starts everything. The configuration is the engine's from here on, also on failure; then `error`
 * is a sentence. */
int engine_start(struct engine **engine, struct config *config,
                 char error[ENGINE_ERROR_MAX]) MUST_CHECK;

/* Serves until a drain has ended. A second signal ends the process at once, with status 1. */
void engine_run(struct engine *engine);

/* Frees everything. NULL is fine. */
void engine_stop(struct engine *engine);

#endif
