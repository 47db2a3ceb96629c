/* The path with which `shardcast sub` asks for its groups. */
#ifndef SHARDCAST_ENGINE_CLI_SUBSCRIBE_URL_H
#define SHARDCAST_ENGINE_CLI_SUBSCRIBE_URL_H

#include "proto/error.h"

#define SUBSCRIBE_URL_MAX 7168 /* the engine takes a request head of 8 KiB in all */

/* "/ws?group=A&group=B&user=U"; `user` NULL: none. What is not a plain character is
 * percent-encoded. ERR_TOO_LARGE where it does not fit. */
int subscribe_url(char url[SUBSCRIBE_URL_MAX], char *const *groups, int group_count,
                  const char *user) MUST_CHECK;

#endif
