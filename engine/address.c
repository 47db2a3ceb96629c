#include "engine/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HOST_MAX 253 /* a DNS name (RFC 1035 section 2.3.4) */

enum host_kind { HOST_IPV4, HOST_IPV6, HOST_NAME };

struct parts {
    enum host_kind kind;
    char host[HOST_MAX + 1]; /* without brackets */
    uint16_t port;
};

static const char name_bytes[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

static bool name_valid(const char *host)
{
    size_t size = strlen(host);

    /* Digits and dots alone are a mistyped IPv4 address. */
    return size && strspn(host, name_bytes) == size && strspn(host, "0123456789.") != size &&
           host[0] != '.' && host[0] != '-' && !strstr(host, "..");
}

static bool ipv6_valid(const char *host)
{
    char bare[INET6_ADDRSTRLEN];
    const char *zone = strchr(host, '%');
    size_t size = zone ? (size_t)(zone - host) : strlen(host);
    struct in6_addr address;

    if (size >= sizeof(bare) || (zone && (!zone[1] || zone[1 + strspn(zone + 1, name_bytes)])))
        return false;
    memcpy(bare, host, size);
    bare[size] = '\0';
    return inet_pton(AF_INET6, bare, &address) == 1;
}

static const char *parse_port(const char *text, uint16_t *port)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long value = 0;

    if (!digits || text[digits] || digits > 5)
        return "has a bad port";
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned long)(text[i] - '0');
    if (value > 65535)
        return "has a port above 65535";
    *port = (uint16_t)value;
    return NULL;
}

static const char *parse(const char *text, struct parts *parts)
{
    const char *begin = text, *end, *colon = strrchr(text, ':');
    struct in_addr ipv4;

    if (!*text)
        return "is empty";
    if (!colon)
        return "has no port";
    end = colon;
    if (*text == '[') {
        begin = text + 1;
        end = strchr(text, ']');
        if (!end || end + 1 != colon)
            return "has a bracket without its partner before the port";
        parts->kind = HOST_IPV6;
    } else if (memchr(text, ':', (size_t)(colon - text))) {
        return "has an IPv6 address without brackets";
    } else {
        parts->kind = HOST_NAME;
    }

    size_t size = (size_t)(end - begin);
    if (!size)
        return "has no host";
    if (size > HOST_MAX)
        return "has a host that is too long";
    memcpy(parts->host, begin, size);
    parts->host[size] = '\0';

    if (parts->kind == HOST_IPV6) {
        if (!ipv6_valid(parts->host))
            return "has a bad IPv6 address";
    } else if (inet_pton(AF_INET, parts->host, &ipv4) == 1) {
        parts->kind = HOST_IPV4;
    } else if (!name_valid(parts->host)) {
        return "has a bad host";
    }
    return parse_port(colon + 1, &parts->port);
}

const char *address_fault(const char *text)
{
    struct parts parts;

    return parse(text, &parts);
}

bool address_is_loopback(const char *text)
{
    struct parts parts;
    struct in_addr ipv4;
    struct in6_addr ipv6;

    if (parse(text, &parts))
        return false;
    switch (parts.kind) {
    case HOST_IPV4:
        return inet_pton(AF_INET, parts.host, &ipv4) == 1 && ntohl(ipv4.s_addr) >> 24 == 127;
    case HOST_IPV6:
        if (inet_pton(AF_INET6, parts.host, &ipv6) != 1)
            return false; /* with a zone: a link's own, never ::1 */
        return IN6_IS_ADDR_LOOPBACK(&ipv6) ||
               (IN6_IS_ADDR_V4MAPPED(&ipv6) && ipv6.s6_addr[12] == 127);
    case HOST_NAME:
    default:
        /* The one name that always means this machine (RFC 6761 section 6.3). */
        return !strcasecmp(parts.host, "localhost");
    }
}

int address_resolve(const char *text, struct sockaddr_storage *address, socklen_t *size,
                    const char **why)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *found = NULL;
    struct parts parts;
    char port[6];

    *why = parse(text, &parts);
    if (*why)
        return ERR_SYS;
    snprintf(port, sizeof(port), "%u", parts.port);

    int status = getaddrinfo(parts.host, port, &hints, &found);
    if (status) {
        *why = gai_strerror(status);
        return ERR_SYS;
    }

    /* localhost often has ::1 first; who says localhost and connects to 127.0.0.1 means IPv4. */
    const struct addrinfo *chosen = found;
    for (const struct addrinfo *at = found; at; at = at->ai_next)
        if (at->ai_family == AF_INET) {
            chosen = at;
            break;
        }
    memset(address, 0, sizeof(*address));
    memcpy(address, chosen->ai_addr, chosen->ai_addrlen);
    *size = chosen->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

void address_format(const struct sockaddr_storage *address, char text[ADDRESS_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(text, ADDRESS_MAX, "%s:%u", host, ntohs(in->sin_port));
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(text, ADDRESS_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
    }
}
