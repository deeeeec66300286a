"""MCSAN against its peers on the same features: trains what is not trained yet, prints one table and paired tests.

`python -m benchmarks quality DIR` fits ridge regression (`python -m benchmarks baselines`) on prepared data, trains
peers of `configs/peers.py` and `configs/msrvtt.py:small`, each with every seed in a process of its own, and compares
their rankings of split `val`, paired over videos. Flags of the config after `--` are handed to every training
(`-- --config.train.epochs=20`). Finished runs are only read, so that a command that was stopped goes on where it was.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from benchmarks.options import ConfigFlags, Jobs, ReportedSplit, RunsFolder, Seeds, whole_numbers
from benchmarks.quality.run_tables import (
    command_lines,
    difference_table,
    head_lines,
    summary_table,
    tail_lines,
    write_results,
)
from benchmarks.quality.seed_statistics import PairedTest, Summary, paired_tests, summarize
from benchmarks.quality.trained_runs import (
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


def models_of(
    mcsan: str, chosen_peers: str, base: str | None, data: pathlib.Path, overrides: Sequence[str] | None
) -> list[Model]:
    """The peers and, last, our own model.

    Args:
        mcsan: config of our own model.
        chosen_peers: names of peers, with commas between.
        base: experiment of the peers; None for that of our own model.
        data: prepared.
        overrides: flags of the config for every training.

    Raises:
        InputError: there is no such peer, or the base of the peers cannot be told from the config of MCSAN.
    """
    shared = (f"--config.data.dir={data}", *check_flags(overrides))
    names = [name for name in chosen_peers.split(",") if name]
    unknown = [name for name in names if name not in peers.PEERS]
    if unknown or len(set(names)) < len(names):
        raise InputError(f"--peers={chosen_peers}: expected different ones of {', '.join(peers.PEERS)}")
    if names and not base:
        base = _base_of(mcsan)
    models = [Model(name, (f"--config={CONFIGS / 'peers.py'}:{name}:{base}", *shared)) for name in names]
    return [*models, Model(OURS, (f"--config={mcsan}", *shared))]


def fit_ridge(folder: pathlib.Path, manifest: Manifest, split: str, out: pathlib.Path) -> ModelRuns:
    """Fits ridge regression in a process of its own unless it was, and reads its evaluation.

    Raises:
        InputError: the fit failed, or the folder holds that of other data.
    """
    run = out / RIDGE
    words = ["baselines", str(folder), f"--split={split}", f"--out={run}"]
    if not RunFolder(run).record_file(split).is_file():
        run_program("benchmarks", words)
    [found] = read_runs([run], split)
    if found.record.data_fingerprint != manifest.fingerprint:
        raise InputError(f"{run} was fitted on other data than {folder}; delete it, or choose another --out")
    return ModelRuns(RIDGE, f"python -m benchmarks {' '.join(words)}", [found], None)


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


def run(
    dir: Annotated[pathlib.Path, typer.Argument(help="Folder written by python -m data_pipeline.prepare.")],
    mcsan: Annotated[str, typer.Option(help="Config of our own model.")] = "configs/msrvtt.py:small",
    peers: Annotated[
        str, typer.Option(help="Names in configs/peers.py, with commas between, or empty.")
    ] = ",".join(PEERS),
    base: Annotated[
        str | None,
        typer.Option(help="Experiment of the peers, such as msrvtt-small; by default that of --mcsan."),
    ] = None,
    seeds: Seeds = "0,1,2",
    split: ReportedSplit = "val",
    jobs: Jobs = 1,
    out: RunsFolder = pathlib.Path("runs/quality"),
    overrides: ConfigFlags = None,
) -> dict[str, Any]:
    """Trains, compares, prints and writes.

    Raises:
        InputError: data, configs or folders do not fit together, or a training failed.
    """
    numbers = whole_numbers("--seeds", seeds, smallest=0)
    # Some configs would make their own data in a folder that is missing.
    Manifest.load(dir)
    models = models_of(mcsan, peers, base, dir, overrides)
    trained, manifest = train_all(models, numbers, split, out, jobs)
    runs = [fit_ridge(dir, manifest, split, out), *trained]
    summaries = [summarize(model) for model in runs]
    tests = paired_tests([(runs[-1], peer) for peer in runs[:-1]])
    text = render(runs, summaries, tests, manifest, split)
    arguments = {
        "dir": dir,
        "mcsan": mcsan,
        "peers": peers,
        "base": base,
        "seeds": seeds,
        "split": split,
        "overrides": overrides,
    }
    content = {
        "data_fingerprint": manifest.fingerprint,
        "versions": runs[-1].runs[0].record.versions,
        "models": [dataclasses.asdict(one) for one in summaries],
        "tests": [dataclasses.asdict(test) for test in tests],
        "verdict": verdict(summaries, tests),
    }
    write_results(out, "quality", arguments, content, text)
    print(text)
    return content


def _base_of(mcsan: str) -> str:
    """What stands after the colon of a peer's config, where it is the experiment of our own model."""
    file, _, size = mcsan.partition(":")
    name = pathlib.Path(file).stem
    if name not in BASES:
        raise InputError(
            f"--mcsan={mcsan} is none of the experiments {', '.join(BASES)}; say with --base from which the peers are "
            "derived, such as --base=msrvtt-small"
        )
    return f"{name}-{size}" if size else name
