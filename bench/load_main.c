/* shardcast-load: drives an engine and verifies what comes out. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bench/load_options.h"
#include "bench/load_plot.h"
#include "bench/load_scenario.h"

static const struct scenario *const scenarios[] = {
    &scenario_fanout, &scenario_groups,  &scenario_sessions,   &scenario_churn,
    &scenario_mixed,  &scenario_storm,   &scenario_idle,       &scenario_connections,
    &scenario_replay, &scenario_recover, &scenario_quickstart,
};

#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static void help(FILE *out)
{
    fprintf(out, "usage: shardcast-load SCENARIO [OPTION...]\n\n"
                 "Drives an engine with connections and messages, and checks every message that\n"
                 "comes: none lost, repeated, out of order, in the wrong group or changed.\n\n"
                 "Scenarios:\n");
    for (size_t i = 0; i < SCENARIOS; i++)
        fprintf(out, "  %-12s %s\n", scenarios[i]->name, scenarios[i]->summary);
    fprintf(out, "\n`shardcast-load SCENARIO --help` shows its options and their defaults,\n"
                 "`shardcast-load figures` the figures that --require knows.\n"
                 "Exit status: 0; 1 when something failed, came wrongly or was required and does\n"
                 "not hold; 2 on bad usage.\n");
}

static int figures(void)
{
    printf("--require FIGURE OPERATOR VALUE[,...]: for example 'p99<5ms,lost=0,rate>=100k'\n\n"
           "  operators  <  <=  >  >=  =  !=\n"
           "  values     counts: 10, 10k, 1.5M; times: ns, us, ms, s; bytes: B, KiB, MiB, GiB;\n"
           "             shares: %%\n\n"
           "A figure that a run does not measure (those of the server without --pid, say) holds\n"
           "nothing.\n\n");
    for (int i = 0; i < FIGURES; i++)
        printf("  %-14s %s\n", figure_name((enum figure)i), figure_help((enum figure)i));
    return 0;
}

static void set_defaults(const struct scenario *scenario, struct options *options)
{
    options_init(options);
    if (scenario->defaults)
        scenario->defaults(options);
}

static int run_scenario(const struct scenario *scenario, int argc, char **argv)
{
    struct options options;
    int parsed;

    set_defaults(scenario, &options);
    parsed = options_parse(&options, scenario->uses, argc, argv);
    if (parsed < 0)
        return 2;
    if (parsed > 0) {
        set_defaults(scenario, &options);
        printf("usage: shardcast-load %s%s [OPTION...]: %s\n\n", scenario->name,
               scenario->uses & USES_REPLAY ? " FILE" : "", scenario->summary);
        options_help(&options, scenario->uses, stdout);
        return 0;
    }
    if (options.plot && plot_check(options.plot) < 0)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    return scenario->run(&options);
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("shardcast-load %s\n", SHARDCAST_VERSION);
        return 0;
    }
    if (strcmp(argv[1], "figures") == 0)
        return figures();
    for (size_t i = 0; i < SCENARIOS; i++)
        if (strcmp(argv[1], scenarios[i]->name) == 0)
            return run_scenario(scenarios[i], argc - 1, argv + 1);
    fprintf(stderr, "shardcast-load: %s: no such scenario; see --help\n", argv[1]);
    return 2;
}
