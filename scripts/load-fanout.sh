#!/usr/bin/env bash
# Messages to the members of one group. See --help.
set -euo pipefail
# shellcheck source=lib-load.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib-load.sh"

usage() {
    cat <<'TEXT'
usage: scripts/load-fanout.sh [OPTION...]

Starts the engine on free ports of loopback, joins 1000 members to one group,
publishes 100 messages of 128 bytes per second to it for 5 s, verifies every
message that comes, prints a table, and stops the engine.

  --members N       of the group (1000)
  --rate N          messages per second; 0: as fast as the members take them (100)
  --burst N         messages that go out together (1)
  --payload BYTES   of each message: 128, 64-4096, or 128:90,60000:10 with weights
TEXT
    load_options_help
}

LOAD_ARGS=()
parse_load_options '--members --rate --burst --payload --window --priorities' "$@"
no_operands
start_load_engine < <(load_config)
run_load fanout "${LOAD_ARGS[@]}"
