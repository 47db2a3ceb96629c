/* What the micro-benchmarks share: rounds, medians with their spread, and a line that says where it
 * was measured. One thread. */
#ifndef SHARDCAST_BENCH_MICRO_H
#define SHARDCAST_BENCH_MICRO_H

#include <stdint.h>

#define MICRO_ROUNDS_MAX 1001

/* Of all rounds, in nanoseconds per operation. */
struct micro_figure {
    double median, lowest, highest;
};

/* Runs something `times` times; `context` is the caller's. */
typedef void (*micro_step)(void *context, uint64_t times);

/* The benchmark's only argument: how many rounds. Ends the process where it is none. */
unsigned micro_rounds(int argc, char **argv);

/* Prints machine, compiler and what is measured in so many rounds. */
void micro_print_machine(unsigned rounds, const char *what);

/* Measures `rounds` rounds of so many times that each takes a few milliseconds, in the thread's CPU
 * time. */
struct micro_figure micro_measure(micro_step step, void *context, unsigned rounds);

/* The same of values that were measured otherwise; sorts them. */
struct micro_figure micro_summarise(double *values, unsigned count);

/* Prints a line: what was measured, and the figure. bench/micro reads these lines. */
void micro_print(struct micro_figure figure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same of a peer, with the ratio of `own` to it. */
void micro_print_peer(struct micro_figure peer, struct micro_figure own, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Nanoseconds: of the monotonic clock, and of CPU that the process has used. */
double micro_now(void);
double micro_cpu(void);

/* Ends the process with a message. */
void micro_die(const char *what) __attribute__((noreturn));

/* Keeps the compiler from leaving out what computes this. */
static inline void micro_use(const void *value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

#endif
