"""This module shows how a training goes: on the terminal, in `metrics.jsonl`, in TensorBoard and in a trace.

It also says how much memory a step needs on a device.
"""

import json
import os
import pathlib
import sys
import time
from collections.abc import Mapping
from typing import Any

import jax
import tensorboardX
from tqdm import tqdm

from data_pipeline.batches.batch import PairBatch
from data_pipeline.host.files import write_text
from mcsan_jax.processes import is_first
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.train_step import TrainState

_WARM = 3
"""This many steps of a call come before the first that is traced, because the first compiles."""
_TRACED = 3


class RunLog:
    """A log writes the scalars of a run; of several processes, only the first one does. It is a context manager.

    When a run is resumed, the log drops entries after the restored step.

    Args:
        run_folder: the folder of `metrics.jsonl` and `tensorboard/`.
        start_step: the step from which the run goes on.
    """

    def __init__(self, run_folder: pathlib.Path, start_step: int) -> None:
        writes = is_first()
        path = run_folder / "metrics.jsonl" if writes else pathlib.Path(os.devnull)
        if writes:
            _drop_after(path, start_step)
        self._lines = path.open("a", encoding="utf-8")
        self._board = tensorboardX.SummaryWriter(
            str(run_folder / "tensorboard"), purge_step=start_step + 1, write_to_disk=writes
        )

    def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
        """Writes the scalars of a kind ("train", "val") at a step, by name."""
        self._lines.write(json.dumps({"step": step, "kind": kind, **values}) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._board.add_scalar(f"{kind}/{name}", value, step)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *exception: object) -> None:
        self._lines.close()
        self._board.close()


class TrainProgress:
    """A progress bar shows loss by term, pairs per second and time left; without a terminal, plain lines do.

    It is a context manager.

    Args:
        total_steps: the number of steps of the whole run.
        start_step: the step from which the run goes on.
        batch_size: the number of pairs of a step, over all processes.
    """

    def __init__(self, total_steps: int, start_step: int, batch_size: int) -> None:
        self._bar = tqdm(
            total=total_steps,
            initial=start_step,
            unit="step",
            desc="training",
            disable=not is_first() or not sys.stderr.isatty(),
            dynamic_ncols=True,
        )
        self._total = total_steps
        self._batch_size = batch_size
        self._seen = (start_step, time.monotonic())

    def report(self, step: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """Shows the metrics of a step, and returns them with ``pairs_per_second`` since the last report."""
        last_step, last_time = self._seen
        now = time.monotonic()
        rate = max(step - last_step, 1) / max(now - last_time, 1e-9)
        self._seen = (step, now)
        left = (self._total - step) / rate
        line = f"{_loss_by_term(metrics)}  {rate * self._batch_size:.0f} pairs/s"
        if self._bar.disable:
            minutes, seconds = divmod(round(left), 60)
            print(f"step {step}/{self._total}  {line}  {minutes}:{seconds:02d} left", flush=True)
        else:
            self._bar.update(step - self._bar.n)
            self._bar.set_postfix_str(line)
        return {**metrics, "pairs_per_second": rate * self._batch_size}

    def pause(self, text: str) -> None:
        """Prints lines above the bar; the rate does not count the time until `resume`."""
        self._bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def resume(self, step: int) -> None:
        """Restarts the clock of the rate, after an evaluation."""
        self._seen = (step, time.monotonic())

    def __enter__(self) -> "TrainProgress":
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()


class StepTrace:
    """A trace records some steps of a run in a folder; it is a context manager around the loop.

    The folder gets ``plugins/profile/<time>/`` with the files that XProf and TensorBoard's profile plugin read, and
    with ``perfetto_trace.json.gz`` for https://ui.perfetto.dev.

    Args:
        folder: the folder to write; None traces nothing.
        start_step: the step from which the run goes on.
    """

    def __init__(self, folder: pathlib.Path | None, start_step: int) -> None:
        self._folder = folder
        self._first = start_step + _WARM + 1
        self._running = False

    def begin_step(self, step: int) -> None:
        """Starts the trace where it is due; the loop calls it before a step."""
        if self._folder is not None and step == self._first:
            jax.profiler.start_trace(self._folder, create_perfetto_trace=True)
            self._running = True

    def end_step(self, step: int, results: Any) -> None:
        """Stops the trace where it is due; the loop calls it after a step, and the trace waits for its results."""
        if self._running and step == self._first + _TRACED - 1:
            jax.block_until_ready(results)
            self._stop()
            print(f"steps {self._first} to {step} are traced in {self._folder}", flush=True)

    def __enter__(self) -> "StepTrace":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._running:
            self._stop()

    def _stop(self) -> None:
        jax.profiler.stop_trace()
        self._running = False


def describe_memory(experiment: Experiment, state: TrainState, batch: PairBatch) -> str:
    """Returns a line with XLA's estimate for one device, and with the device's memory where that is known.

    It compiles the step, so that the first call of the step need not.

    Args:
        experiment: the experiment whose step it is.
        state: the state of the training.
        batch: any batch, on the devices.
    """
    needs = experiment.train_step.lower(state, batch).compile().memory_analysis()
    if needs is None:
        return "how much memory a step needs is not known on this device"
    of_state, of_batch = (
        sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(tree))
        for tree in (state, batch)
    )
    # The new state is held beside the old one, unless the old one is donated.
    results = needs.output_size_in_bytes - needs.alias_size_in_bytes
    batches = (1 + experiment.config.data.prefetch) * of_batch
    total = of_state + batches + results + needs.temp_size_in_bytes
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return (
        f"a device needs about {_bytes(total)}: the state {_bytes(of_state)}, batches {_bytes(batches)}, "
        f"a step {_bytes(results + needs.temp_size_in_bytes)}"
        + (f"; it has {_bytes(limit)}" if limit else "")
    )


def _loss_by_term(metrics: Mapping[str, float]) -> str:
    """Returns the loss and its terms in words; terms are not weighted, and summed over levels."""
    terms: dict[str, float] = {}
    for name, value in metrics.items():
        if name.startswith("loss/"):
            term = name.split("/")[1]
            terms[term] = terms.get(term, 0.0) + value
    terms_shown = ", ".join(f"{term} {value:.3f}" for term, value in terms.items())
    return f"loss {metrics['loss']:.3f} ({terms_shown})"


def _drop_after(path: pathlib.Path, step: int) -> None:
    """Keeps the complete lines of a metrics file up to a step."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n") and json.loads(line)["step"] <= step:
            kept.append(line)
    write_text(path, "".join(kept))


def _bytes(number: float) -> str:
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
