#!/usr/bin/env bash
# Trains on this machine as if its CPU were several devices: launch/local.sh DEVICES FLAGS-OF-MCSAN_JAX.MAIN...
set -euo pipefail

if [[ $# -lt 2 || ! $1 =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: launch/local.sh DEVICES --config=FILE [--workdir=DIR ...]" >&2
    exit 2
fi
devices=$1
shift
export JAX_PLATFORMS=cpu JAX_NUM_CPU_DEVICES=$devices
exec "${PYTHON:-python3}" -m mcsan_jax.main "$@"
