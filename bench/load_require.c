#include "bench/load_require.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer ones first: "<" begins "<=", too. */
static const struct {
    const char *text;
    enum comparison comparison;
} operators[] = {
    {"<=", LESS_OR_EQUAL}, {">=", MORE_OR_EQUAL}, {"!=", NOT_EQUAL}, {"==", EQUAL},
    {"<", LESS},           {">", MORE},           {"=", EQUAL},
};

#define OPERATORS (sizeof(operators) / sizeof(operators[0]))

struct unit {
    const char *name;
    double factor;
};

/* What may stand behind a number, by kind; a count may stand alone, and bytes. */
static const struct unit units[][6] = {
    [KIND_COUNT] = {{"", 1}, {"k", 1e3}, {"M", 1e6}},
    [KIND_TIME] = {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}},
    [KIND_BYTES] = {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}},
    [KIND_SHARE] = {{"%", 0.01}},
};

static const char *const allowed_units[] = {
    [KIND_COUNT] = "a number, also with k or M",
    [KIND_TIME] = "a number with ns, us, ms or s",
    [KIND_BYTES] = "a number of bytes, also with KiB, MiB or GiB",
    [KIND_SHARE] = "a number with %",
};

static int no_figure(const char *part, char *error, size_t room)
{
    int n = snprintf(error, room, "'%s': no such figure; allowed:", part);

    for (int i = 0; i < FIGURES && n > 0 && (size_t)n < room; i++)
        n += snprintf(error + n, room - (size_t)n, "%s %s", i ? "," : "",
                      figure_name((enum figure)i));
    return -1;
}

/* The operator at `text`; its length, 0: there is none. */
static size_t take_operator(const char *text, enum comparison *comparison)
{
    for (size_t i = 0; i < OPERATORS; i++)
        if (strncmp(text, operators[i].text, strlen(operators[i].text)) == 0) {
            *comparison = operators[i].comparison;
            return strlen(operators[i].text);
        }
    return 0;
}

static int take_value(const char *text, enum figure_kind kind, double *value)
{
    char *end;

    if (!isdigit((unsigned char)*text) && *text != '.' && *text != '-')
        return -1;
    *value = strtod(text, &end);
    if (end == text || !isfinite(*value))
        return -1;
    for (size_t i = 0; i < sizeof(units[0]) / sizeof(units[0][0]) && units[kind][i].name; i++)
        if (strcmp(end, units[kind][i].name) == 0) {
            *value *= units[kind][i].factor;
            return 0;
        }
    return -1;
}

static int parse_one(struct requirement *requirement, const char *part, char *error, size_t room)
{
    size_t name = strcspn(part, "<>=!"), sign;
    enum figure_kind kind;

    requirement->figure = figure_find(part, name);
    if (requirement->figure == FIGURES)
        return no_figure(part, error, room);
    kind = figure_kind(requirement->figure);
    sign = take_operator(part + name, &requirement->comparison);
    if (sign == 0) {
        snprintf(error, room, "'%s': no such operator; allowed: <, <=, >, >=, =, !=", part);
        return -1;
    }
    if (take_value(part + name + sign, kind, &requirement->value) < 0) {
        snprintf(error, room, "'%s': no such value; allowed: %s", part, allowed_units[kind]);
        return -1;
    }
    strcpy(requirement->text, part);
    return 0;
}

/* The next part of `text`, without spaces, up to a comma or the end. -1: it is too long. */
static int take_part(const char **text, char part[REQUIREMENT_TEXT])
{
    size_t size = 0;

    for (; **text && **text != ','; ++*text) {
        if (isspace((unsigned char)**text))
            continue;
        if (size == REQUIREMENT_TEXT - 1)
            return -1;
        part[size++] = **text;
    }
    part[size] = 0;
    return 0;
}

int requirements_parse(struct requirements *requirements, const char *text, char *error,
                       size_t room)
{
    char part[REQUIREMENT_TEXT];

    do {
        if (requirements->count == REQUIREMENTS_MAX || take_part(&text, part) < 0) {
            snprintf(error, room, "too long; allowed: %d requirements of %d bytes",
                     REQUIREMENTS_MAX, REQUIREMENT_TEXT - 1);
            return -1;
        }
        if (parse_one(&requirements->list[requirements->count], part, error, room) < 0)
            return -1;
        requirements->count++;
    } while (*text++ == ',');
    return 0;
}

bool requirement_holds(const struct requirement *requirement, const struct figures *figures)
{
    double is = figures->value[requirement->figure], wanted = requirement->value;

    if (!figures->known[requirement->figure])
        return false;
    switch (requirement->comparison) {
    case LESS:
        return is < wanted;
    case LESS_OR_EQUAL:
        return is <= wanted;
    case MORE:
        return is > wanted;
    case MORE_OR_EQUAL:
        return is >= wanted;
    case EQUAL:
        return is == wanted;
    default:
        return is != wanted;
    }
}

bool requirements_hold(const struct requirements *requirements, const struct figures *figures)
{
    for (unsigned i = 0; i < requirements->count; i++)
        if (!requirement_holds(&requirements->list[i], figures))
            return false;
    return true;
}
