/* Numbers as people read them. Each writes into `text` and returns it. Pure. */
#ifndef SHARDCAST_BENCH_LOAD_TEXT_H
#define SHARDCAST_BENCH_LOAD_TEXT_H

#include <stdint.h>

#define TEXT_MAX 48

/* "1,234,567" */
const char *text_count(char text[TEXT_MAX], uint64_t n);

/* Likewise of a number that need not be whole: "0.25", "14.2", "1,234" */
const char *text_number(char text[TEXT_MAX], double n);

/* "812 ns", "14.2 us", "3.61 ms", "1.20 s" */
const char *text_time(char text[TEXT_MAX], double ns);

/* "812 B", "1.46 KiB", "14.2 MiB", "1.20 GiB" */
const char *text_bytes(char text[TEXT_MAX], double bytes);

/* "2.1 %", of a share: 0.021 */
const char *text_percent(char text[TEXT_MAX], double share);

#endif
