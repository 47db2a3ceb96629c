/* Whom a command is for. Internal to proto/command*.c. */
#ifndef SHARDCAST_PROTO_COMMAND_TARGET_H
#define SHARDCAST_PROTO_COMMAND_TARGET_H

#include "proto/command.h"
#include "proto/command_fields.h"

#define TARGET_ONE_GROUP \
    (KEY_BIT(KEY_GROUP) | KEY_BIT(KEY_EXPERIMENT) | KEY_BIT(KEY_SESSION) | KEY_BIT(KEY_USER))
#define TARGET_ANY (TARGET_ONE_GROUP | KEY_BIT(KEY_GROUPS) | KEY_BIT(KEY_ALL))

/* Reads the one target that there must be among those that the op allows (keys that it does not
 * use are refused before). What is allocated is the command's, after an error too. */
int target_read(struct command *command, const struct fields *fields,
                struct command_refusal *refusal) MUST_CHECK;

#endif
