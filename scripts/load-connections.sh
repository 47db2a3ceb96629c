#!/usr/bin/env bash
# Very many connections in one engine on one machine. See --help.
set -euo pipefail
# shellcheck source=lib-load.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib-load.sh"

usage() {
    cat <<'TEXT'
usage: scripts/load-connections.sh [N] [OPTION...]

Starts the engine on free ports of loopback and holds N connections (300000) in it:
connects them as fast as it lets them, holds them idle, with pings on, writes to all
of them and to one group of 100,000, cuts all at once, and lets all come again.
Prints connections per second over time, memory of the engine and of the kernel for
each, CPU while idle, and how long a broadcast takes to reach everyone; verifies
every message; stops the engine.

Files are limited per file table, and each shard has one, so it takes as many shards
as the limit asks for: 20,000 files are some 17,500 connections. The generator's
threads do likewise. Both ends take some 10 KiB of memory for each connection.

  --crowd N         members of the large group (100000)
  --rounds N        broadcasts to all, and as many to the large group (3)
  --seconds N       of holding; pings come every 25 s (30)
  --in-flight N     handshakes under way at once (400)
  --payload BYTES   of each message (128)
TEXT
    load_options_help
}

# What one shard holds of the hard limit on open files: less what it keeps for itself, and as much as
# the kernel's spreading of connections over shards may be uneven.
connections_per_shard() {
    local limit
    limit=$(ulimit -Hn)
    [[ $limit != unlimited && $limit -le 1000000 ]] || limit=1000000
    [[ $limit -ge 4096 ]] || die "the hard limit on open files is $limit: too low for this"
    echo $(((limit - 1280) * 94 / 100))
}

LOAD_ARGS=()
parse_load_options '--crowd --rounds --in-flight --payload' "$@"
[[ ${#OPERANDS[@]} -le 1 ]] || die "${OPERANDS[1]}: not understood; see --help"
COUNT=${OPERANDS[0]-300000}
[[ $COUNT =~ ^[1-9][0-9]{0,6}$ ]] || die "$COUNT: wants a number of connections, up to 9999999"
EACH=$(connections_per_shard)
CORES=$(nproc)
[[ $SHARDS -gt 0 ]] || SHARDS=$(((COUNT + EACH - 1) / EACH))
[[ $SHARDS -ge $CORES ]] || SHARDS=$CORES
AVAILABLE=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
NEEDED=$((COUNT * 11 / 1024 + 256))
[[ $AVAILABLE -ge $NEEDED ]] ||
    die "$COUNT connections take some $NEEDED MiB for both ends, and the machine has $AVAILABLE left"

start_load_engine < <(load_config)
say "$COUNT connections on $SHARDS shards"
run_load connections --members "$COUNT" "${LOAD_ARGS[@]}"
