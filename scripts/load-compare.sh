#!/usr/bin/env bash
# Shardcast and its peers in turns on the same work. See --help.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'TEXT'
usage: scripts/load-compare.sh [OPTION...]

Builds the engine and the generator, and runs Shardcast, uWebSockets, nchan,
nats-server and mosquitto in turns on the same work (bench/compare/run.mjs, whose
options these are). A peer that is not installed is left out: the Debian packages
are nginx, libnginx-mod-nchan, nats-server and mosquitto; Debian starts them as
services, which are not what is measured and may be stopped. uWebSockets is
installed from npm under build/peers. Traffic stays on loopback.

  --no-build        takes what is built already

TEXT
    if command -v node >/dev/null; then
        node "$ROOT/bench/compare/run.mjs" --help | sed -n '/^  --/,$p'
    fi
}

BUILD=1 ARGS=()
for argument in "$@"; do
    case $argument in
    --help | -h)
        usage
        exit 0
        ;;
    --no-build) BUILD=0 ;;
    *) ARGS+=("$argument") ;;
    esac
done
need_node
if [[ $BUILD -eq 1 ]]; then
    need_packages
    build_preset release shardcastd shardcast-load
fi
exec node "$ROOT/bench/compare/run.mjs" "${ARGS[@]}"
