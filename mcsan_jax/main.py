"""`python -m mcsan_jax.main --config=configs/msrvtt.py --workdir=DIR`: train, evaluate, or both."""

from data_pipeline.host.command_line import run_program

import pathlib
import sys
from collections.abc import Sequence

from absl import flags, logging
from ml_collections.config_flags import get_override_values

from data_pipeline.errors import InputError
from mcsan_jax.config import from_config_dict
from mcsan_jax.config_files import config_names, define_config_flag

# What takes seconds to load is loaded by the program, so that a wrong flag and Ctrl-C end it at once.

_CONFIG = define_config_flag()
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; runs/<name of the config> by default.")
_MODE = flags.DEFINE_enum("mode", "train_and_eval", ("train_and_eval", "train", "eval"), "What to do.")
_SAVE_SCORES = flags.DEFINE_bool(
    "save_scores", False, "Also writes the fused score of every video and caption of the evaluated splits."
)
_PROFILE = flags.DEFINE_bool(
    "profile", False, "Also traces a few steps into the folder profile/ of the run, for Perfetto or XProf."
)
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Is one of several processes that a TPU pod slice, Slurm or Open MPI started."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "host:port of the first of several processes started by hand; all get the same."
)
_PROCESS_COUNT = flags.DEFINE_integer("process_count", None, "Number of processes started by hand.")
_PROCESS_INDEX = flags.DEFINE_integer("process_index", None, "Which of them this one is, from 0 on.")


def _program(arguments: Sequence[str]) -> None:
    if len(arguments) > 1:
        raise InputError(f"unexpected arguments: {' '.join(arguments[1:])}")
    if _CONFIG.value is None:
        raise InputError(f"--config is missing; expected one of {', '.join(config_names())}, or a file")
    config = from_config_dict(_CONFIG.value)

    if not _PROCESS_INDEX.value:
        print(f"{config.name}: loading JAX and TensorFlow", flush=True)
    from mcsan_jax.compiled_programs import compiling_is_told, keep_compiled_programs, keep_program_memory
    from mcsan_jax.evaluate_run import EvaluationOptions
    from mcsan_jax.processes import Preempted, first_speaks, join, process_address
    from mcsan_jax.runs.folder import RunFolder
    from mcsan_jax.train_run import train_run

    # Orbax tells every step of every checkpoint.
    logging.set_verbosity(logging.WARNING)
    keep_compiled_programs(config.train.compile_cache)
    keep_program_memory()
    address = process_address(_COORDINATOR.value, _PROCESS_COUNT.value, _PROCESS_INDEX.value)
    join(address, _DISTRIBUTED.value)
    folder = RunFolder(pathlib.Path(_WORKDIR.value or f"runs/{config.name}"))
    options = EvaluationOptions(save_scores=_SAVE_SCORES.value)
    command = ("python", "-m", "mcsan_jax.main", *sys.argv[1:])
    try:
        with first_speaks(), compiling_is_told():
            by_hand = get_override_values(flags.FLAGS["config"])
            train_run(config, folder, _MODE.value, options, _PROFILE.value, command, by_hand)
    except FloatingPointError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except Preempted as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(stopped.status)


def main() -> None:
    """Entry point.

    Bad input, a full disk, and a loss that is not finite end with a message and status 2. A training that was asked to
    stop saves a checkpoint and ends with the status of `mcsan_jax.processes.Preempted`.
    """
    run_program(_program)


if __name__ == "__main__":
    main()
