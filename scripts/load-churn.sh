#!/usr/bin/env bash
# Members that leave and join again while others are published to. See --help.
set -euo pipefail
# shellcheck source=lib-load.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib-load.sh"

usage() {
    cat <<'TEXT'
usage: scripts/load-churn.sh [OPTION...]

Starts the engine on free ports of loopback, joins 1000 members to 20 groups, and
publishes 1000 messages per second to these for 10 s, while 500 members per
second leave and join again, half of them without a word. Whoever has joined must
get every message from there on: verifies that, prints a table, and stops the
engine.

  --churn N         members that leave and join again, per second (500)
  --groups N        groups (20)
  --members N       of each group (50)
  --rate N          messages per second over all groups (1000)
  --burst N         messages that go out together (1)
  --payload BYTES   of each message: 128, 64-4096, or 128:90,60000:10 with weights
TEXT
    load_options_help
}

LOAD_ARGS=()
parse_load_options '--churn --groups --members --rate --burst --payload' "$@"
no_operands
start_load_engine < <(load_config)
run_load churn "${LOAD_ARGS[@]}"
