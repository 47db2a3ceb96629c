#!/usr/bin/env bash
# Mixed traffic with churn for a long time: nothing may grow. See --help.
set -euo pipefail
# shellcheck source=lib-load.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib-load.sh"

usage() {
    cat <<'TEXT'
usage: scripts/load-soak.sh [SECONDS] [OPTION...]

Starts the engine on free ports of loopback and keeps it busy for SECONDS (600):
messages of all sizes and priorities to 1000 members of 20 groups, some of which
read slowly and some of which leave and join again all the time. Verifies every
message, takes the engine's memory, open files and latency every second, draws
them over time, and fails if memory or open files grew: the median of the last
quarter may be at most 5 % above that of the second (of files: 2 %). A minute
before, and the first quarter, do not count: caches fill, and then the backlogs
of slow members, which takes some rounds of being cut off. Stops the engine.

  --plot DIR        where the pictures go (build/load/soak)
  --groups N        groups (20)
  --members N       of each group (50)
  --slow N          members of each group that are slow (1)
  --rate N          messages per second over all groups (500)
  --churn N         members that leave and join again, per second (20)
  --payload BYTES   of each message (128:60,1024-4096:30,16384:10)
  --priorities LIST how many have which (critical=5,normal=80,low=15)
TEXT
    load_options_help
}

LOAD_ARGS=(--prefix 'close:,skip:,latest:' --groups 20 --members 50 --slow 1 --rate 500 --churn 20
    --seconds 600 --warmup 60 --require 'rss.growth<5%,fds.growth<2%' --plot "$ROOT/build/load/soak")
parse_load_options '--groups --members --slow --slow-rate --rate --burst --payload --priorities --churn' "$@"
[[ ${#OPERANDS[@]} -le 1 ]] || die "${OPERANDS[1]}: not understood; see --help"
[[ ${#OPERANDS[@]} -eq 0 ]] || LOAD_ARGS+=(--seconds "${OPERANDS[0]}")
command -v gnuplot >/dev/null || need_packages gnuplot-nox
mkdir -p "$ROOT/build/load"
start_load_engine < <(mixed_config 1048576)
run_load mixed "${LOAD_ARGS[@]}"
