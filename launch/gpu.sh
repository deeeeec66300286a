#!/usr/bin/env bash
# Trains on the NVIDIA GPUs of this machine, all in one process: launch/gpu.sh [--dry_run] FLAGS-OF-MCSAN_JAX.MAIN...
# CUDA_VISIBLE_DEVICES=0,1 takes some of them. Several machines: launch/slurm.sbatch.
set -euo pipefail

# shellcheck source=launch/dry_run.sh
source "$(dirname "${BASH_SOURCE[0]}")/dry_run.sh"
if [[ $# -lt 1 || $1 != --* ]]; then
    echo "usage: launch/gpu.sh [--dry_run] --config=FILE [--workdir=DIR ...]" >&2
    exit 2
fi

run nvidia-smi --query-gpu=index,name,memory.total,driver_version --format=csv,noheader || {
    echo "nvidia-smi found no GPU; launch/local.sh trains on the processor" >&2
    exit 2
}
# Without a GPU, JAX ends with an error instead of training on the processor.
run exec env JAX_PLATFORMS=cuda XLA_PYTHON_CLIENT_MEM_FRACTION="${XLA_PYTHON_CLIENT_MEM_FRACTION:-0.92}" \
    "${PYTHON:-python3}" -m mcsan_jax.main "$@"
