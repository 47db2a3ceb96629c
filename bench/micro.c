#include "bench/micro.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_DEFAULT 21
#define ROUND_NS       3e6

void micro_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

unsigned micro_rounds(int argc, char **argv)
{
    char *end = NULL;
    unsigned long rounds = argc > 1 ? strtoul(argv[1], &end, 10) : ROUNDS_DEFAULT;

    if (argc > 2 || (end && *end) || !rounds || rounds > MICRO_ROUNDS_MAX)
        micro_die("the only argument is the number of rounds, 1-1001");
    return (unsigned)rounds;
}

void micro_print_machine(unsigned rounds, const char *what)
{
    char line[256], model[256] = "unknown";
    FILE *file = fopen("/proc/cpuinfo", "r");
    struct utsname system;

    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "model name : %255[^\n]", model) == 1)
            break;
    }
    if (file)
        fclose(file);
    if (uname(&system) == 0)
        printf("machine: %s, %ld cores, %s %s\n", model, sysconf(_SC_NPROCESSORS_ONLN),
               system.sysname, system.release);
    printf("build: %s%s; %u rounds; %s: median (lowest-highest)\n", __VERSION__,
#ifdef __OPTIMIZE__
           " optimised",
#else
           " NOT optimised",
#endif
           rounds, what);
}

static double read_clock(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

double micro_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double micro_cpu(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* In the thread's own time, so that whatever else the machine does disturbs less. */
static double run(micro_step step, void *context, uint64_t times)
{
    double from = read_clock(CLOCK_THREAD_CPUTIME_ID);

    step(context, times);
    return (read_clock(CLOCK_THREAD_CPUTIME_ID) - from) / (double)times;
}

struct micro_figure micro_measure(micro_step step, void *context, unsigned rounds)
{
    double values[MICRO_ROUNDS_MAX];
    uint64_t times = 1;

    /* Warms up as well. */
    while (run(step, context, times) * (double)times < ROUND_NS)
        times *= 2;
    for (unsigned i = 0; i < rounds; i++)
        values[i] = run(step, context, times);
    return micro_summarise(values, rounds);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct micro_figure micro_summarise(double *values, unsigned count)
{
    qsort(values, count, sizeof(*values), compare);
    return (struct micro_figure){values[count / 2], values[0], values[count - 1]};
}

static void print(struct micro_figure figure, const char *format, va_list arguments)
{
    char name[128];

    vsnprintf(name, sizeof(name), format, arguments);
    printf("%-52s %9.1f ns (%.1f-%.1f)", name, figure.median, figure.lowest, figure.highest);
}

void micro_print(struct micro_figure figure, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(figure, format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
}

void micro_print_peer(struct micro_figure peer, struct micro_figure own, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(peer, format, arguments);
    va_end(arguments);
    printf(" ratio %.2f\n", own.median / peer.median);
    fflush(stdout);
}
