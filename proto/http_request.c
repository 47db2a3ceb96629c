#include "proto/http_request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <http_parser.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#define KEY_BYTES 24 /* 16 bytes in base64 */

/* One parse. Everything the views point at is in the head, which comes in one piece, so http_parser
 * calls back once for the URL and once for each name and value. */
struct parse {
    struct http_request *request;
    struct name_view url, field;
    bool complete;
};

static bool view_is(struct name_view view, const char *text)
{
    return view.size == strlen(text) && !strncasecmp(view.bytes, text, view.size);
}

static struct name_view trimmed(const char *bytes, size_t size)
{
    while (size && (*bytes == ' ' || *bytes == '\t')) {
        bytes++;
        size--;
    }
    while (size && (bytes[size - 1] == ' ' || bytes[size - 1] == '\t'))
        size--;
    return (struct name_view){bytes, (uint32_t)size};
}

size_t http_head_end(const char *bytes, size_t size, size_t from)
{
    /* A line's end that was seen last time may have waited for the two bytes behind it. */
    size_t at = from > 2 ? from - 2 : 0;

    while (at < size) {
        const char *end = memchr(bytes + at, '\n', size - at);

        if (!end)
            return 0;
        at = (size_t)(end - bytes) + 1;
        /* The parser takes CRLF alone; but an empty line in any form ends the wait for one. */
        if (at < size && bytes[at] == '\n')
            return at + 1;
        if (at + 1 < size && bytes[at] == '\r' && bytes[at + 1] == '\n')
            return at + 2;
    }
    return 0;
}

/* What http_parser, as Debian builds it, lets pass: bare CR or LF, folded lines, control characters
 * (RFC 9112 sections 2.2 and 5.2, RFC 9110 section 5.5). */
static bool lines_are_clean(const char *head, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)head[i];

        if (byte == '\r') {
            if (++i == size || head[i] != '\n')
                return false;
            if (i + 1 < size && (head[i + 1] == ' ' || head[i + 1] == '\t'))
                return false;
        } else if ((byte < ' ' && byte != '\t') || byte == 0x7F) {
            return false;
        }
    }
    return true;
}

static bool visible_ascii(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return false;
    return true;
}

/* RFC 9110 section 5.6.2. */
static bool is_token(const char *bytes, size_t size)
{
    static const bool in_tokens[256] = {
        ['!'] = true,         ['#' ... '\''] = true, ['*'] = true, ['+'] = true,
        ['-'] = true,         ['.'] = true,          ['^'] = true, ['_'] = true,
        ['0' ... '9'] = true, ['A' ... 'Z'] = true,  ['`'] = true, ['a' ... 'z'] = true,
        ['|'] = true,         ['~'] = true,
    };

    for (size_t i = 0; i < size; i++)
        if (!in_tokens[(uint8_t)bytes[i]])
            return false;
    return size > 0;
}

/* Whether exactly METHOD SP URL SP "HTTP/" is there. The parser lets several spaces pass and, as
 * Debian builds it, also HTTX. */
static bool request_line_is_exact(const char *head, size_t size, const char *method,
                                  struct name_view url)
{
    static const char http[] = " HTTP/";
    size_t method_bytes = strlen(method), at = (size_t)(url.bytes - head), end = at + url.size;

    return at > method_bytes && url.bytes[-1] == ' ' &&
           !memcmp(url.bytes - 1 - method_bytes, method, method_bytes) &&
           size - end > sizeof(http) && !memcmp(head + end, http, sizeof(http) - 1);
}

static int on_message_begin(http_parser *parser)
{
    const struct parse *parse = parser->data;

    return parse->complete; /* one head, and nothing behind it */
}

static int on_url(http_parser *parser, const char *at, size_t size)
{
    struct parse *parse = parser->data;

    parse->url = (struct name_view){at, (uint32_t)size};
    return !visible_ascii(at, size) || memchr(at, '#', size) != NULL;
}

static int on_header_field(http_parser *parser, const char *at, size_t size)
{
    struct parse *parse = parser->data;

    parse->field = (struct name_view){at, (uint32_t)size};
    return !is_token(at, size);
}

/* Keeps the first of its kind. */
static bool take(struct name_view *view, struct name_view value)
{
    if (view->bytes)
        return false;
    *view = value;
    return true;
}

static void take_once(struct http_request *request, struct name_view *view, struct name_view value)
{
    if (!take(view, value))
        request->repeated = true;
}

static int on_header_value(http_parser *parser, const char *at, size_t size)
{
    struct parse *parse = parser->data;
    struct http_request *request = parse->request;
    struct name_view field = parse->field, value = trimmed(at, size);

    if (view_is(field, "Host"))
        take_once(request, &request->host, value);
    else if (view_is(field, "Origin"))
        take_once(request, &request->origin, value);
    else if (view_is(field, "Sec-WebSocket-Key"))
        take_once(request, &request->key, value);
    else if (view_is(field, "Sec-WebSocket-Version"))
        take_once(request, &request->version, value);
    else if (view_is(field, "Authorization"))
        take(&request->authorization, value);
    else if (view_is(field, "If-None-Match"))
        take(&request->if_none_match, value);
    else if (view_is(field, "Sec-WebSocket-Protocol"))
        take(request->protocols.bytes ? &request->protocols_more : &request->protocols, value);
    else if (view_is(field, "Upgrade"))
        request->upgrade_websocket |= http_has_token(value, "websocket");
    else if (view_is(field, "Connection"))
        request->connection_upgrade |= http_has_token(value, "upgrade");
    else if (view_is(field, "Transfer-Encoding"))
        request->has_body = true;
    else if (view_is(field, "Content-Length"))
        request->has_body |= !view_is(value, "0");
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    struct parse *parse = parser->data;

    parse->complete = true;
    parse->request->keep_alive = http_should_keep_alive(parser);
    return 0;
}

/* Path, query and (of an absolute URL, whose authority then stands for Host: RFC 9112 section
 * 3.2.2) host out of the request target. */
static int split_url(struct http_request *request, struct name_view url)
{
    struct http_parser_url parts;

    http_parser_url_init(&parts);
    if (http_parser_parse_url(url.bytes, url.size, 0, &parts) || parts.field_set & 1 << UF_USERINFO)
        return ERR_PROTOCOL;
    request->path = (struct name_view){"/", 1};
    if (parts.field_set & 1 << UF_PATH)
        request->path = (struct name_view){url.bytes + parts.field_data[UF_PATH].off,
                                           parts.field_data[UF_PATH].len};
    if (parts.field_set & 1 << UF_QUERY)
        request->query = (struct name_view){url.bytes + parts.field_data[UF_QUERY].off,
                                            parts.field_data[UF_QUERY].len};
    if (parts.field_set & 1 << UF_HOST && request->host.bytes) {
        uint32_t start = parts.field_data[UF_SCHEMA].len + 3u, end = start;

        while (end < url.size && url.bytes[end] != '/' && url.bytes[end] != '?')
            end++;
        request->host = (struct name_view){url.bytes + start, end - start};
    }
    return 0;
}

int http_request_parse(struct http_request *request, const char *head, size_t size)
{
    static const http_parser_settings callbacks = {
        .on_message_begin = on_message_begin,
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
    };
    struct parse parse = {.request = request};
    http_parser parser;

    memset(request, 0, sizeof(*request));
    if (size > HTTP_HEAD_MAX)
        return ERR_TOO_LARGE;
    if (!lines_are_clean(head, size))
        return ERR_PROTOCOL;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &parse;
    if (http_parser_execute(&parser, &callbacks, head, size) != size ||
        HTTP_PARSER_ERRNO(&parser) != HPE_OK || !parse.complete || !parser.http_major)
        return ERR_PROTOCOL;

    const char *method = http_method_str((enum http_method)parser.method);

    if (!request_line_is_exact(head, size, method, parse.url))
        return ERR_PROTOCOL;
    request->get = parser.method == HTTP_GET;
    request->head = parser.method == HTTP_HEAD;
    request->major = (uint8_t)parser.http_major;
    request->minor = (uint8_t)parser.http_minor;
    if (parser.method == HTTP_CONNECT)
        return 0; /* its target is no path */
    return split_url(request, parse.url);
}

/* Takes the next element off a comma-separated list. */
static bool next_element(struct name_view *list, struct name_view *element)
{
    const char *comma;
    uint32_t size;

    if (!list->size)
        return false;
    comma = memchr(list->bytes, ',', list->size);
    size = comma ? (uint32_t)(comma - list->bytes) : list->size;
    *element = trimmed(list->bytes, size);
    size += comma != NULL;
    list->bytes += size;
    list->size -= size;
    return true;
}

bool http_has_token(struct name_view header, const char *token)
{
    struct name_view element;

    while (next_element(&header, &element))
        if (view_is(element, token))
            return true;
    return false;
}

static bool list_has(struct name_view list, const char *protocol)
{
    struct name_view element;

    while (next_element(&list, &element))
        if (element.size == strlen(protocol) && !memcmp(element.bytes, protocol, element.size))
            return true;
    return false;
}

bool http_has_protocol(const struct http_request *request, const char *protocol)
{
    return list_has(request->protocols, protocol) || list_has(request->protocols_more, protocol);
}

/* A name or address, and maybe a port (RFC 3986 section 3.2.2). */
static bool is_host(struct name_view host)
{
    static const bool in_hosts[256] = {
        ['!'] = true, ['$' ... '.'] = true, ['0' ... ';'] = true,
        ['='] = true, ['A' ... '['] = true, [']'] = true,
        ['_'] = true, ['a' ... 'z'] = true, ['~'] = true,
    };

    for (uint32_t i = 0; i < host.size; i++)
        if (!in_hosts[(uint8_t)host.bytes[i]])
            return false;
    return host.size > 0;
}

static bool recent(const struct http_request *request)
{
    return request->major > 1 || (request->major == 1 && request->minor >= 1);
}

bool http_host_valid(const struct http_request *request)
{
    return !request->repeated && (!recent(request) || is_host(request->host));
}

bool http_etag_matches(struct name_view header, const char *etag)
{
    struct name_view element;

    while (next_element(&header, &element)) {
        if (element.size > 2 && !memcmp(element.bytes, "W/", 2)) { /* weak: as good here */
            element.bytes += 2;
            element.size -= 2;
        }
        if ((element.size == strlen(etag) && !memcmp(element.bytes, etag, element.size)) ||
            (element.size == 1 && element.bytes[0] == '*'))
            return true;
    }
    return false;
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

static bool key_is_valid(struct name_view key)
{
    if (key.size != KEY_BYTES || key.bytes[22] != '=' || key.bytes[23] != '=')
        return false;
    for (unsigned i = 0; i < 22; i++)
        if (!is_base64(key.bytes[i]))
            return false;
    return true;
}

enum http_upgrade http_upgrade_check(const struct http_request *request)
{
    if (!http_host_valid(request)) /* it is no request at all */
        return HTTP_UPGRADE_BAD_REQUEST;
    if (!request->upgrade_websocket || !request->connection_upgrade)
        return HTTP_UPGRADE_NONE;
    if (!request->get || !recent(request) || request->has_body || !request->version.bytes)
        return HTTP_UPGRADE_BAD_REQUEST;
    if (!view_is(request->version, "13"))
        return HTTP_UPGRADE_BAD_VERSION;
    return key_is_valid(request->key) ? HTTP_UPGRADE_OK : HTTP_UPGRADE_BAD_REQUEST;
}

/* About 0.3 us, of which SHA1() spends 0.2 in looking up its algorithm. A context kept per thread
 * would save that, 1 % of what an upgrade costs, for state in a module that has none. */
int http_accept_key(char accept[HTTP_ACCEPT_MAX], struct name_view key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[KEY_BYTES + sizeof(guid) - 1], digest[SHA_DIGEST_LENGTH];

    if (key.size != KEY_BYTES)
        return ERR_PROTOCOL;
    memcpy(text, key.bytes, KEY_BYTES);
    memcpy(text + KEY_BYTES, guid, sizeof(guid) - 1);
    if (!SHA1(text, sizeof(text), digest))
        return ERR_NOMEM;
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
    return 0;
}

size_t http_upgrade_response(char out[HTTP_RESPONSE_MAX], const char *accept, const char *protocol)
{
    int size = snprintf(out, HTTP_RESPONSE_MAX,
                        "HTTP/1.1 101 Switching Protocols\r\n"
                        "Upgrade: websocket\r\n"
                        "Connection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n"
                        "%s%s%s"
                        "\r\n",
                        accept, protocol ? "Sec-WebSocket-Protocol: " : "",
                        protocol ? protocol : "", protocol ? "\r\n" : "");

    return (size_t)size;
}

/* Headers that a status must have (RFC 9110 sections 15.5.6 and 15.5.22, RFC 6455 section 4.4). */
static const char *status_headers(unsigned status)
{
    switch (status) {
    case HTTP_STATUS_METHOD_NOT_ALLOWED:
        return "Allow: GET, HEAD\r\nConnection: close\r\n";
    case HTTP_STATUS_UPGRADE_REQUIRED:
        return "Upgrade: websocket\r\nConnection: close, Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    default:
        return "Connection: close\r\n";
    }
}

size_t http_refusal_response(char out[HTTP_RESPONSE_MAX], unsigned status, const char *text)
{
    /* The rest is at most 220 bytes, so this always fits. */
    size_t length = strlen(text);
    int text_bytes = length < 256 ? (int)length : 256;
    int size = snprintf(out, HTTP_RESPONSE_MAX,
                        "HTTP/1.1 %u %s\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Length: %d\r\n"
                        "%s"
                        "\r\n"
                        "%.*s\n",
                        status, http_status_str((enum http_status)status), text_bytes + 1,
                        status_headers(status), text_bytes, text);

    return (size_t)size;
}
