#!/usr/bin/env bash
# Messages to very many groups of one member. See --help.
set -euo pipefail
# shellcheck source=lib-load.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib-load.sh"

usage() {
    cat <<'TEXT'
usage: scripts/load-sessions.sh [OPTION...]

Starts the engine on free ports of loopback, connects 10,000 clients, each alone
in a group of its own (session:...), publishes 10,000 messages per second to them
in turn for 5 s, verifies every message, prints a table, and stops the engine.

  --groups N        sessions (10000)
  --rate N          messages per second over all of them; 0: flat out (10000)
  --burst N         messages that go out together (10)
  --payload BYTES   of each message: 128, 64-4096, or 128:90,60000:10 with weights
TEXT
    load_options_help
}

LOAD_ARGS=()
parse_load_options '--groups --rate --burst --payload --window' "$@"
no_operands
start_load_engine < <(load_config)
run_load sessions "${LOAD_ARGS[@]}"
