# What the load scripts share: one engine, one run of shardcast-load against it, one table.
# To be sourced by bash with `set -euo pipefail`; a script that does defines usage().
# shellcheck shell=bash
# shellcheck source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# The options that all of them have, for their --help.
load_options_help() {
    cat <<'TEXT'
  --seconds N       of measuring
  --shards N        of the engine (0: one for each core)
  --require LIST    exit status 1 unless 'p99<5ms,lost=0' or the like holds;
                    `shardcast-load figures` lists what may be required
  --plot DIR        draws latency, throughput and memory over time there
  --json            the result as JSON instead of a table
  --quiet           no progress on stderr
  --no-build        takes what is built already
  -- OPTION...      more options, for shardcast-load as they are
  --help            this

Exit status: 0; 1 when a message was lost or came wrongly, or what was required
does not hold.
TEXT
}

# parse_load_options NAMES ARGUMENT...: the options above and those in NAMES (with a value each), which
# shardcast-load knows. Sets SHARDS and BUILD, and adds the rest to LOAD_ARGS, where the last one of
# a kind holds; what is no option goes to the array OPERANDS.
parse_load_options() {
    local names=" $1 --seconds --require --plot --warmup --threads --sources "
    shift
    SHARDS=0 BUILD=1 OPERANDS=()
    while [[ $# -gt 0 ]]; do
        case $1 in
        --help | -h)
            usage
            exit 0
            ;;
        --no-build) BUILD=0 ;;
        --json | --quiet) LOAD_ARGS+=("$1") ;;
        --)
            shift
            LOAD_ARGS+=("$@")
            return
            ;;
        --shards)
            [[ ${2-} =~ ^[0-9]+$ ]] || die "--shards: wants a number; see --help"
            SHARDS=$2
            shift
            ;;
        --*)
            [[ $names == *" $1 "* ]] || die "$1: no such option; see --help"
            [[ $# -gt 1 ]] || die "$1: wants a value; see --help"
            LOAD_ARGS+=("$1" "$2")
            shift
            ;;
        *) OPERANDS+=("$1") ;;
        esac
        shift
    done
}

# no_operands: the script knows none.
no_operands() {
    [[ ${#OPERANDS[@]} -eq 0 ]] || die "${OPERANDS[0]}: not understood; see --help"
}

# start_load_engine: builds what is missing, and starts the engine on free ports of loopback with the
# configuration that stands on stdin.
start_load_engine() {
    leave_nothing_behind
    cat >"$SCRATCH/shardcast.yaml"
    if [[ $BUILD -eq 1 ]]; then
        need_packages
        build_preset release shardcastd shardcast-load
    fi
    say "starting the engine on free ports"
    start_engine "$SCRATCH/log" --config "$SCRATCH/shardcast.yaml" --shards "$SHARDS" \
        --listen 127.0.0.1:0 --producers 127.0.0.1:0 --admin 127.0.0.1:0
}

# run_load SCENARIO [ARGUMENT...]: runs shardcast-load against that engine, then stops it. Returns the
# run's exit status.
run_load() {
    local scenario=$1 status=0
    shift
    say "running shardcast-load $scenario"
    # In the background and waited for, so that a signal ends this at once.
    "$BIN/shardcast-load" "$scenario" --clients "$ENGINE_CLIENTS" \
        --producers "$ENGINE_PRODUCERS" --admin "$ENGINE_ADMIN" --pid "$ENGINE_PID" "$@" &
    LOAD_PID=$!
    wait "$LOAD_PID" || status=$?
    LOAD_PID=''
    if ! kill -0 "$ENGINE_PID" 2>/dev/null; then
        say "the engine has ended; its log:"
        cat "$SCRATCH/log" >&2
        status=1
    fi
    stop_process "$ENGINE_PID" 30
    ENGINE_PID=''
    return "$status"
}

# load_config: lifts the limits that hold by default: the work is the measure here.
load_config() {
    cat <<'YAML'
limits: { groups: 4000000, backlog_bytes: 16777216 }
namespaces:
  - { name: "", max_members: 0, max_rate: 0 }
YAML
}

# mixed_config BACKLOG: likewise, with a namespace for each policy for slow members; of the engine,
# BACKLOG bytes may wait for one.
mixed_config() {
    cat <<YAML
limits: { backlog_bytes: $1 }
health: { ping_seconds: 5, pong_timeout_seconds: 4 }
namespaces:
  - { name: "", max_members: 0, max_rate: 0 }
  - { name: close, slow_consumer: close }
  - { name: skip, slow_consumer: skip }
  - { name: latest, slow_consumer: latest }
YAML
}
