#!/usr/bin/env bash
# Trains in N processes on this machine, as if they were N machines:
#   launch/local_processes.sh N FLAGS-OF-MCSAN_JAX.MAIN...
# DEVICES_PER_PROCESS=D gives each of them D simulated devices (1 by default). Needs bash 5.1 or newer.
set -euo pipefail

if [[ $# -lt 2 || ! $1 =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: launch/local_processes.sh N --config=FILE [--workdir=DIR ...]" >&2
    exit 2
fi
count=$1
shift
python=${PYTHON:-python3}
export JAX_PLATFORMS=cpu JAX_NUM_CPU_DEVICES=${DEVICES_PER_PROCESS:-1}
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("localhost", 0)); print(s.getsockname()[1])')

declare -A index_of
for ((index = 0; index < count; index++)); do
    "$python" -m mcsan_jax.main \
        --coordinator="localhost:$port" --process_count="$count" --process_index="$index" "$@" &
    index_of[$!]=$index
done
# Asking this script to stop is asking them.
trap 'kill -TERM "${!index_of[@]}"' TERM INT

# Status with which a process says that it was asked to stop and can go on.
resume_me=75
outcome=0
while ((${#index_of[@]})); do
    status=0 ended=
    wait -n -p ended "${!index_of[@]}" || status=$?
    if [[ -z ${ended:-} ]]; then
        # Asked to stop while it waited; or all of them ended before it could wait.
        ((status == 127)) || continue
        left=("${!index_of[@]}")
        ended=${left[0]} status=0
        wait "$ended" || status=$?
    fi
    if [[ $status -ne 0 && $outcome -eq 0 ]]; then
        outcome=$status
        if [[ $status -ne $resume_me ]]; then
            echo "process ${index_of[$ended]} of $count ended with status $status; the others are ended in 30 s" >&2
            others=("${!index_of[@]}")
            (sleep 30 && kill -KILL "${others[@]}") &>/dev/null &
            killer=$!
            trap 'kill "$killer" 2>/dev/null || true' EXIT
        fi
    fi
    unset "index_of[$ended]"
done
exit "$outcome"
