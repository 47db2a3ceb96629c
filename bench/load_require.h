/* What a run must reach: --require 'p99<5ms,lost=0'.
 *
 *     EXPRESSION   one or more of FIGURE OPERATOR VALUE, separated by commas; spaces are free
 *     FIGURE       a name of load_figures.h
 *     OPERATOR     <  <=  >  >=  =  !=
 *     VALUE        a number, with a unit of the figure's kind: times ns us ms s, bytes B KiB MiB
 *                  GiB, counts k M, shares %; a time and a share want one
 *
 * Pure. */
#ifndef SHARDCAST_BENCH_LOAD_REQUIRE_H
#define SHARDCAST_BENCH_LOAD_REQUIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/load_figures.h"

#define REQUIREMENTS_MAX 32
#define REQUIREMENT_TEXT 64

enum comparison { LESS, LESS_OR_EQUAL, MORE, MORE_OR_EQUAL, EQUAL, NOT_EQUAL };

struct requirement {
    enum figure figure;
    enum comparison comparison;
    double value;                /* in the figure's base unit */
    char text[REQUIREMENT_TEXT]; /* as it was given, without spaces */
};

struct requirements {
    unsigned count;
    struct requirement list[REQUIREMENTS_MAX];
};

/* Adds those of `text`. -1: not understood; `error` says what is wrong and what is allowed. */
int requirements_parse(struct requirements *requirements, const char *text, char *error,
                       size_t room);

/* Whether it holds; a figure that was not measured holds nothing. */
bool requirement_holds(const struct requirement *requirement, const struct figures *figures);

bool requirements_hold(const struct requirements *requirements, const struct figures *figures);

#endif
