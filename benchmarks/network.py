"""What a training step sends between devices: by formula, and in the compiled program.

`python -m benchmarks.network configs/msrvtt.py:small --devices=4` compiles the step for simulated devices of this
machine and prints, as Markdown, the bytes that each device sends in it. `traffic` is the formula;
`benchmarks/on_paper.py` uses it for machines that are not at hand. `tests/benchmarks/test_network.py` holds one against
the other.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from benchmarks.compiled_collectives import bytes_sent
from benchmarks.figures import write_figures
from benchmarks.made_up_experiment import full_batch, made_up_manifest, read_config
from benchmarks.options import at_least_one
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, NODE_LEVELS, RELATIONSHIP
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import data_shape
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.models.mcsan import DataShape
from mcsan_jax.sharding import make_mesh, put_batch
from mcsan_jax.training.experiment import Experiment, build_experiment, held_count

_FLOAT, _INTEGER, _MASK = 4, 4, 1


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Bytes that each device sends in a step.

    Attributes:
        gradient: of what is learned, summed over all devices; does not depend on the batch.
        captions: encoded captions to every device, and their gradient back.
        columns: the similarity matrix, of which every device has rows, as columns too, and back.
    """

    gradient: float
    captions: float
    columns: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.gradient + self.captions + self.columns


def traffic(config: Config, shape: DataShape, summed: int, devices: int) -> Traffic:
    """The formula.

    With D devices, B videos and T captions of the whole batch, P numbers of the gradient that are summed
    (`summed_count`), of four bytes each, and g bytes of floats and m bytes of masks and numbers for a caption:

    * gradient, an all-reduce: ``2 (D − 1)/D · 4 P``;
    * captions: ``(D − 1)/D · T (2 g + m)``, gathered and their gradient scattered; ``T (3 g + 2 m)`` where they go
      round, forward once, and backward once more beside their gradient;
    * columns, two all-to-all: ``2 (D − 1)/D · 4 B T / D``.

    Args:
        config: the experiment.
        shape: of the data.
        summed: numbers of the gradient that are summed over devices.
        devices: on the mesh.
    """
    if devices == 1:
        return Traffic(0.0, 0.0, 0.0)
    others = (devices - 1) / devices
    videos = config.train.batch_size
    captions = videos * config.train.captions_per_video
    rings = config.train.exchange == "ring"
    floats, rest = _caption_bytes(config, shape, packed=rings)
    of_captions = captions * (3 * floats + 2 * rest) if rings else others * captions * (2 * floats + rest)
    groups = others * (captions * _INTEGER + videos * _MASK)
    return Traffic(
        gradient=2 * others * _FLOAT * summed,
        captions=of_captions + groups,
        columns=2 * others * _FLOAT * videos * captions / devices,
    )


def node_slots(config: Config) -> int:
    """Places for the nodes of a caption, at all levels that the model has."""
    data = config.data
    slots = {ENTITY: data.max_entities, ACTION: data.max_actions, RELATIONSHIP: data.max_relationships}
    return sum(size for level, size in slots.items() if level in config.model.levels)


def _caption_bytes(config: Config, shape: DataShape, packed: bool) -> tuple[int, int]:
    """Bytes of the floats, which have a gradient, and of the rest of an encoded caption."""
    levels = config.model.levels
    nodes = node_slots(config)
    attributes = 0
    if config.similarity.attribute_share > 0:
        attributes = sum(size for level, size in shape.attributes if level in levels)
    floats = config.model.width * ((GLOBAL in levels) + nodes) + attributes
    if packed:
        # Packed nodes have a share each, and the number of their caption; a caption, whether it has any.
        return _FLOAT * (floats + nodes), _INTEGER * nodes + _MASK * sum(
            level in levels for level in NODE_LEVELS
        )
    # Whether a node is there, and whether it is denied.
    return _FLOAT * floats, 2 * _MASK * nodes


def summed_count(experiment: Experiment) -> int:
    """Numbers of the gradient that are summed over devices.

    Every learned number; those that both modalities use, or nodes and edges, twice: XLA sums what each use gives by
    itself, unless the batch is encoded in parts.
    """
    params, config = experiment.state_maker.abstract.params, experiment.config
    frozen = held_count(experiment.state_maker.abstract, config)
    constant = 0 if config.similarity.learn_level_weights else len(config.model.levels)
    learned = _count(params) - constant - frozen - (not config.loss.learn_temperature)
    if config.train.micro_batches > 1:
        return learned
    twice = 0
    if config.model.share_attribute_projection:
        twice += _count(params.get("attribute_projector", {}))
    if RELATIONSHIP in config.model.levels:
        twice += _count(params["text_encoder"]["roles"])
    return learned + twice


def _count(params: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def compiled_traffic(experiment: Experiment) -> dict[str, float]:
    """Bytes that each device sends in the compiled step, by kind of collective."""
    batch = put_batch(full_batch(experiment), experiment.mesh)
    program = experiment.train_step.lower(experiment.state_maker.abstract, batch).compile()
    return bytes_sent(program.as_text(), experiment.mesh.size)


def formula_of(experiment: Experiment) -> Traffic:
    """By formula."""
    shape, summed = data_shape(experiment.manifest), summed_count(experiment)
    return traffic(experiment.config, shape, summed, experiment.mesh.size)


def report(formula: Traffic, found: Mapping[str, float]) -> list[str]:
    """Both, as a table."""
    rows = [["bytes that each device sends in a step", "MB"]]
    rows += [
        [f"formula: {name}", f"{value / 1e6:.3f}"] for name, value in dataclasses.asdict(formula).items()
    ]
    rows.append(["**formula: all**", f"**{formula.total / 1e6:.3f}**"])
    rows += [[f"compiled: {kind}", f"{value / 1e6:.3f}"] for kind, value in sorted(found.items())]
    rows.append(["**compiled: all**", f"**{sum(found.values()) / 1e6:.3f}**"])
    return aligned(rows)


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "config", help="file of the experiment, with a size if wanted: configs/msrvtt.py:small"
    )
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    parser.add_argument("--devices", type=at_least_one, default=4, help="simulated")
    parser.add_argument("--frame_dim", type=at_least_one, default=2048, help="size of a frame's features")
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point; bad input ends with a message and status 2."""
    arguments = make_parser().parse_args(words)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", arguments.devices)
    config = read_config(arguments.config)
    manifest = made_up_manifest(config, 6513, 20, arguments.frame_dim)
    experiment = build_experiment(config, manifest, make_mesh(jax.devices()))
    train = config.train
    print(
        f"{config.name}: {arguments.devices} devices, batch {train.batch_size} with {train.captions_per_video} "
        f"caption(s) each, {train.exchange}, {summed_count(experiment):,} numbers of the gradient are summed\n"
    )
    formula, found = formula_of(experiment), compiled_traffic(experiment)
    print("\n".join(report(formula, found)))
    write_figures(arguments.json, {"formula": dataclasses.asdict(formula), "compiled": found})


if __name__ == "__main__":
    main()
