/* Names of groups: which are valid, and what their first part says. */
#ifndef SHARDCAST_PROTO_GROUP_NAME_H
#define SHARDCAST_PROTO_GROUP_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROUP_NAME_MAX 128

#define EPOCH_MAX 32 /* an epoch is 1-32 of letters, digits, '-' and '_' */

/* The group that everyone is in has a name that no user can write. */
#define GROUP_EVERYONE       "*"
#define GROUP_EVERYONE_BYTES 1

enum group_category {
    GROUP_OTHER,
    GROUP_EXPERIMENT, /* experiment:… */
    GROUP_SESSION,    /* session:… */
    GROUP_USER,       /* user:… */
    GROUP_ALL         /* everyone */
};

/* A piece of somebody else's bytes, not ended by NUL. */
struct name_view {
    const char *bytes;
    uint32_t size;
};

/* 1-128 bytes of printable ASCII without space and / ? # % * , " \ . */
bool group_name_valid(const char *name, size_t size);

enum group_category group_name_category(const char *name, size_t size);

/* Length of the part before the first ':'; 0 where there is none (namespace ""). */
size_t group_name_namespace(const char *name, size_t size);

/* Keyed hash (XXH3, 64 bits): the same on every shard, not to be foreseen by a peer. */
uint64_t group_name_hash(const char *name, size_t size, uint64_t key);

#endif
