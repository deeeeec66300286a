"""What a run says of itself before its first step."""

import pathlib

import jax

from mcsan_jax.training.experiment import Experiment, parameter_count, published_count


def banner(experiment: Experiment, folder: pathlib.Path, files_read: int, files: int) -> str:
    """Data, length, devices and size of a training.

    Args:
        experiment: what is trained.
        folder: of the run.
        files_read, files: files of training records that this process reads, and how many there are.
    """
    config, manifest, state = experiment.config, experiment.manifest, experiment.state_maker.abstract
    train_split = manifest.splits[config.data.train_split]
    streams = ", ".join(f"{stream.name} [{stream.dim}]" for stream in manifest.streams)
    mesh = ", ".join(f"{name} {size}" for name, size in experiment.mesh.shape.items())
    processes, batch = jax.process_count(), config.train.batch_size
    captions = config.train.captions_per_video
    frozen = published_count(state) if config.encoder_is_frozen else 0
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
