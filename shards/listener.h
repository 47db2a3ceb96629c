/* A shard's listening socket. All shards listen on the same address with SO_REUSEPORT: the kernel
 * hashes connections to them. One shard's own. */
#ifndef SHARDCAST_SHARDS_LISTENER_H
#define SHARDCAST_SHARDS_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "proto/error.h"

struct shard;
struct listener;

/* Takes over the fd, which is non-blocking. False: no more connections for the moment (the fd is
 * taken over all the same); listening goes on with listener_resume(). */
typedef bool (*listener_accepted)(struct shard *shard, int fd);

/* Listens on `address`; where its port is 0 a free one is taken and written there. With `first` the
 * address must not be in use, by SO_REUSEPORT neither. A peer that acknowledges nothing for
 * `dead_ms` milliseconds is gone (TCP_USER_TIMEOUT; 0: as long as the system has it). ERR_SYS:
 * errno says why. */
int listener_new(struct listener **listener, struct shard *shard, struct sockaddr_storage *address,
                 socklen_t bytes, bool first, listener_accepted accepted) MUST_CHECK;

/* Goes on after a stop for want of room or fds; nothing happens if there was none. */
void listener_resume(struct listener *listener);

/* Closes the socket; the memory goes when the loop has closed the handle. NULL is fine. */
void listener_close(struct listener *listener);

#endif
