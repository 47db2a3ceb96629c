#include "engine/admin_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <http_parser.h>
#include <openssl/crypto.h>

#include "engine/stats_json.h"
#include "proto/http_request.h"

#define TEXT "text/plain; charset=utf-8"

/* A response before it is written down. */
struct page {
    unsigned status;
    const char *type;
    const char *headers; /* more of them, each with its CRLF */
    const char *body;
    size_t size;
    char *owned; /* the body, where it is to be freed */
};

static struct page text_page(unsigned status, const char *text)
{
    return (struct page){status, TEXT, "", text, strlen(text), NULL};
}

/* Takes over `text`; NULL: out of memory. */
static struct page owned_page(unsigned status, const char *type, char *text, size_t size)
{
    if (!text)
        return text_page(HTTP_STATUS_INTERNAL_SERVER_ERROR, "out of memory\n");
    return (struct page){status, type, "", text, size, text};
}

/* ---- the pages ---- */

static struct page healthz(const struct admin_source *source)
{
    char *text = NULL;
    size_t size;
    FILE *out = NULL;

    for (uint32_t i = 0; i < source->shards; i++) {
        if (source->turning(source->ctx, i))
            continue;
        if (!out)
            out = open_memstream(&text, &size);
        if (!out)
            return text_page(HTTP_STATUS_SERVICE_UNAVAILABLE, "shards do not turn\n");
        fprintf(out, "shard %lu does not turn\n", (unsigned long)i);
    }
    if (!out)
        return text_page(HTTP_STATUS_OK, "ok\n");
    fclose(out);
    return owned_page(HTTP_STATUS_SERVICE_UNAVAILABLE, TEXT, text, size);
}

static struct page readyz(const struct admin_source *source)
{
    if (source->ready(source->ctx))
        return text_page(HTTP_STATUS_OK, "ok\n");
    return text_page(HTTP_STATUS_SERVICE_UNAVAILABLE, "starting or draining\n");
}

static struct stats *gather(const struct admin_source *source)
{
    struct stats *stats = stats_new(source->shards);

    if (stats)
        source->gather(source->ctx, stats);
    return stats;
}

static struct page stats_page(const struct admin_source *source)
{
    struct stats *stats = gather(source);
    size_t size = 0;
    char *text = stats ? stats_json(stats, &size) : NULL;

    free(stats);
    return owned_page(HTTP_STATUS_OK, "application/json", text, size);
}

static struct page metrics_page(const struct admin_source *source)
{
    const struct metrics_namespace *namespaces = NULL;
    uint32_t count = source->namespaces(source->ctx, &namespaces);
    struct stats *stats = gather(source);
    size_t size = 0;
    char *text = stats ? metrics_write(stats, namespaces, count, &size) : NULL;

    free(stats);
    return owned_page(HTTP_STATUS_OK, METRICS_CONTENT_TYPE, text, size);
}

static const struct route {
    const char *path;
    bool guarded; /* wants the token */
    struct page (*page)(const struct admin_source *source);
} routes[] = {
    {"/healthz", false, healthz},
    {"/readyz", false, readyz},
    {"/stats", true, stats_page},
    {"/metrics", true, metrics_page},
};

static const struct route *find_route(struct name_view path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (path.size == strlen(routes[i].path) && !memcmp(path.bytes, routes[i].path, path.size))
            return &routes[i];
    return NULL;
}

/* `Authorization: Bearer TOKEN` (RFC 6750 section 2.1). How long a comparison takes tells nothing
 * of the token but its length. */
static bool authorized(struct name_view header, const char *token)
{
    static const char scheme[] = "Bearer ";
    size_t size = header.size, skip = sizeof(scheme) - 1;
    const char *bytes = header.bytes;

    if (!bytes || size < skip || strncasecmp(bytes, scheme, skip))
        return false;
    while (skip < size && bytes[skip] == ' ')
        skip++;
    return size - skip == strlen(token) && !CRYPTO_memcmp(bytes + skip, token, size - skip);
}

/* ---- requests ---- */

static bool has_method(const char *head, size_t size)
{
    size_t letters = strspn(head, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");

    return letters && letters < size && head[letters] == ' ';
}

/* Refuses what is no request that can be answered; 0: it can be. */
static unsigned judge(const struct http_request *request)
{
    if (request->major != 1)
        return HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED;
    /* RFC 9112 section 3.2: exactly one Host from 1.1 on. */
    if (request->repeated || (request->minor && !request->host.bytes))
        return HTTP_STATUS_BAD_REQUEST;
    return 0;
}

static struct page method_page(void)
{
    struct page page = text_page(HTTP_STATUS_METHOD_NOT_ALLOWED, "GET and HEAD only\n");

    page.headers = "Allow: GET, HEAD\r\n";
    return page;
}

static struct page request_page(const struct admin_source *source, const char *token,
                                const struct http_request *request)
{
    const struct route *route = request->path.bytes ? find_route(request->path) : NULL;

    if (!route)
        return text_page(HTTP_STATUS_NOT_FOUND,
                         "not found; there are /healthz, /readyz, /stats and /metrics\n");
    if (!request->get && !request->head)
        return method_page();
    if (route->guarded && token && !authorized(request->authorization, token)) {
        struct page page = text_page(HTTP_STATUS_UNAUTHORIZED, "a bearer token is needed\n");

        page.headers = "WWW-Authenticate: Bearer\r\n";
        return page;
    }
    return route->page(source);
}

/* ---- responses ---- */

/* RFC 9110 section 5.6.7. */
static void write_date(FILE *out)
{
    char text[64];
    time_t now = time(NULL);
    struct tm parts;

    if (gmtime_r(&now, &parts) && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts))
        fprintf(out, "Date: %s\r\n", text);
}

static int write_response(struct admin_response *response, const struct page *page, bool body)
{
    FILE *out = open_memstream(&response->bytes, &response->size);

    if (!out)
        return ERR_NOMEM;
    fprintf(out, "HTTP/1.1 %u %s\r\n", page->status,
            http_status_str((enum http_status)page->status));
    write_date(out);
    fprintf(out,
            "Content-Type: %s\r\n"
            "Content-Length: %zu\r\n"
            "Cache-Control: no-store\r\n"
            "Connection: %s\r\n"
            "%s"
            "\r\n",
            page->type, page->size, response->keep_alive ? "keep-alive" : "close", page->headers);
    if (body)
        fwrite(page->body, 1, page->size, out);

    bool failed = ferror(out);
    if (fclose(out) || failed) {
        free(response->bytes);
        response->bytes = NULL;
        return ERR_NOMEM;
    }
    return 0;
}

/* A bare refusal that closes. */
static int refuse(unsigned status, struct admin_response *response)
{
    char text[64];

    snprintf(text, sizeof(text), "%s\n", http_status_str((enum http_status)status));
    const struct page page = text_page(status, text);
    response->keep_alive = false;
    return write_response(response, &page, true);
}

int admin_pages_too_large(struct admin_response *response)
{
    return refuse(HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE, response);
}

int admin_pages_answer(const struct admin_source *source, const char *token, const char *head,
                       size_t size, struct admin_response *response)
{
    struct http_request request;
    struct page page;

    if (http_request_parse(&request, head, size)) {
        /* The parser knows the registered methods; another is no malformed request. */
        if (!has_method(head, size) || !memcmp(head, "GET ", 4) || !memcmp(head, "HEAD ", 5))
            return refuse(HTTP_STATUS_BAD_REQUEST, response);
        page = method_page();
        response->keep_alive = false;
        return write_response(response, &page, true);
    }

    unsigned refusal = judge(&request);
    if (refusal)
        return refuse(refusal, response);

    /* A body is not read, so nothing behind it can be. */
    response->keep_alive = request.keep_alive && !request.has_body;
    page = request_page(source, token, &request);
    int error = write_response(response, &page, !request.head);
    free(page.owned);
    return error;
}
