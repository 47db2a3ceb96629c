#!/usr/bin/env bash
# Shardcast and its peers in turns on the same work. See --help.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'TEXT'
usage: scripts/load-compare.sh [OPTION...]

Installs the Debian packages that are missing (nginx, libnginx-mod-nchan,
nats-server, mosquitto; the services that Debian starts with them are stopped and
disabled again), builds the engine and the generator, and runs Shardcast,
uWebSockets, nchan, nats-server and mosquitto in turns on the same work
(bench/compare/run.mjs, whose options these are). uWebSockets is installed from npm
under build/peers. Traffic stays on loopback.

  --no-build        takes what is built already

TEXT
    if command -v node >/dev/null; then
        node "$ROOT/bench/compare/run.mjs" --help | sed -n '/^  --/,$p'
    fi
}

# A peer's package, without its service: what is measured is started by the comparison itself.
install_peer() {
    if command -v dpkg-query >/dev/null && ! package_installed "$1"; then
        need_packages "$1"
        if command -v systemctl >/dev/null; then
            as_root systemctl disable --now "$1" >&2 || true
        fi
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
install_peer nginx
install_peer nats-server
install_peer mosquitto
need_packages libnginx-mod-nchan gnuplot-nox
if [[ $BUILD -eq 1 ]]; then
    need_packages
    build_preset release shardcastd shardcast-load
fi
exec node "$ROOT/bench/compare/run.mjs" "${ARGS[@]}"
