/* Addresses to listen on: ADDR:PORT, where ADDR is an IPv4 address, an IPv6 address in brackets, or
 * a host name. Their form is judged when they are configured, a name is resolved when it is used.
 * Pure but for address_resolve(), which may ask the resolver and block. */
#ifndef SHARDCAST_ENGINE_ADDRESS_H
#define SHARDCAST_ENGINE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "proto/error.h"

#define ADDRESS_MAX     300 /* bytes of an ADDR:PORT, with its NUL */
#define ADDRESS_ALLOWED "ADDR:PORT, such as 127.0.0.1:7480, [::1]:7480 or localhost:7480"

/* Whether the form is right; NULL if it is, else what is wrong with it, as half a sentence. */
const char *address_fault(const char *text);

/* Whether only this machine can reach it: 127.0.0.0/8, ::1, or localhost. A name that has to be
 * looked up is not: what it means may change. Of a form that address_fault() accepts. */
bool address_is_loopback(const char *text);

/* The socket address for bind(); the first that a name has. Returns 0, or ERR_SYS with a text for
 * people in *why (static). */
int address_resolve(const char *text, struct sockaddr_storage *address, socklen_t *size,
                    const char **why) MUST_CHECK;

/* Writes a socket address as ADDR:PORT. */
void address_format(const struct sockaddr_storage *address, char text[ADDRESS_MAX]);

#endif
