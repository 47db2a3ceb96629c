/* What the admin server answers: a request in, a whole response out. No I/O.
 *
 * Main thread, because the source is asked there. */
#ifndef SHARDCAST_ENGINE_ADMIN_PAGES_H
#define SHARDCAST_ENGINE_ADMIN_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/admin.h"
#include "proto/error.h"

struct admin_response {
    char *bytes; /* head and body; allocated */
    size_t size;
    bool keep_alive; /* the connection goes on behind it */
};

/* Answers one request, `head` being all of its head (proto/http_request.h). Returns 0, or
 * ERR_NOMEM: then the connection is all that is lost. */
int admin_pages_answer(const struct admin_source *source, const char *token, const char *head,
                       size_t size, struct admin_response *response) MUST_CHECK;

/* Refuses a head that is larger than HTTP_HEAD_MAX, and closes. Returns 0 or ERR_NOMEM. */
int admin_pages_too_large(struct admin_response *response) MUST_CHECK;

#endif
