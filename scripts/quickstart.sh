#!/usr/bin/env bash
# From a fresh Debian 12 machine to a running Shardcast. See --help.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'TEXT'
usage: scripts/quickstart.sh [--serve]

Installs the Debian packages that are missing (with sudo where this is not root), builds the release
preset under build/release, starts the engine on free ports of loopback and runs a scenario against
it: 150 connections, of which an update concerns 50. It is sent to everyone, and then to its group;
then 1000 connections in one group get everything. Prints what arrived, what it cost and how long it
took, stops the engine and leaves no process behind.

  --serve   afterwards starts the engine on its default ports, with its default configuration, says
            how to publish and subscribe, and keeps it up until Ctrl-C
  --help    this

Exit status: 0 when every message arrived once, in order and nowhere else; else 1.
TEXT
}

how_to() {
    cat <<TEXT

The engine is up. Press Ctrl-C to stop it.

    clients    ws://127.0.0.1:7480/ws/GROUP
    producers  127.0.0.1:7481 (msgpack over TCP)
    admin      http://127.0.0.1:7482/stats
    to look at http://127.0.0.1:7480/demo?group=news

Subscribe in a second terminal, publish in a third:

    build/release/bin/shardcast sub news
    build/release/bin/shardcast pub news 'Hello, world'
    build/release/bin/shardcast stats

In a browser:

    new WebSocket('ws://127.0.0.1:7480/ws/news').onmessage = (event) => console.log(event.data);

A producer in Python (python3-msgpack):

    import msgpack, socket
    engine = socket.create_connection(('127.0.0.1', 7481))
    command = {'op': 'broadcast', 'group': 'news', 'data': 'Hello from Python', 'id': 1}
    engine.sendall(msgpack.packb(command))
    print(msgpack.unpackb(engine.recv(4096)))

and in Node (npm install @msgpack/msgpack):

    const { encode, decode } = require('@msgpack/msgpack');
    const engine = require('node:net').connect(7481, '127.0.0.1');
    const command = { op: 'broadcast', group: 'news', data: 'Hello from Node', id: 1 };
    engine.write(encode(command));
    engine.once('data', (answer) => { console.log(decode(answer)); engine.end(); });

TEXT
}

serve=0
for argument in "$@"; do
    case $argument in
    --serve) serve=1 ;;
    --help | -h)
        usage
        exit 0
        ;;
    *) die "unknown argument: $argument (see --help)" ;;
    esac
done

leave_nothing_behind
need_packages
build_preset release shardcastd shardcast shardcast-load

# The scenario sends faster than the 100 messages per second that a group may have by default.
cat >"$SCRATCH/shardcast.yaml" <<'YAML'
namespaces:
  - { name: "", max_rate: 0 }
YAML

say "starting the engine on free ports"
start_engine "$SCRATCH/log" --config "$SCRATCH/shardcast.yaml" --listen 127.0.0.1:0 \
    --producers 127.0.0.1:0 --admin 127.0.0.1:0

say "running the scenario: 3000 updates, some 5 seconds"
"$BIN/shardcast-load" quickstart --clients "$ENGINE_CLIENTS" \
    --producers "$ENGINE_PRODUCERS" --admin "$ENGINE_ADMIN" --pid "$ENGINE_PID" &
LOAD_PID=$!
# In the background and waited for, so that a signal ends this at once.
status=0
wait "$LOAD_PID" || status=$?
LOAD_PID=''

say "stopping the engine"
stop_process "$ENGINE_PID"
ENGINE_PID=''

if [[ $serve -eq 1 ]]; then
    say "starting the engine on its default ports"
    start_engine "$SCRATCH/log"
    how_to
    wait "$ENGINE_PID" || status=$?
    ENGINE_PID=''
    tail -n 5 "$SCRATCH/log" >&2
fi
exit "$status"
