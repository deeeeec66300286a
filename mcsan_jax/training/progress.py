"""What a run tells: a line on the terminal, `metrics.jsonl` and TensorBoard scalars in the work folder."""

import json
import os
import pathlib
import sys
import time
from collections.abc import Mapping

import tensorboardX
from tqdm import tqdm

from data_pipeline.host.files import write_text
from mcsan_jax.processes import is_first


class RunLog:
    """Writes the scalars of a run, as a context manager; of several processes, the first alone does.

    When a run is resumed, entries after the restored step are dropped.

    Args:
        workdir: folder of `metrics.jsonl` and `tensorboard/`.
        start_step: step from which the run goes on.
    """

    def __init__(self, workdir: pathlib.Path, start_step: int) -> None:
        writes = is_first()
        path = workdir / "metrics.jsonl" if writes else pathlib.Path(os.devnull)
        if writes:
            _drop_after(path, start_step)
        self._lines = path.open("a", encoding="utf-8")
        self._board = tensorboardX.SummaryWriter(
            str(workdir / "tensorboard"), purge_step=start_step + 1, write_to_disk=writes
        )

    def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
        """Notes scalars of a kind ("train", "val", …) at a step."""
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
    """A progress bar with loss by term, pairs per second and time left; plain lines when not on a terminal.

    A context manager.
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
        """Shows the step's metrics; returns them with ``pairs_per_second`` since the last report."""
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
        """Prints lines above the bar; time until `resume` is not counted into the rate."""
        self._bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def resume(self, step: int) -> None:
        """Restarts the clock of the rate, after an evaluation."""
        self._seen = (step, time.monotonic())

    def __enter__(self) -> "TrainProgress":
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()


def _loss_by_term(metrics: Mapping[str, float]) -> str:
    """The loss and the losses that it is the sum of, before weighing and summed over levels."""
    terms: dict[str, float] = {}
    for name, value in metrics.items():
        if name.startswith("loss/"):
            term = name.split("/")[1]
            terms[term] = terms.get(term, 0.0) + value
    parts = ", ".join(f"{term} {value:.3f}" for term, value in terms.items())
    return f"loss {metrics['loss']:.3f} ({parts})"


def _drop_after(path: pathlib.Path, step: int) -> None:
    """Keeps the complete lines of a metrics file up to a step."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n") and json.loads(line)["step"] <= step:
            kept.append(line)
    write_text(path, "".join(kept))
