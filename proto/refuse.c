#include "proto/refuse.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

const char *quote(struct quoted *quoted, const void *bytes, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *at = bytes;
    /* The longest escape, three dots, a quote and NUL always find room behind `last`. */
    char *out = quoted->text, *last = quoted->text + sizeof(quoted->text) - 4 - 3 - 2;

    *out++ = '"';
    for (; size && out <= last; at++, size--) {
        if (*at < 0x20 || *at > 0x7e) {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = hex[*at >> 4];
            *out++ = hex[*at & 15];
            continue;
        }
        if (*at == '"' || *at == '\\')
            *out++ = '\\';
        *out++ = (char)*at;
    }
    snprintf(out, 5, "%s\"", size ? "..." : "");
    return quoted->text;
}

int refuse(struct command_refusal *refusal, enum refusal code, const char *format, ...)
{
    va_list arguments;

    refusal->code = code;
    va_start(arguments, format);
    vsnprintf(refusal->message, sizeof(refusal->message), format, arguments);
    va_end(arguments);
    return ERR_PROTOCOL;
}
