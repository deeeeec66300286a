"""Evaluates the best checkpoint of a run, writes the results and their report, and prints the tables."""

import dataclasses
import functools
import json
import pathlib
import tempfile
from collections.abc import Sequence

from data_pipeline.captions.attributes import AttributeVocabulary
from data_pipeline.input_pipeline import SplitReader
from mcsan_jax.evaluation.encode_split import encode_split
from mcsan_jax.evaluation.evaluate_split import EvaluatedSplit, evaluate_split
from mcsan_jax.evaluation.hub_study import Bank, study_hubs
from mcsan_jax.evaluation.protocols import describe_protocol
from mcsan_jax.evaluation.query_table import write_query_table
from mcsan_jax.evaluation.rank_split import Evaluation, ScoredSplit
from mcsan_jax.evaluation.tables import render_hubs, render_table, render_variants
from mcsan_jax.processes import is_first
from mcsan_jax.report.page import write_report
from mcsan_jax.stored_run import best_checkpoint
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment, batch_limits
from mcsan_jax.workdir import Workdir


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What is wanted beside the figures.

    Attributes:
        splits: to be evaluated; empty for validation and test.
        save_scores: whether the matrices of fused scores are written.
        ablate: whether the levels are also left out one by one, and so on.
        hubness: whether corrections against hubs are tried, with a bank of the training split.
    """

    splits: Sequence[str] = ()
    save_scores: bool = False
    ablate: bool = False
    hubness: bool = False


def evaluate_best(
    experiment: Experiment,
    folder: pathlib.Path,
    checkpoints: CheckpointStore,
    workdir: Workdir,
    wishes: Wishes,
) -> dict[str, Evaluation]:
    """Evaluates the checkpoint with the best validation Rsum on each split.

    Args:
        experiment: the run's.
        folder: of the prepared data.
        checkpoints: of the run.
        workdir: of the run.
        wishes: what is wanted.

    Raises:
        InputError: there is no evaluated checkpoint, or a split does not exist or is empty.
    """
    config, manifest = experiment.config, experiment.manifest
    step, variables = best_checkpoint(experiment, checkpoints)
    content = json.loads((folder / manifest.attributes.file).read_text(encoding="utf-8"))
    counts = AttributeVocabulary.from_json(content).video_counts

    def reader(split: str) -> SplitReader:
        return SplitReader(folder, manifest, split, batch_limits(config.data))

    def scored(split: str) -> ScoredSplit:
        size = config.evaluation.encode_batch
        return ScoredSplit.of(
            encode_split(experiment.encoders, variables, reader(split), size, split), config
        )

    @functools.cache
    def validation() -> ScoredSplit:
        return scored(config.data.validation_split)

    @functools.cache
    def bank() -> Bank:
        train = config.data.train_split
        captions = manifest.splits[train].captions
        return Bank.of(experiment.encoders, variables, reader(train), captions, config, train)

    evaluations = {}
    for split in wishes.splits or filter(None, (config.data.validation_split, config.data.test_split)):
        scores_file = workdir.scores_file(split) if wishes.save_scores and is_first() else None
        is_kept = wishes.hubness and split == config.data.validation_split
        of_split = validation() if is_kept else scored(split)
        evaluated = evaluate_split(of_split, config, counts, scores_file, wishes.ablate)
        if wishes.hubness:
            with tempfile.TemporaryDirectory(dir=workdir.folder, prefix=".hubs-") as scratch:
                rows = study_hubs(of_split, validation(), bank(), config, pathlib.Path(scratch))
            evaluated.details["hubness"] = rows
        if is_first():
            print(f"\n{_write(evaluated, experiment, workdir, split, step)}", flush=True)
        evaluations[split] = evaluated.evaluation
    return evaluations


def _write(evaluated: EvaluatedSplit, experiment: Experiment, workdir: Workdir, split: str, step: int) -> str:
    """Writes the results of a split; returns what is printed of them."""
    config, manifest, evaluation = experiment.config, experiment.manifest, evaluated.evaluation
    protocol = describe_protocol(
        manifest.dataset,
        manifest.protocol,
        split,
        evaluation.videos,
        evaluated.captions,
        config.evaluation.merge_duplicates,
        config.data.validation_split,
        step,
        ", ".join(f"{stream.name} [{stream.dim}] from {stream.source}" for stream in manifest.streams),
    )
    write_query_table(workdir.queries_file(split), evaluated.queries)
    path = workdir.write_evaluation(
        evaluation, split, step, config, manifest.fingerprint, {"protocol": protocol, **evaluated.details}
    )
    report = write_report([workdir.folder], split, None)
    lines = [render_table(evaluation, protocol["lines"], evaluated.details["intervals"])]
    if "ablation" in evaluated.details:
        lines += ["", render_variants("ablation", evaluated.details["ablation"])]
    if "hubness" in evaluated.details:
        chosen = f"temperatures chosen on split {config.data.validation_split}"
        lines += ["", f"Corrections against hubs, from training captions and videos; {chosen}:"]
        lines.append(render_hubs(evaluated.details["hubness"]))
    return "\n".join([*lines, f"written to {path}; to look at: {report}"])
