#!/usr/bin/env bash
# Measures the accelerator of this machine, as one command: benchmarks/accelerator.sh [--dry_run] [RESULTS.txt]
# Training steps at full scale (pairs/s, share of the peak rate, memory) and the scores and ranks of a whole test set; float32
# and bfloat16 each. Then the extraction of features from clips, float32. Some ten minutes, most of them compiling.
# SIZES="..." adds flags to the steps (such as --steps=1).
set -euo pipefail
# shellcheck source=launch/dry_run.sh
source "$(dirname "${BASH_SOURCE[0]}")/../launch/dry_run.sh"

results=${1:-accelerator.txt}
python=${PYTHON:-python3}
read -r -a sizes <<<"${SIZES-}"

measure() {
    for dtype in float32 bfloat16; do
        run "$python" -m benchmarks epoch_time configs/msrvtt.py "--compute_dtype=$dtype" --steps=20 "${sizes[@]}"
    done
    run "$python" -m benchmarks full_test_set
    run "$python" -m benchmarks extraction
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ -n $dry_run ]]; then
    measure
else
    measure 2>&1 | tee "$results"
fi
