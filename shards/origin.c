#include "shards/origin.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool same_text(struct name_view a, const char *b, size_t size)
{
    return a.size == size && !strncasecmp(a.bytes, b, size);
}

/* host[:port] of scheme://host[:port]; empty where there is no "://". */
static struct name_view origin_authority(struct name_view origin)
{
    struct name_view rest = {NULL, 0};

    for (uint32_t i = 0; i + 3 <= origin.size; i++) {
        if (!memcmp(origin.bytes + i, "://", 3)) {
            rest.bytes = origin.bytes + i + 3;
            rest.size = origin.size - i - 3;
            break;
        }
    }
    return rest;
}

/* The host alone: without port, and without the brackets of an IPv6 address. */
static struct name_view authority_host(struct name_view authority)
{
    struct name_view host = authority;
    const char *end;

    if (host.size && host.bytes[0] == '[') {
        end = memchr(host.bytes, ']', host.size);
        if (!end)
            return (struct name_view){NULL, 0};
        return (struct name_view){host.bytes + 1, (uint32_t)(end - host.bytes - 1)};
    }
    end = host.size ? memchr(host.bytes, ':', host.size) : NULL;
    if (end)
        host.size = (uint32_t)(end - host.bytes);
    return host;
}

static bool is_loopback(struct name_view host)
{
    char text[64];
    struct in_addr v4;
    struct in6_addr v6;

    if (!host.size || host.size >= sizeof(text))
        return false;
    memcpy(text, host.bytes, host.size);
    text[host.size] = '\0';
    if (!strcasecmp(text, "localhost"))
        return true;
    if (inet_pton(AF_INET, text, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* The port that the authority names, or its scheme's. */
static unsigned authority_port(struct name_view authority, bool secure)
{
    const char *end = authority.bytes + authority.size, *at = end;

    while (at > authority.bytes && at[-1] >= '0' && at[-1] <= '9')
        at--;
    if (at == end || at == authority.bytes || at[-1] != ':')
        return secure ? 443 : 80;
    return (unsigned)strtoul(at, NULL, 10);
}

/* Whether a page of this origin was served by the host and port that it connects to. */
static bool same_host(struct name_view origin, struct name_view authority, struct name_view host)
{
    bool secure = origin.size > 6 && !strncasecmp(origin.bytes, "https:", 6);
    struct name_view a = authority_host(authority), b = authority_host(host);

    return host.bytes && a.size && same_text(a, b.bytes, b.size) &&
           authority_port(authority, secure) == authority_port(host, secure);
}

bool origin_allowed(const struct settings *settings, const struct http_request *request)
{
    struct name_view origin = request->origin;

    if (!origin.bytes)
        return true;
    for (uint32_t i = 0; i < settings->origin_count; i++) {
        const char *allowed = settings->origins[i];

        if (!strcmp(allowed, "*") || same_text(origin, allowed, strlen(allowed)))
            return true;
    }
    if (settings->origin_count)
        return false;
    struct name_view authority = origin_authority(origin);
    return authority.bytes &&
           (same_host(origin, authority, request->host) ||
            (settings->clients_on_loopback && is_loopback(authority_host(authority))));
}
