#!/usr/bin/env bash
# Makes an environment for each Python that is named, with the newest JAX that it takes of the range in pyproject.toml, and
# runs the tests in each; by default python3.11 and python3.12: launch/test_matrix.sh [--dry_run] [PYTHON ...]
# MATRIX_FOLDER holds the environments (build/test_matrix), MATRIX_TESTS the words after `python -m pytest`.
set -euo pipefail

# shellcheck source=launch/dry_run.sh
source "$(dirname "${BASH_SOURCE[0]}")/dry_run.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder="${MATRIX_FOLDER:-build/test_matrix}"
read -ra tests <<< "${MATRIX_TESTS:-}"
[[ $# -gt 0 ]] || set -- python3.11 python3.12
for python in "$@"; do
    [[ -n $dry_run ]] || command -v "$python" > /dev/null || {
        echo "error: there is no $python; name others, or install it" >&2
        exit 2
    }
done

failed=()
for python in "$@"; do
    environment="$folder/$(basename "$python")"
    run "$python" -m venv "$environment"
    run "$environment/bin/python" -m pip install --quiet --editable '.[test]'
    run "$environment/bin/python" -m pip list
    run "$environment/bin/python" -m pytest "${tests[@]}" || failed+=("$python")
done

if [[ ${#failed[@]} -gt 0 ]]; then
    echo "error: the tests failed with ${failed[*]}" >&2
    exit 1
fi
[[ -n $dry_run ]] || echo "the tests passed with $*"
