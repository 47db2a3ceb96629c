#include "engine/cli/subscribe_url.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* RFC 3986 section 2.3, and ':', which is common in groups' names and allowed in a query. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~:", c));
}

/* Appends what `key` and the encoded value need; *at is where the URL ends, without NUL. */
static int append(char *url, size_t *at, const char *key, const char *value)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t key_size = strlen(key);

    if (*at + key_size >= SUBSCRIBE_URL_MAX)
        return ERR_TOO_LARGE;
    memcpy(url + *at, key, key_size);
    *at += key_size;
    for (; *value; value++) {
        if (*at + 3 >= SUBSCRIBE_URL_MAX)
            return ERR_TOO_LARGE;
        if (is_plain(*value)) {
            url[(*at)++] = *value;
            continue;
        }
        url[(*at)++] = '%';
        url[(*at)++] = digits[(unsigned char)*value >> 4];
        url[(*at)++] = digits[(unsigned char)*value & 15];
    }
    url[*at] = '\0';
    return 0;
}

int subscribe_url(char url[SUBSCRIBE_URL_MAX], char *const *groups, int group_count,
                  const char *user)
{
    size_t at = 0;
    int error = append(url, &at, "/ws", "");

    for (int i = 0; i < group_count && !error; i++)
        error = append(url, &at, i ? "&group=" : "?group=", groups[i]);
    if (user && !error)
        error = append(url, &at, group_count ? "&user=" : "?user=", user);
    return error;
}
