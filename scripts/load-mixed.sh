#!/usr/bin/env bash
# Messages of all sizes and priorities to members of which some are slow. See --help.
set -euo pipefail
# shellcheck source=lib-load.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib-load.sh"

usage() {
    cat <<'TEXT'
usage: scripts/load-mixed.sh [OPTION...]

Starts the engine on free ports of loopback, joins 240 members to 6 groups, of
which two have the policy close, two skip and two latest, and publishes messages
of all sizes and priorities for 20 s. 2 members of each group read next to nothing:
what their policy leaves out for them is counted, and the others must get
everything. Verifies that, holds the engine's own count against it, prints a table
with the latency of each priority, and stops the engine.

  --groups N        groups (6)
  --members N       of each group (40)
  --slow N          members of each group that are slow (2)
  --slow-rate BYTES that each of these reads per second (4096)
  --rate N          messages per second over all groups (600)
  --burst N         messages that go out together (6)
  --payload BYTES   of each message (128:60,1024-4096:30,16384:10)
  --priorities LIST how many have which (critical=5,normal=80,low=15)
  --churn N         members that leave and join again, per second (0)
TEXT
    load_options_help
}

LOAD_ARGS=(--prefix 'close:,skip:,latest:')
parse_load_options '--groups --members --slow --slow-rate --rate --burst --payload --priorities --churn' "$@"
no_operands
start_load_engine < <(mixed_config 262144)
run_load mixed "${LOAD_ARGS[@]}"
