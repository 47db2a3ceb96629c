/* The commands of `shardcast`, one function each. They return an exit status. */
#ifndef SHARDCAST_ENGINE_CLI_COMMANDS_H
#define SHARDCAST_ENGINE_CLI_COMMANDS_H

#include "engine/cli/options.h"

int pub_main(const struct options *options);
int sub_main(const struct options *options);
int history_main(const struct options *options);
int stats_main(const struct options *options);

#endif
