#include "engine/cli/print.h"

#include <stdio.h>

void print_bytes(const uint8_t *bytes, size_t size, bool hex)
{
    static const char digits[] = "0123456789abcdef";

    if (!hex) {
        fwrite(bytes, 1, size, stdout);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        putchar(digits[bytes[i] >> 4]);
        putchar(digits[bytes[i] & 15]);
    }
}
