/* The head of a client's HTTP request, and the WebSocket handshake (RFC 6455 section 4.2,
 * RFC 9112). Pure. Parsing is http_parser's work. */
#ifndef SHARDCAST_PROTO_HTTP_REQUEST_H
#define SHARDCAST_PROTO_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/group_name.h"

#define HTTP_HEAD_MAX   32768 /* the whole head, request line included */
#define HTTP_ACCEPT_MAX 29    /* base64 of SHA-1, and NUL */

/* Views into the head; `bytes` NULL where the header is absent. */
struct http_request {
    bool get;                   /* method GET */
    bool head;                  /* method HEAD */
    bool keep_alive;            /* the connection outlives the response (RFC 9112 section 9.3) */
    uint8_t major, minor;       /* HTTP version */
    bool upgrade_websocket;     /* Upgrade has the token "websocket" (any case) */
    bool connection_upgrade;    /* Connection has the token "upgrade" (any case) */
    bool has_body;              /* Content-Length above 0, or Transfer-Encoding */
    bool repeated;              /* Host, Origin, Sec-WebSocket-Key or -Version more than once */
    struct name_view path;      /* before '?', not decoded */
    struct name_view query;     /* behind '?', not decoded */
    struct name_view host;      /* Host; of an absolute URL its own, where Host is there at all */
    struct name_view origin;    /* Origin */
    struct name_view key;       /* Sec-WebSocket-Key */
    struct name_view version;   /* Sec-WebSocket-Version */
    struct name_view protocols; /* Sec-WebSocket-Protocol: the first such header */
    struct name_view protocols_more; /* a second such header; a third one is not looked at */
    struct name_view authorization;  /* Authorization */
    struct name_view if_none_match;  /* If-None-Match: the first such header */
};

/* Where the head ends: the number of bytes up to and with the empty line, or 0 while it is not
 * there. `from` is how many bytes were there at the last call (0 at first): work is proportional
 * to what is new. */
size_t http_head_end(const char *bytes, size_t size, size_t from);

/* Parses a whole head (http_head_end() said where it ends). Stricter than http_parser: lines end in
 * CRLF, none is folded, no control characters, no '#' or user in the URL. A path that is none (of
 * CONNECT) is NULL. ERR_PROTOCOL: not an HTTP request; ERR_TOO_LARGE: over HTTP_HEAD_MAX. */
int http_request_parse(struct http_request *request, const char *head, size_t size) MUST_CHECK;

/* Whether a comma-separated header has a token, without case. Sub-protocols are compared with case:
 * use http_has_protocol(). */
bool http_has_token(struct name_view header, const char *token);
bool http_has_protocol(const struct http_request *request, const char *protocol);

/* Whether there is exactly one Host and it is valid; before HTTP/1.1 there may be none (RFC 9112
 * section 3.2). Other headers that may stand once must not be repeated either. */
bool http_host_valid(const struct http_request *request);

/* Whether If-None-Match names an entity tag, which is written with its quotes (RFC 9110 section
 * 13.1.2). */
bool http_etag_matches(struct name_view header, const char *etag);

/* Whether the request is a WebSocket handshake that RFC 6455 section 4.2.1 allows to accept:
 * GET, HTTP/1.1 or later, Host, Upgrade, Connection, key of 16 bytes in base64, version 13. */
enum http_upgrade {
    HTTP_UPGRADE_OK,
    HTTP_UPGRADE_NONE,        /* no upgrade asked: 426 */
    HTTP_UPGRADE_BAD_REQUEST, /* asked, but not so: 400 */
    HTTP_UPGRADE_BAD_VERSION  /* another version than 13: 426 with Sec-WebSocket-Version: 13 */
};
enum http_upgrade http_upgrade_check(const struct http_request *request);

/* Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2), NUL-ended. */
int http_accept_key(char accept[HTTP_ACCEPT_MAX], struct name_view key) MUST_CHECK;

/* Writes the whole 101 response; `protocol` NULL: none chosen. Returns its length (it fits 256). */
#define HTTP_RESPONSE_MAX 512
size_t http_upgrade_response(char out[HTTP_RESPONSE_MAX], const char *accept, const char *protocol);

/* Writes a whole refusal with a short text/plain body and Connection: close; 426 also carries
 * Upgrade: websocket and Sec-WebSocket-Version: 13. Returns its length. */
size_t http_refusal_response(char out[HTTP_RESPONSE_MAX], unsigned status, const char *text);

#endif
