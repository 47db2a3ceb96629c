/* shardcastd: reads the configuration, starts the engine, waits for its end. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/config.h"
#include "engine/engine.h"
#include "engine/log.h"

enum exit_status { EXIT_DRAINED = 0, EXIT_RUNTIME = 1, EXIT_BAD_USAGE = 2 };

int main(int argc, char **argv)
{
    struct config config;
    struct engine *engine;
    char refused[CONFIG_ERROR_MAX], failed[ENGINE_ERROR_MAX];

    if (config_load(&config, argc, argv, refused)) {
        fprintf(stderr, "%s\n", refused);
        config_clear(&config);
        return EXIT_BAD_USAGE;
    }
    if (config.help || config.version || config.print_config || config.check) {
        int status = EXIT_DRAINED;

        if (config.help)
            fputs(config_usage, stdout);
        else if (config.version)
            printf("shardcastd %s\n", SHARDCAST_VERSION);
        else if (config.print_config)
            status = config_print(&config, STDOUT_FILENO) ? EXIT_RUNTIME : EXIT_DRAINED;
        config_clear(&config);
        return fflush(stdout) ? EXIT_RUNTIME : status;
    }
    if (engine_start(&engine, &config, failed)) {
        log_error("msg=\"cannot start\" error=\"%s\"", failed);
        return EXIT_RUNTIME;
    }
    engine_run(engine);
    engine_stop(engine);
    return EXIT_DRAINED;
}
