/* A client's request head, and what a raw client asks for with its URL.
 *
 * Input: the bytes of a connection; or, where it begins with '/', a request target alone. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http_request.h"
#include "proto/ws_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GROUPS_MAX 4

static void check(bool promise)
{
    if (!promise)
        abort();
}

/* A copy in memory of just its size, so that a sanitizer sees what is read beyond. */
static char *copy_of(const void *bytes, size_t size)
{
    char *copy = calloc(1, size ? size : 1);

    check(copy != NULL);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

static void check_groups(const struct ws_target *target)
{
    check(target->group_count <= GROUPS_MAX);
    for (uint32_t i = 0; i < target->group_count; i++) {
        const struct ws_target_name *name = &target->groups[i];

        check(group_name_valid(name->bytes, name->size));
        check(name->bytes[name->size] == '\0');
        for (uint32_t k = 0; k < i; k++)
            check(strcmp(name->bytes, target->groups[k].bytes) != 0);
    }
}

static void check_wish(const struct ws_target *target)
{
    check(target->group_count || target->has_user);
    for (uint32_t i = 0; i < target->group_count; i++)
        check(group_name_category(target->groups[i].bytes, target->groups[i].size) != GROUP_USER);
    if (target->has_user)
        check(group_name_valid(target->user, strlen(target->user)) && strlen(target->user) <= 123);
    if (target->since != WS_SINCE_NONE)
        check(target->group_count == 1 && !target->has_user && !target->no_echo);
    if (target->since == WS_SINCE_POSITION)
        check(strlen(target->epoch) <= 32 && (target->epoch[0] || !target->offset));
}

static void fuzz_target(struct name_view path, struct name_view query)
{
    struct ws_target target;
    char text[160], out[HTTP_RESPONSE_MAX];

    if (ws_path_kind(path) != WS_PATH_RAW)
        return;

    enum ws_target_fault fault = ws_target_parse(&target, path, query, GROUPS_MAX, text);

    check(memchr(text, '\0', sizeof(text)) != NULL);
    for (const char *at = text; *at; at++)
        check(*at >= ' ' && *at <= '~');
    check_groups(&target);
    if (fault == WS_TARGET_OK) {
        check(!text[0]);
        check_wish(&target);
    } else {
        check(text[0]);
        check(http_refusal_response(out, 400, text) < sizeof(out));
    }
    ws_target_clear(&target);
}

static void check_view(struct name_view view, const char *head, size_t size)
{
    check(!view.bytes ? !view.size
                      : view.size == 1 || (view.bytes >= head && view.bytes <= head + size &&
                                           view.size <= (size_t)(head + size - view.bytes)));
}

static void fuzz_request(const char *head, size_t size)
{
    struct http_request request;
    char accept[HTTP_ACCEPT_MAX];

    if (http_request_parse(&request, head, size) < 0)
        return;
    check(size <= HTTP_HEAD_MAX && !memchr(head, '\0', size));
    check_view(request.path, head, size);
    check_view(request.query, head, size);
    check_view(request.host, head, size);
    check_view(request.origin, head, size);
    check_view(request.key, head, size);
    check_view(request.version, head, size);
    check_view(request.protocols, head, size);
    check_view(request.protocols_more, head, size);
    check_view(request.authorization, head, size);
    (void)http_has_protocol(&request, "shardcast.raw");
    if (http_upgrade_check(&request) == HTTP_UPGRADE_OK) {
        check(request.get && !request.repeated && !request.has_body && request.host.size);
        check(http_accept_key(accept, request.key) == 0);
        check(strlen(accept) == HTTP_ACCEPT_MAX - 1);
    }
    fuzz_target(request.path, request.query);
}

/* Where the head ends must not depend on how it comes. Returns it. */
static size_t head_end(const char *bytes, size_t size)
{
    size_t whole = http_head_end(bytes, size, 0), cut = 0;

    for (size_t have = 1, before = 0; have <= size && !cut; before = have++)
        cut = http_head_end(bytes, have, before);
    check(whole == cut && whole <= size);
    return whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = copy_of(data, size);

    if (size && *data == '/') {
        const char *mark = memchr(bytes, '?', size);
        size_t path_size = mark ? (size_t)(mark - bytes) : size;
        size_t query_size = mark ? size - path_size - 1 : 0;
        char *path = copy_of(bytes, path_size), *query = copy_of(mark ? mark + 1 : "", query_size);

        fuzz_target((struct name_view){path, (uint32_t)path_size},
                    (struct name_view){query, (uint32_t)query_size});
        free(path);
        free(query);
    } else {
        size_t end = head_end(bytes, size);
        char *head = copy_of(bytes, end ? end : size);

        fuzz_request(head, end ? end : size);
        free(head);
    }
    free(bytes);
    return 0;
}
