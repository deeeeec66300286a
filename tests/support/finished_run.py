"""The one run that tests of what comes after a training share: of the tiny demo, by the real command."""

import pathlib

from tests.support import ROOT
from tests.support.command_line import run_mcsan

SAID = "said.txt"
"""File beside the run's folder, with what the command printed."""


def arguments(data: pathlib.Path, run: pathlib.Path) -> list[str]:
    """Of `mcsan train` and `python -m mcsan_jax.main`: eight steps in two epochs, on the eight devices of tests.

    Args:
        data: the fixture `shapes`.
        run: folder of the run.
    """
    return [
        f"--config={ROOT}/configs/demo.py:tiny",
        f"--config.data.dir={data}",
        # Fewer places than some captions need.
        "--config.data.max_tokens=9",
        "--config.data.max_entities=2",
        "--config.data.max_relationships=2",
        "--config.optim.average_decay=0.5",
        "--config.train.batch_size=16",
        "--config.train.epochs=2",
        "--config.train.evaluate_every_epochs=1",
        "--config.train.log_every_steps=2",
        "--config.train.seed=7",
        "--save_scores",
        f"--workdir={run}",
    ]


def finish_run(folder: pathlib.Path, data: pathlib.Path) -> None:
    """Trains and evaluates the run `a run` in a folder that is made."""
    folder.mkdir()
    ended = run_mcsan("train", *arguments(data, folder / "a run"))
    assert ended.status == 0, ended.stderr
    (folder / SAID).write_text(ended.stdout, encoding="utf-8")
