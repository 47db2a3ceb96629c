#include "proto/error.h"

const char *error_text(int error)
{
    switch (error) {
    case 0:
        return "no error";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_AGAIN:
        return "incomplete";
    case ERR_PROTOCOL:
        return "protocol error";
    case ERR_TOO_LARGE:
        return "too large";
    case ERR_UTF8:
        return "not UTF-8";
    case ERR_FULL:
        return "queue full";
    case ERR_SYS:
        return "system call failed";
    case ERR_CONFIG:
        return "bad configuration";
    default:
        return "unknown error";
    }
}
