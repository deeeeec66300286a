"""Evaluates the best checkpoint of a run, writes the results and their report, and prints the tables."""

import dataclasses
import functools
import pathlib
import tempfile
from collections.abc import Sequence

from data_pipeline.prepared_data import Manifest, SplitReader, open_attributes
from mcsan_jax.calibration.calibration import Calibration, keep_calibration
from mcsan_jax.calibration.fit import fit_calibration, judge_calibration
from mcsan_jax.calibration.judged_queries import QueryScores
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.evaluate_foils import FoilFiles
from mcsan_jax.evaluation.evaluate_split import EvaluatedSplit, evaluate_split
from mcsan_jax.evaluation.foil_table import write_foil_table
from mcsan_jax.evaluation.hub_study import Bank, study_hubs
from mcsan_jax.evaluation.protocols import describe_protocol
from mcsan_jax.evaluation.query_table import write_query_table
from mcsan_jax.evaluation.tables import render_foils, render_hubs, render_table, render_variants
from mcsan_jax.processes import is_first
from mcsan_jax.ranking.encode_split import encode_split
from mcsan_jax.ranking.rank_split import Evaluation, ScoredSplit
from mcsan_jax.report.page import write_report
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.retrieval.model_folder import is_model_folder
from mcsan_jax.runs.open import TrainedRun, check_split
from mcsan_jax.runs.record import EvaluationRecord


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """What an evaluation gives beside the figures and what explains them.

    Attributes:
        splits: to be evaluated; empty for all but the training split.
        save_scores: whether the matrices of fused scores are written.
        ablate: whether the levels are also left out one by one, and so on.
        hubness: whether corrections against hubs are tried, with a bank of the training split.
        foils: files of true and false captions (`annotations.foil_files`).
    """

    splits: Sequence[str] = ()
    save_scores: bool = False
    ablate: bool = False
    hubness: bool = False
    foils: Sequence[pathlib.Path] = ()


def splits_to_evaluate(config: Config, manifest: Manifest) -> tuple[list[str], str | None]:
    """The splits that a run is evaluated on unless others are asked for, and a note where the test split is missing.

    They are the validation split, the test split and any other that is not trained on; a split without captions can be
    neither query nor answer and is left out. Prepared data may have no test split: the lists of videos may be the
    user's own.
    """
    data = config.data
    held_out = [name for name, size in manifest.splits.items() if name != data.train_split and size.captions]
    test = [data.test_split] if data.test_split in held_out else []
    splits = list(dict.fromkeys([data.validation_split, *test, *held_out]))
    if test or not data.test_split:
        return splits, None
    note = (
        f"note: the prepared data has no split {data.test_split!r} (config.data.test_split); reports show split "
        f"{data.validation_split!r}, which chooses the checkpoint, unless --split names another"
    )
    return splits, note


def evaluate_run(run: TrainedRun, options: EvaluationOptions = EvaluationOptions()) -> dict[str, Evaluation]:
    """Evaluates the best checkpoint of a run on each split; writes records, tables of queries and reports.

    Args:
        run: the opened run.
        options: which splits, and what else is computed.

    Returns:
        The figures by split.

    Raises:
        InputError: a split does not exist or is empty, the attributes of the data cannot be read, or a file of foils
            cannot be used.
    """
    model = Mcsan.of_run(run)
    config, manifest, encoders, variables = model.config, model.manifest, model.encoders, model.variables
    splits, note = (options.splits, None) if options.splits else splits_to_evaluate(config, manifest)
    if note:
        print(note, flush=True)
    print(f"evaluating {', '.join(splits)}", flush=True)
    for split in splits:
        check_split(manifest, split)
    if is_first():
        run.folder.check_writable("copy the run to a folder that can be written, and evaluate it there")
    foil_files = FoilFiles(options.foils, run, splits)
    counts = open_attributes(run.data, manifest.attributes).video_counts

    def reader(split: str) -> SplitReader:
        return SplitReader(run.data, manifest, split, batch_limits(config.data), run.other_tokens)

    def scored(split: str) -> ScoredSplit:
        size = config.evaluation.encode_batch
        return ScoredSplit.of(encode_split(encoders, variables, reader(split), size, split), config)

    @functools.cache
    def validation() -> ScoredSplit:
        return scored(config.data.validation_split)

    @functools.cache
    def bank() -> Bank:
        train = config.data.train_split
        return Bank.of(encoders, variables, reader(train), manifest.splits[train].captions, config, train)

    evaluations, calibration = {}, model.calibration
    # What the validation split calibrates is judged on the others.
    for split in sorted(splits, key=lambda name: name != config.data.validation_split):
        is_kept = options.hubness and split == config.data.validation_split
        of_split = validation() if is_kept else scored(split)
        with tempfile.TemporaryDirectory(dir=run.folder.folder, prefix=".scores-") as scratch:
            scores_file = None
            if options.save_scores:
                own = run.folder.scores_file(split, config.evaluation.merge_duplicates)
                scores_file = own if is_first() else pathlib.Path(scratch) / own.name
            queries = QueryScores(of_split)
            evaluated = evaluate_split(of_split, config, counts, scores_file, options.ablate, [queries])
            evaluated.foils.extend(foil_files.ask(of_split))
            judged = queries.judged()
            if split == config.data.validation_split and _as_trained(run):
                same_text = config.evaluation.same_text
                calibration = fit_calibration(judged, split, run.step, same_text, queries.levels())
                _keep(calibration, run)
            if calibration is not None:
                evaluated.details["calibration"] = judge_calibration(calibration, judged)
            if options.hubness:
                rows = study_hubs(of_split, validation(), bank(), config, pathlib.Path(scratch))
                evaluated.details["hubness"] = rows
        if is_first():
            print(f"\n{_write(evaluated, of_split.videos.ids, run, split)}", flush=True)
        evaluations[split] = evaluated.evaluation
    return evaluations


def _as_trained(run: TrainedRun) -> bool:
    """Returns whether captions of the same text are merged, or not, as the configuration of the run has it."""
    stored = run.folder.stored_config().evaluation
    return run.experiment.config.evaluation.merge_duplicates == stored.merge_duplicates


def _chooses_checkpoint(config: Config) -> bool:
    """Returns whether there was more than one evaluation, of which the best was taken."""
    if config.model.zero_shot_only:
        return False
    return bool(config.model.pretrained_video) or config.train.evaluate_every_epochs < config.train.epochs


def _keep(calibration: Calibration | None, run: TrainedRun) -> None:
    """Writes a calibration into the folder of a run, and into that of its model."""
    if not is_first():
        return
    for folder in (run.folder.folder, run.folder.model):
        if folder == run.folder.folder or is_model_folder(folder):
            keep_calibration(calibration, folder)


def _write(evaluated: EvaluatedSplit, videos: Sequence[str], run: TrainedRun, split: str) -> str:
    """Writes the results of a split with these videos; returns what is printed of them."""
    config, manifest = run.experiment.config, run.experiment.manifest
    evaluation, merged = evaluated.evaluation, config.evaluation.merge_duplicates
    protocol = describe_protocol(
        manifest.dataset,
        manifest.protocol,
        split,
        evaluation.videos,
        evaluated.captions,
        merged,
        config.data.validation_split if _chooses_checkpoint(config) else None,
        run.step,
        ", ".join(f"{stream.name} [{stream.dim}] from {stream.source}" for stream in manifest.streams),
        config.evaluation.same_text,
        config.data.validation_split if config.similarity.linear_branch else None,
        run.stopped,
    )
    write_query_table(run.folder.queries_file(split, merged), evaluated.queries)
    write_foil_table(run.folder.foils_file(split, merged), evaluated.foils, videos)
    foils = [asked.figures() for asked in evaluated.foils]
    record = EvaluationRecord.make(
        dataclasses.asdict(evaluation),
        split,
        run.step,
        config,
        manifest.fingerprint,
        {"protocol": protocol, "early_stop": run.stopped, "foil_tests": foils, **evaluated.details},
    )
    path = run.folder.write_record(record)
    report = write_report([run.folder.folder], split, None, merged)
    lines = [render_table(evaluation, protocol["lines"], evaluated.details)]
    if foils:
        lines += ["", render_foils(foils)]
    if "ablation" in evaluated.details:
        lines += ["", render_variants("ablation", evaluated.details["ablation"])]
    if "hubness" in evaluated.details:
        chosen = f"temperatures chosen on split {config.data.validation_split}"
        lines += ["", f"Corrections against hubs, from training captions and videos; {chosen}:"]
        lines.append(render_hubs(evaluated.details["hubness"]))
    return "\n".join([*lines, f"written to {path}; to look at: {report}"])
