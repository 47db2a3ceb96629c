/* shardcast stats: the engine's figures as a table.
 *
 * It knows no key by name but `shards`: numbers become lines, maps become lines of their own with
 * what is not zero, and the shards a table with a column for each of their numbers. What a newer
 * engine adds is thus shown, too. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "engine/cli/commands.h"
#include "engine/cli/http.h"

#define NUMBER_MAX 32

/* 1234567 as "1,234,567": people compare magnitudes. */
static void number_text(char text[NUMBER_MAX], const json_t *value)
{
    char digits[NUMBER_MAX];
    size_t size, at = 0;

    if (json_is_real(value)) {
        snprintf(text, NUMBER_MAX, "%.6g", json_real_value(value));
        return;
    }
    size = (size_t)snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT,
                            json_integer_value(value));
    for (size_t i = 0; i < size; i++) {
        text[at++] = digits[i];
        if ((size - 1 - i) % 3 == 0 && i + 1 < size && digits[i] != '-')
            text[at++] = ',';
    }
    text[at] = '\0';
}

static json_int_t map_sum(const json_t *map)
{
    const char *key;
    json_t *value;
    json_int_t sum = 0;

    json_object_foreach((json_t *)map, key, value)
    {
        sum += json_integer_value(value);
    }
    return sum;
}

static size_t widest_key(const json_t *stats)
{
    const char *key;
    json_t *value;
    size_t width = 0;

    json_object_foreach((json_t *)stats, key, value)
    {
        if (strlen(key) > width)
            width = strlen(key);
    }
    return width;
}

/* "drops   12   closed 10, slow 2" */
static void print_map(const char *name, const json_t *map, int width)
{
    const char *key, *separator = "   ";
    char text[NUMBER_MAX];
    json_t *value, *sum = json_integer(map_sum(map));

    number_text(text, sum);
    json_decref(sum);
    printf("%-*s  %15s", width, name, text);
    json_object_foreach((json_t *)map, key, value)
    {
        if (!json_is_number(value) || !json_number_value(value))
            continue;
        number_text(text, value);
        printf("%s%s %s", separator, key, text);
        separator = ", ";
    }
    putchar('\n');
}

static void print_totals(const json_t *stats)
{
    int width = (int)widest_key(stats);
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)stats, key, value)
    {
        char text[NUMBER_MAX];

        if (json_is_number(value)) {
            number_text(text, value);
            printf("%-*s  %15s\n", width, key, text);
        } else if (json_is_object(value)) {
            print_map(key, value, width);
        } else if (json_is_string(value)) {
            printf("%-*s  %15s\n", width, key, json_string_value(value));
        }
    }
}

/* What a shard's cell says: a number, or the sum of a map. */
static void cell_text(char text[NUMBER_MAX], const json_t *value)
{
    if (json_is_object(value)) {
        json_t *sum = json_integer(map_sum(value));

        number_text(text, sum);
        json_decref(sum);
    } else if (json_is_number(value)) {
        number_text(text, value);
    } else {
        strcpy(text, "-");
    }
}

static int column_width(const json_t *shards, const char *key)
{
    size_t width = strlen(key), i;
    json_t *shard;

    json_array_foreach((json_t *)shards, i, shard)
    {
        char text[NUMBER_MAX];

        cell_text(text, json_object_get(shard, key));
        if (strlen(text) > width)
            width = strlen(text);
    }
    return (int)width;
}

static void print_shards(const json_t *shards)
{
    json_t *first = json_array_get(shards, 0), *shard, *value;
    const char *key;
    size_t i;

    if (!json_is_object(first))
        return;
    printf("\nshard");
    json_object_foreach(first, key, value)
    {
        printf("  %*s", column_width(shards, key), key);
    }
    putchar('\n');
    json_array_foreach((json_t *)shards, i, shard)
    {
        printf("%5zu", i);
        json_object_foreach(first, key, value)
        {
            char text[NUMBER_MAX];

            cell_text(text, json_object_get(shard, key));
            printf("  %*s", column_width(shards, key), text);
        }
        putchar('\n');
    }
}

static int print_stats(const struct buffer *body)
{
    json_error_t error;
    json_t *stats = json_loadb((char *)body->bytes, body->size, 0, &error);

    if (!json_is_object(stats)) {
        cli_error("the engine's figures are no JSON object%s%s", stats ? "" : ": ",
                  stats ? "" : error.text);
        json_decref(stats);
        return CLI_FAILURE;
    }
    print_totals(stats);
    print_shards(json_object_get(stats, "shards"));
    json_decref(stats);
    return CLI_OK;
}

int stats_main(const struct options *options)
{
    struct net_address address;
    struct buffer body;
    int status = CLI_OK;

    if (options->operand_count) {
        cli_error("stats: \"%s\" is not understood; see shardcast stats --help",
                  options->operands[0]);
        return CLI_USAGE;
    }
    if (net_address_read(&address, options->admin, "admin"))
        return CLI_USAGE;
    if (http_get(&address, "/stats", options->admin_token, options->timeout, &body))
        return CLI_FAILURE;
    if (options->json) {
        fwrite(body.bytes, 1, body.size, stdout);
        if (body.size && body.bytes[body.size - 1] != '\n')
            putchar('\n');
    } else {
        status = print_stats(&body);
    }
    buffer_free(&body);
    return fflush(stdout) ? CLI_FAILURE : status;
}
