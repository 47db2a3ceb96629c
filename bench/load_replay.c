/* Scenario `replay`: a recorded command stream, sent as it is and at its own times, to groups that
 * have members who know what they must get. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "bench/load_expected.h"
#include "bench/load_recording.h"
#include "bench/load_report.h"
#include "bench/load_scenario.h"
#include "bench/load_text.h"

static void print_title(const struct run *run, const struct recording *recording)
{
    const struct options *options = run->options;
    char commands[TEXT_MAX], groups[TEXT_MAX], skipped[TEXT_MAX];
    double seconds = (double)recording->entries[recording->count - 1].ns / 1e9 / options->speed;

    printf("replay: %s broadcasts in %.1f s to %s groups of %u members",
           text_count(commands, recording->count), seconds, text_count(groups, run->groups->count),
           options->members);
    if (run->expected->skipped)
        printf("; %s commands that are no broadcast are left out",
               text_count(skipped, run->expected->skipped));
    printf("\n");
}

static int replay(const struct options *options, struct recording *recording,
                  struct expected *expected)
{
    struct measurement *m = calloc(1, sizeof(*m));
    struct connect_result connect;
    struct schedule schedule = {
        .phase = PHASE_MEASURE, .recording = recording, .expected = expected};
    struct run run = {0};
    int status = 1;

    if (!m || run_open_expecting(&run, "replay", options, expected, expected->groups) < 0)
        goto end;
    if (run_connect(&run, &connect) < 0 || run_join(&run, JOIN_BY_GROUPS) < 0 ||
        run_measure(&run, &schedule, m) < 0)
        goto end;
    if (!options->json)
        print_title(&run, recording);
    status = report_end(&run, &connect, m);
end:
    run_close(&run);
    free(m);
    return status;
}

static int replay_run(const struct options *given)
{
    struct options options = *given;
    struct expected *expected = NULL;
    struct recording recording;
    int status = 1;

    if (recording_open(&recording, options.file) == 0)
        expected = expected_new(&recording, options.members);
    if (expected && expected->groups->count == 0) {
        fprintf(stderr, "shardcast-load: %s: nothing is sent to any group\n", options.file);
    } else if (expected) {
        expected->speed = options.speed;
        /* No message, and no command, is longer: what buffers have room for. */
        options.payload.max = recording.command_max > expected->payload_max
                                  ? recording.command_max
                                  : (uint32_t)expected->payload_max;
        options.rate = 0;
        status = replay(&options, &recording, expected);
    }
    expected_free(expected);
    recording_close(&recording);
    return status;
}

static void replay_defaults(struct options *options)
{
    options->members = 5;
}

const struct scenario scenario_replay = {
    .name = "replay",
    .summary = "a recorded command stream, with its timing",
    .uses = USES_REPLAY,
    .defaults = replay_defaults,
    .run = replay_run,
};
