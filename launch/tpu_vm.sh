#!/usr/bin/env bash
# Trains on a Cloud TPU, one machine or a slice of many: launch/tpu_vm.sh [--dry_run] VERB ...
set -euo pipefail

usage() {
    cat >&2 <<'TEXT'
usage: launch/tpu_vm.sh [--dry_run] VERB
  create              makes the TPU
  install             copies the last commit of this repository to all workers and installs it there
  data FOLDER         copies a folder of prepared data to data/ of the project there
  start FLAGS...      starts python -m mcsan_jax.main with these flags on all workers, in the background;
                      again after the run ended early: it goes on from its last checkpoint
  logs                follows what the first worker says
  fetch RUN FOLDER    copies a folder of results, such as runs/msrvtt, from there to FOLDER
  stop                asks all workers to save a checkpoint and end
  delete              deletes the TPU and what is on its disks
--dry_run prints every command instead of running it.

Environment:
  TPU_NAME     its name (mcsan)
  TPU_TYPE     accelerator type (v5litepod-16)
  TPU_VERSION  software of its machines (v2-alpha-tpuv5-lite)
  TPU_ZONE     such as europe-west4-b; by default that of the gcloud configuration
  TPU_SPOT     1 for a machine that may be taken back (0)
  TPU_SHARE    NFS export that all workers mount and that holds data/ and runs/, such as 10.0.0.2:/share;
               needed where the slice has several workers
TEXT
    echo "$1" >&2
    exit 2
}

# shellcheck source=launch/dry_run.sh
source "$(dirname "${BASH_SOURCE[0]}")/dry_run.sh"
[[ $# -ge 1 ]] || usage "give a VERB"
verb=$1
shift

name=${TPU_NAME:-mcsan}
at_zone=()
[[ -z ${TPU_ZONE-} ]] || at_zone=("--zone=$TPU_ZONE")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

tpu() {
    local what=$1
    shift
    run gcloud compute tpus tpu-vm "$what" "$@" "${at_zone[@]}"
}

on() {
    tpu ssh "$name" "--worker=$1" "--command=$2"
}

takes() {
    [[ $1 -eq $2 ]] || usage "$verb takes $2 argument(s), but got $1"
}

case $verb in
create)
    takes $# 0
    spot=()
    [[ ${TPU_SPOT:-0} != 1 ]] || spot=(--spot)
    tpu create "$name" "--accelerator-type=${TPU_TYPE:-v5litepod-16}" \
        "--version=${TPU_VERSION:-v2-alpha-tpuv5-lite}" "${spot[@]}"
    ;;
install)
    takes $# 0
    archive=$(mktemp -d)/mcsan_jax.tar.gz
    trap 'rm -rf "$(dirname "$archive")"' EXIT
    run git -C "$root" archive --format=tar.gz "--output=$archive" HEAD
    tpu scp "$archive" "$name:mcsan_jax.tar.gz" --worker=all
    if [[ -n ${TPU_SHARE-} ]]; then
        on all "sudo apt-get install -q -y nfs-common && mkdir -p share && \
{ mountpoint -q share || sudo mount -t nfs ${TPU_SHARE@Q} share; } && sudo chown \"\$USER\" share"
    fi
    # The machines come with a Python that is too old.
    on all "mkdir -p mcsan_jax share/data share/runs && tar -xzf mcsan_jax.tar.gz -C mcsan_jax && \
ln -sfn ../share/data mcsan_jax/data && ln -sfn ../share/runs mcsan_jax/runs && \
python3 -m pip install -q --user uv && python3 -m uv venv -q --clear --python=3.12 mcsan_jax/.venv && \
python3 -m uv pip install -q --python=mcsan_jax/.venv/bin/python './mcsan_jax[tpu]'"
    ;;
data)
    takes $# 1
    [[ -f $1/manifest.json ]] || usage "$1 holds no prepared data: there is no manifest.json"
    # Once where all workers share it.
    worker=all
    [[ -z ${TPU_SHARE-} ]] || worker=0
    tpu scp --recurse "$1" "$name:mcsan_jax/data/" "--worker=$worker"
    ;;
start)
    [[ $# -ge 1 && $1 == --* ]] || usage "start takes the flags of mcsan_jax.main, such as --config=configs/msrvtt.py"
    on all "cd mcsan_jax && { nohup .venv/bin/python -m mcsan_jax.main --distributed ${*@Q} \
>>../train.log 2>&1 </dev/null & }"
    ;;
logs)
    takes $# 0
    on 0 "tail -n 100 -F train.log"
    ;;
fetch)
    takes $# 2
    tpu scp --recurse "$name:mcsan_jax/$1" "$2" --worker=0
    ;;
stop)
    takes $# 0
    on all "pkill -TERM -f [m]csan_jax.main || true"
    ;;
delete)
    takes $# 0
    tpu delete "$name" --quiet
    ;;
*) usage "unknown VERB $verb" ;;
esac
