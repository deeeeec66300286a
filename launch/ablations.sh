#!/usr/bin/env bash
# Trains all ablations of an experiment, one after the other:
#   launch/ablations.sh BASE[-SIZE] [--config.data.dir=DIR ...]
# A run that is complete is evaluated only, so that a sweep that was stopped goes on where it was.
set -euo pipefail

usage() {
    echo "usage: launch/ablations.sh BASE[-SIZE] [--config.data.dir=DIR ...], such as launch/ablations.sh demo-tiny" >&2
    echo "$1" >&2
    exit 2
}

[[ $# -ge 1 && $1 != -* ]] || usage "BASE is the name of an experiment in configs/: demo, msrvtt, msrvtt_1ka, ..."
base=$1
shift
for argument in "$@"; do
    case $argument in
    --config | --config=* | -config | -config=*) usage "the ablations are the configs; give BASE and no --config" ;;
    --workdir | --workdir=* | -workdir | -workdir=*) usage "every ablation has a folder of its own; give no --workdir" ;;
    esac
done

ablations=(full no_relationships no_divergence plain_bce no_attribute_loss separate_projections
    zero_missing_levels no_linear_branch only_global)
for i in "${!ablations[@]}"; do
    ablation=${ablations[i]}
    echo "ablation $((i + 1)) of ${#ablations[@]}: $ablation of $base"
    status=0
    "${PYTHON:-python3}" -m mcsan_jax.main --config="ablations:$ablation:$base" "$@" || status=$?
    if [[ $status -ne 0 ]]; then
        echo "ablation $ablation of $base failed with status $status; those after it were not started" >&2
        exit "$status"
    fi
done
echo "all ablations of $base are in runs/ablations/$base"
