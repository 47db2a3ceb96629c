/* Messages on standard output. */
#ifndef SHARDCAST_ENGINE_CLI_PRINT_H
#define SHARDCAST_ENGINE_CLI_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As they are, or in hexadecimal. */
void print_bytes(const uint8_t *bytes, size_t size, bool hex);

#endif
