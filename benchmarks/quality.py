"""MCSAN against its peers on the same features: trains what is not trained yet, prints one table and paired tests.

`python -m benchmarks.quality DIR` fits ridge regression (`benchmarks/baselines.py`) on prepared data, trains peers of
`configs/peers.py` and `configs/msrvtt.py:small`, each with every seed in a process of its own, and compares their
rankings of split `val`, paired over videos. Flags of the config after `--` are handed to every training
(`-- --config.train.epochs=20`). Finished runs are only read, so that a command that was stopped goes on where it was.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.options import comparison_parser, run_comparison
from benchmarks.run_tables import (
    command_lines,
    difference_table,
    head_lines,
    summary_table,
    tail_lines,
    write_results,
)
from benchmarks.seed_statistics import PairedTest, Summary, paired_tests, summarize
from benchmarks.trained_runs import (
    CONFIGS,
    Model,
    ModelRuns,
    check_flags,
    run_program,
    train_all,
)
from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from mcsan_jax.configs import peers
from mcsan_jax.configs.derived import BASES
from mcsan_jax.report.results import read_runs
from mcsan_jax.runs.folder import RunFolder

OURS, RIDGE = "mcsan", "ridge"
PEERS = ("dual_encoder", "hgr", "hgr_info_nce")
WANTED_RATIO, WANTED_P = 1.3, 0.01


def models_of(arguments: argparse.Namespace, overrides: Sequence[str]) -> list[Model]:
    """The peers and, last, our own model.

    Raises:
        InputError: there is no such peer, or the base of the peers cannot be told from the config of MCSAN.
    """
    shared = (f"--config.data.dir={arguments.dir}", *check_flags(overrides))
    names = [name for name in arguments.peers.split(",") if name]
    unknown = [name for name in names if name not in peers.PEERS]
    if unknown or len(set(names)) < len(names):
        raise InputError(f"--peers={arguments.peers}: expected different ones of {', '.join(peers.PEERS)}")
    base = _base_of(arguments) if names else ""
    models = [Model(name, (f"--config={CONFIGS / 'peers.py'}:{name}:{base}", *shared)) for name in names]
    return [*models, Model(OURS, (f"--config={arguments.mcsan}", *shared))]


def fit_ridge(folder: pathlib.Path, manifest: Manifest, split: str, out: pathlib.Path) -> ModelRuns:
    """Fits ridge regression in a process of its own unless it was, and reads its evaluation.

    Raises:
        InputError: the fit failed, or the folder holds that of other data.
    """
    run = out / RIDGE
    arguments = [str(folder), f"--split={split}", f"--out={run}"]
    if not RunFolder(run).record_file(split).is_file():
        run_program("benchmarks.baselines", arguments)
    [found] = read_runs([run], split)
    if found.record.data_fingerprint != manifest.fingerprint:
        raise InputError(f"{run} was fitted on other data than {folder}; delete it, or choose another --out")
    return ModelRuns(RIDGE, f"python -m benchmarks.baselines {' '.join(arguments)}", [found], None)


def verdict(summaries: Sequence[Summary], tests: Sequence[PairedTest]) -> dict[str, Any]:
    """Our Rsum over that of the best peer, and the corrected p of that difference."""
    ours, peers = summaries[-1], summaries[:-1]
    best = max(peers, key=lambda one: one.rsum)
    [test] = [test for test in tests if test.other == best.name]
    ratio = ours.rsum / best.rsum
    return {
        "best_peer": best.name,
        "ratio": ratio,
        "p_holm": test.p_holm,
        "wanted_ratio": WANTED_RATIO,
        "wanted_p": WANTED_P,
        "reached": ratio >= WANTED_RATIO and test.p_holm < WANTED_P,
    }


def render(
    models: Sequence[ModelRuns],
    summaries: Sequence[Summary],
    tests: Sequence[PairedTest],
    manifest: Manifest,
    split: str,
) -> str:
    """All that is printed, as Markdown; ridge regression is the first model, ours the last."""
    ours, found = models[-1], verdict(summaries, tests)
    best = next(one for one in summaries if one.name == found["best_peer"])
    ratios = {
        title: [f"{one.rsum / base.rsum:.2f}" for one in summaries]
        for title, base in ((f"/ {RIDGE}", summaries[0]), ("/ best peer", best))
    }
    return "\n".join(
        [
            *head_lines(ours.runs[0], manifest, split),
            "",
            *summary_table(summaries, ratios),
            "",
            *difference_table(tests),
            "",
            f"{OURS} has {found['ratio']:.2f} times the Rsum of the best peer, {best.name} (wanted: {WANTED_RATIO} or "
            f"more), p after Holm's correction {found['p_holm']:.4f} (wanted: below {WANTED_P}): "
            f"{'reached' if found['reached'] else 'not reached'}.",
            *tail_lines(split, ours.runs[0].record.config["data.validation_split"]),
            "",
            *command_lines(models),
        ]
    )


def run(arguments: argparse.Namespace, overrides: Sequence[str]) -> None:
    """Trains, compares, prints and writes.

    Raises:
        InputError: data, configs or folders do not fit together, or a training failed.
    """
    # Some configs would make their own data in a folder that is missing.
    Manifest.load(arguments.dir)
    models = models_of(arguments, overrides)
    trained, manifest = train_all(models, arguments.seeds, arguments.split, arguments.out, arguments.jobs)
    runs = [fit_ridge(arguments.dir, manifest, arguments.split, arguments.out), *trained]
    summaries = [summarize(model) for model in runs]
    tests = paired_tests([(runs[-1], peer) for peer in runs[:-1]])
    text = render(runs, summaries, tests, manifest, arguments.split)
    content = {
        "split": arguments.split,
        "seeds": arguments.seeds,
        "data_fingerprint": manifest.fingerprint,
        "machine": describe_machine(),
        "versions": runs[-1].runs[0].record.versions,
        "models": [dataclasses.asdict(one) for one in summaries],
        "tests": [dataclasses.asdict(test) for test in tests],
        "verdict": verdict(summaries, tests),
    }
    write_results(arguments.out, "quality", content, text)
    print(text)


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = comparison_parser("quality", __doc__)
    parser.add_argument("dir", type=pathlib.Path, help="folder written by python -m data_pipeline.prepare")
    parser.add_argument("--mcsan", default="configs/msrvtt.py:small", help="config of our own model")
    parser.add_argument(
        "--peers", default=",".join(PEERS), help="names in configs/peers.py, with commas between"
    )
    parser.add_argument(
        "--base", help="experiment of the peers, such as msrvtt-small; by default that of --mcsan"
    )
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point; bad input, or a training that failed, ends with a message and status 2."""
    run_comparison(make_parser(), run, words)


def _base_of(arguments: argparse.Namespace) -> str:
    """What stands after the colon of a peer's config."""
    file, _, size = arguments.mcsan.partition(":")
    name = pathlib.Path(file).stem
    if arguments.base:
        return arguments.base
    if name not in BASES:
        raise InputError(
            f"--mcsan={arguments.mcsan} is none of the experiments {', '.join(BASES)}; say with --base from which the "
            "peers are derived, such as --base=msrvtt-small"
        )
    return f"{name}-{size}" if size else name


if __name__ == "__main__":
    main()
