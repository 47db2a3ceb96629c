#include "shards/origin.h"

#include <arpa/inet.h>
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

/* host[:port], taken apart. */
struct authority {
    struct name_view host; /* without the brackets of an IPv6 address */
    unsigned port;         /* 0: none is named */
};

/* False: the text is none (RFC 3986 section 3.2, without a user). */
static bool authority_parse(struct authority *authority, struct name_view text)
{
    if (!text.size)
        return false;

    bool brackets = text.bytes[0] == '[';
    const char *end = text.bytes + text.size, *host = text.bytes + brackets;
    const char *host_end = memchr(text.bytes, brackets ? ']' : ':', text.size);

    if (!host_end && !brackets)
        host_end = end;
    if (!host_end || host_end == host)
        return false;
    authority->host = (struct name_view){host, (uint32_t)(host_end - host)};
    authority->port = 0;

    const char *at = host_end + brackets;

    if (at < end && *at++ != ':')
        return false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9' || authority->port > 6553)
            return false;
        authority->port = authority->port * 10 + (unsigned)(*at - '0');
    }
    return authority->port <= 65535;
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

/* Whether a page of this origin was served by the host and port that it connects to. */
static bool same_host(struct name_view origin, const struct authority *page, struct name_view host)
{
    bool secure = origin.size > 6 && !strncasecmp(origin.bytes, "https:", 6);
    unsigned port = secure ? 443 : 80; /* where none is named */
    struct authority here;

    return host.bytes && authority_parse(&here, host) &&
           same_text(page->host, here.host.bytes, here.host.size) &&
           (page->port ? page->port : port) == (here.port ? here.port : port);
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

    struct authority page;

    return authority_parse(&page, origin_authority(origin)) &&
           (same_host(origin, &page, request->host) ||
            (settings->clients_on_loopback && is_loopback(page.host)));
}
