"""Trains a run and evaluates it."""

import pathlib
import shutil
import time
from collections.abc import Collection, Sequence

import jax

from data_pipeline.errors import InputError, nearest_name
from data_pipeline.prepared_data import Manifest, SplitReader, TrainBatches, WordVectors
from mcsan_jax.card.facts import gather_facts
from mcsan_jax.card.model_card import hub_card
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.evaluate_run import EvaluationOptions, evaluate_run, splits_to_evaluate
from mcsan_jax.processes import ends_with_the_others, first_before_others, is_first
from mcsan_jax.ranking.rank_split import Evaluation
from mcsan_jax.recipes.caption_limits import describe_limits, with_derived_limits
from mcsan_jax.recipes.recipe_by_size import begin_with_encoder, equal_batch, recipe_by_size
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.retrieval.model_folder import check_place
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.open import TrainedRun, find_prepared_data, trained_run
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment, build_experiment, held_count, parameter_count
from mcsan_jax.training.linear_start import fit_to_split
from mcsan_jax.training.loss_checks import check_foils, check_negatives
from mcsan_jax.training.token_state_cache import TokenStateCache
from mcsan_jax.training.train_loop import Starter, train
from mcsan_jax.training.train_step import TrainState
from mcsan_jax.training.validation import Validation


def train_run(
    config: Config,
    folder: RunFolder,
    mode: str = "train_and_eval",
    options: EvaluationOptions = EvaluationOptions(),
    profile: bool = False,
    command: Sequence[str] = (),
    set_by_hand: Collection[str] = (),
) -> dict[str, Evaluation]:
    """Trains a run, evaluates its best checkpoint on each split, or both.

    Args:
        config: the experiment.
        folder: of the run.
        mode: "train_and_eval", "train" or "eval".
        options: of the evaluations.
        profile: whether a few training steps are traced.
        command: the command line, which is stored with a run that it trains.
        set_by_hand: dotted names of the fields that the command line set; a recipe leaves them.

    Returns:
        The figures by split; none where the run is only trained.

    Raises:
        InputError: data, configuration or folder do not fit together.
    """
    trains = mode != "eval"
    if not trains:
        # A folder that holds no run is not made one.
        folder.identity()
    if is_first():
        folder.check_writable()
        check_place(folder.model, "move it elsewhere, or name another folder with --workdir")
    data = first_before_others(lambda: find_prepared_data(config.data))
    manifest = Manifest.load(data)
    _check_splits(config, manifest)
    config, begins = begin_with_encoder(config, set_by_hand)
    if begins and trains:
        print("\n".join(begins), flush=True)
    config, choices = recipe_by_size(config, manifest, set_by_hand)
    if choices and trains:
        print(
            "\n".join(["chosen by the size of the data:", *(f"  {choice}" for choice in choices)]), flush=True
        )
    if trains:
        check_negatives(config, manifest)
        check_foils(config, manifest)
    stored = manifest.word_vectors
    vectors = None if stored is None else WordVectors.load(data / stored.file)
    given = folder.with_stored_limits(config)
    config = with_derived_limits(given, manifest)
    experiment = build_experiment(config, manifest, word_vectors=vectors, trains=trains)
    trained_by = command if trains else ()
    first_before_others(lambda: folder.claim(config, manifest.fingerprint, trained_by))
    with CheckpointStore(folder.checkpoints) as checkpoints, ends_with_the_others():
        if trains:
            if is_first():
                discard_stale_model(folder, experiment, checkpoints)
            _train(experiment, given, data, checkpoints, folder, profile)
        if mode == "train":
            return {}
        run = trained_run(folder, experiment, data, checkpoints)
        figures = evaluate_run(run, options)
        if trains and is_first():
            _keep_model(run)
        return figures


def discard_stale_model(folder: RunFolder, experiment: Experiment, checkpoints: CheckpointStore) -> None:
    """Removes the model of an earlier checkpoint from the folder of a run that is about to train further."""
    if folder.model.is_dir() and not experiment.is_finished(checkpoints):
        shutil.rmtree(folder.model)


def _keep_model(run: TrainedRun) -> None:
    """Writes the model that was evaluated into the folder of the run, with the card that the evaluations give it."""
    model = Mcsan.of_run(run)
    model.card = hub_card(model, gather_facts(run.folder.folder, run.data))
    model.save_pretrained(run.folder.model)
    opens = f"Mcsan.from_pretrained({str(run.folder.folder)!r}) opens it, without the prepared data"
    print(f"model written to {run.folder.model}; {opens}", flush=True)


def _train(
    experiment: Experiment,
    given: Config,
    data: pathlib.Path,
    checkpoints: CheckpointStore,
    folder: RunFolder,
    profile: bool,
) -> None:
    config = experiment.config
    limits = batch_limits(config.data)

    def batches_of(split: str, foils: bool = False) -> TrainBatches:
        return TrainBatches(
            data,
            experiment.manifest,
            split,
            config.train.batch_size,
            limits,
            config.train.seed,
            config.data.shuffle_buffer,
            jax.process_index(),
            jax.process_count(),
            cache=config.data.cache,
            captions_per_video=config.train.captions_per_video,
            foils=foils,
        )

    split = config.data.validation_split
    held_out = batches_of(split)
    reader = SplitReader(data, experiment.manifest, split, limits)
    validate = Validation(experiment, reader, split, held_out, held_out.steps_per_epoch)

    def evaluator(state: TrainState, step: int) -> tuple[TrainState, Evaluation, dict[str, float], str]:
        start = time.monotonic()
        state, evaluation, losses = validate(state)
        fused = evaluation.directions["fused"]
        line = (
            f"epoch {step // experiment.steps_per_epoch}/{config.train.epochs}  {split} Rsum {evaluation.rsum:.1f}  "
            f"T2V R@1 {fused['t2v']['R@1']:.1f}  V2T R@1 {fused['v2t']['R@1']:.1f}  "
            f"({time.monotonic() - start:.1f} s)"
        )
        return state, evaluation, losses, line

    batches = batches_of(config.data.train_split, config.loss.foils > 0)
    print(_banner(experiment, folder.folder, batches.files_read, batches.files), flush=True)
    evaluated, note = splits_to_evaluate(config, experiment.manifest)
    splits = [config.data.train_split, *evaluated]
    for one in (
        describe_limits(given, config, experiment.manifest, splits),
        note,
        experiment.note,
        large_batch_note(experiment),
        patience_note(experiment),
    ):
        if one:
            print(one, flush=True)
    start = time.monotonic()
    state = train(
        experiment,
        batches,
        evaluator,
        checkpoints,
        folder.folder,
        profile,
        _starter(experiment, data),
    )
    seconds = time.monotonic() - start
    print(f"{describe_trained(config, state)}; {seconds:.0f} s in this call", flush=True)


def _starter(experiment: Experiment, data: pathlib.Path) -> Starter | None:
    """What fits the linear branch to the training split, where the model has one."""
    config = experiment.config
    if not config.similarity.linear_branch:
        return None
    split = SplitReader(data, experiment.manifest, config.data.train_split, batch_limits(config.data))

    def start(state: TrainState, states: TokenStateCache | None) -> TrainState:
        print("fitting the linear branch", flush=True)
        return fit_to_split(experiment, state, split, states)

    return start


def _banner(experiment: Experiment, folder: pathlib.Path, files_read: int, files: int) -> str:
    """What a run says of itself before its first step: data, length, devices and size."""
    config, manifest, state = experiment.config, experiment.manifest, experiment.state_maker.abstract
    train_split = manifest.splits[config.data.train_split]
    streams = ", ".join(f"{stream.name} [{stream.dim}]" for stream in manifest.streams)
    mesh = ", ".join(f"{name} {size}" for name, size in experiment.mesh.shape.items())
    processes, batch = jax.process_count(), config.train.batch_size
    captions = config.train.captions_per_video
    frozen = _frozen_count(config, state)
    return "\n".join(
        [
            f"{config.name}: {manifest.dataset} ({manifest.protocol}), features {streams}",
            f"{train_split.videos} training videos with {train_split.captions} captions; "
            f"batch {batch}, {experiment.steps_per_epoch} steps an epoch, {config.train.epochs} epochs",
            f"{processes} process(es), {experiment.mesh.size} {jax.devices()[0].platform} device(s), mesh [{mesh}]; "
            f"each process gives {batch // processes} videos of a batch with {captions} caption(s) each, from "
            f"{files_read} of {files} file(s) of records",
            f"{parameter_count(state):,} parameters" + (f", {frozen:,} of them frozen" if frozen else ""),
            f"run in {folder}",
        ]
    )


def describe_trained(config: Config, state: TrainState) -> str:
    """How many parameters were trained, and how many of a published encoder stayed as they are."""
    frozen = _frozen_count(config, state)
    encoder = config.model.pretrained or config.model.pretrained_video
    trained = f"trained {parameter_count(state) - frozen:,} parameters"
    return f"{trained}, and left {frozen:,} frozen ones of {encoder}" if frozen else trained


def _frozen_count(config: Config, state: TrainState) -> int:
    return held_count(state, config)


def _check_splits(config: Config, manifest: Manifest) -> None:
    """Refuses splits that the data lacks, except for a missing split of the name that test splits have."""
    for key in ("train_split", "validation_split", "test_split"):
        split = getattr(config.data, key)
        may_be_missing = key == "test_split" and split in ("", "test")
        if split not in manifest.splits and not may_be_missing:
            raise InputError(
                f"config.data.{key} is {split!r}; {nearest_name(split, manifest.splits)}the prepared data has "
                f"{', '.join(sorted(manifest.splits))}; prepare them again with videos of that split (in the "
                "annotations, or with --split_file=SPLIT=FILE), or name another one"
            )


def large_batch_note(experiment: Experiment) -> str | None:
    """What happens where a batch has more rows than there are videos, unless the recipe chose it so."""
    config, devices = experiment.config, experiment.mesh.size
    videos = experiment.manifest.splits[config.data.train_split].videos
    fits = -(-videos // devices) * devices
    chosen = config.train.recipe == "by_size" and config.train.batch_size == equal_batch(videos)
    if chosen or config.train.batch_size <= fits:
        return None
    return (
        f"note: the batch has {config.train.batch_size} rows and the training split {videos} videos: every step takes "
        f"all of them, an epoch is one step, and the other rows are computed for nothing; "
        f"--config.train.batch_size={fits} trains the same in less time"
    )


def patience_note(experiment: Experiment) -> str | None:
    """What happens where evaluations are too few for the patience to run out before the last step."""
    train = experiment.config.train
    evaluations = -(-experiment.total_steps // experiment.steps_per_evaluation)
    if not train.patience or train.patience + 1 < evaluations:
        return None
    return (
        f"note: config.train.patience is {train.patience}, but the validation split is evaluated {evaluations} time(s) "
        "in all, so that training never ends early; a lower --config.train.evaluate_every_epochs (it is "
        f"{train.evaluate_every_epochs}) evaluates more often"
    )
