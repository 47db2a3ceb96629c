#!/usr/bin/env bash
# Everybody connects at once, and after a drop all again. See --help.
set -euo pipefail
# shellcheck source=lib-load.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib-load.sh"

usage() {
    cat <<'TEXT'
usage: scripts/load-storm.sh [OPTION...]

Starts the engine on free ports of loopback, connects 15,000 clients as fast as it
lets them, cuts all of them at once, and lets all come again. Sees that each has
joined, prints connections per second of each wave and what they cost, and stops
the engine.

  --members N       clients (15000)
  --waves N         times that all connect (2)
  --in-flight N     handshakes under way at once (200)
TEXT
    load_options_help
}

LOAD_ARGS=()
parse_load_options '--members --waves --in-flight' "$@"
no_operands
start_load_engine < <(load_config)
run_load storm "${LOAD_ARGS[@]}"
