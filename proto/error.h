/* One list of errors for the whole project, with a text for each.
 *
 * Functions that can fail return 0 or one of these negative values (as libuv does). */
#ifndef SHARDCAST_PROTO_ERROR_H
#define SHARDCAST_PROTO_ERROR_H

enum error {
    ERR_NOMEM = -1,    /* out of memory */
    ERR_AGAIN = -2,    /* needs more bytes, or room, before it can go on */
    ERR_PROTOCOL = -3, /* the peer's bytes break the protocol */
    ERR_TOO_LARGE = -4,
    ERR_UTF8 = -5,
    ERR_FULL = -6,  /* a bounded queue has no room: an outcome, not a fault */
    ERR_SYS = -7,   /* a system call failed; errno says why */
    ERR_CONFIG = -8 /* the configuration is refused; the text says why */
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* A short text in lower case, never NULL. Any thread. */
const char *error_text(int error);

#endif
