# What the scripts share: messages, Debian packages, builds, starting and stopping the engine.
# To be sourced by bash with `set -euo pipefail`; it changes no settings of the caller.
# shellcheck shell=bash

# The tree that this file lies in, wherever the caller stands.
ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# What is started: the release build, or another one.
BIN=${SHARDCAST_BIN_DIR:-$ROOT/build/release/bin}

# What the engine needs to be built.
BUILD_PACKAGES=(build-essential cmake ninja-build pkg-config clang libuv1-dev libwebsockets-dev
    libwebsockets-evlib-uv libck-dev libmsgpack-dev libcmocka-dev libjansson-dev libxxhash-dev
    libyaml-dev libssl-dev libhttp-parser-dev libprotobuf-c-dev protobuf-c-compiler curl)

# What the integration tests and the comparisons with peers need on top.
NODE_PACKAGES=(nodejs npm)

# What the tests in a browser need.
BROWSER_PACKAGES=(chromium)

# say TEXT...: one line of progress, on stderr so that a script's output stays its result.
say() {
    if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
        printf '\033[1m==> %s\033[0m\n' "$*" >&2
    else
        printf '==> %s\n' "$*" >&2
    fi
}

# die TEXT...: says what is wrong and ends the script.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# as_root COMMAND...: runs it as root, through sudo where that is needed.
as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        die "needs root to run '$*', and there is no sudo: run that command as root, then this again"
    fi
}

package_installed() {
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# need_packages [PACKAGE...]: installs those Debian packages that are missing; without names, what a
# build needs. Says what it installs; does nothing (and wants no network) where all are there.
need_packages() {
    local missing=() package
    [[ $# -gt 0 ]] || set -- "${BUILD_PACKAGES[@]}"
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "no Debian package manager here; taking it that these are installed: $*"
        return 0
    fi
    for package in "$@"; do
        package_installed "$package" || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    say "installing Debian packages: ${missing[*]}"
    as_root apt-get update -q >&2
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
}

# need_node: node and npm, from wherever they are already.
need_node() {
    if command -v node >/dev/null && command -v npm >/dev/null; then
        return 0
    fi
    need_packages "${NODE_PACKAGES[@]}"
}

# build_preset NAME [TARGET...]: configures and builds a preset of CMakePresets.json; what it makes
# lies in $ROOT/build/NAME/bin. Prints the tool's progress on stderr.
build_preset() {
    local preset=$1 target targets=()
    shift
    for target in "$@"; do
        targets+=(--target "$target")
    done
    say "building (preset $preset)"
    (cd "$ROOT" && cmake --preset "$preset" --log-level=WARNING >&2 &&
        cmake --build --preset "$preset" "${targets[@]}" >&2)
}

# wait_ready ADMIN PID [SECONDS]: until GET /readyz on ADMIN is 200. Fails when the process ends
# before, or the time is over (default 10 s).
wait_ready() {
    local admin=$1 pid=$2 deadline=$((SECONDS + ${3:-10}))
    while ((SECONDS <= deadline)); do
        if curl -fs -o /dev/null --max-time 1 "http://$admin/readyz"; then
            return 0
        fi
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

# stop_process PID [SECONDS]: SIGTERM, then waits for its end; SIGKILL when it takes longer than SECONDS
# (default 15). Without bash's wait, which a signal may leave waiting for a child that it has reaped.
stop_process() {
    local pid=$1 deadline=$((SECONDS + ${2:-15}))
    kill -TERM "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do
        if ((SECONDS > deadline)); then
            say "process $pid does not end by itself; killing it"
            kill -KILL "$pid" 2>/dev/null || true
            break
        fi
        sleep 0.05
    done
}

# start_engine LOG [ARGUMENT...]: starts the release build in the background with its log in the file
# LOG, waits until it is ready, and sets ENGINE_PID, ENGINE_CLIENTS, ENGINE_PRODUCERS and ENGINE_ADMIN.
# The caller stops it, also in a trap: ENGINE_PID is set as soon as there is a process. It has a session
# of its own: a Ctrl-C reaches the script alone, and the engine gets one signal to drain, not two.
start_engine() {
    local log=$1 line='' deadline=$((SECONDS + 10))
    shift
    setsid "$BIN/shardcastd" "$@" 2>"$log" &
    ENGINE_PID=$!
    while ((SECONDS <= deadline)) && kill -0 "$ENGINE_PID" 2>/dev/null; do
        line=$(grep -m 1 'msg=listening' "$log" 2>/dev/null) && break
        sleep 0.05
    done
    if [[ $line =~ clients=([^ ]+)\ producers=([^ ]+)\ admin=([^ ]+) ]]; then
        ENGINE_CLIENTS=${BASH_REMATCH[1]}
        ENGINE_PRODUCERS=${BASH_REMATCH[2]}
        ENGINE_ADMIN=${BASH_REMATCH[3]}
        wait_ready "$ENGINE_ADMIN" "$ENGINE_PID" && return 0
    fi
    say "the engine did not start; its log:"
    cat "$log" >&2
    return 1
}

# leave_nothing_behind: a directory of this run's own, SCRATCH, and however the script ends, the
# processes ENGINE_PID and LOAD_PID end before it.
leave_nothing_behind() {
    ENGINE_PID='' LOAD_PID=''
    SCRATCH=$(mktemp -d)
    trap clean_up EXIT
    # A second signal must not cut the end short.
    trap 'trap "" INT TERM HUP; exit 130' INT
    trap 'trap "" INT TERM HUP; exit 143' TERM
    trap 'trap "" INT TERM HUP; exit 129' HUP
}

clean_up() {
    local status=$?
    trap - EXIT
    trap "" INT TERM HUP
    [[ -z $LOAD_PID ]] || stop_process "$LOAD_PID" 60
    [[ -z $ENGINE_PID ]] || stop_process "$ENGINE_PID"
    rm -rf "$SCRATCH"
    exit "$status"
}
