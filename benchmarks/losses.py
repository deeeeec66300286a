"""The losses on attributes, compared fairly: focal and plain cross-entropy each at its own best weight, and none.

`python -m benchmarks.losses demo --data=DIR` trains, with the first seed, the whole model with either loss at every
weight of `--weights`, and takes of each loss the weight with the best Rsum on the validation split. It then trains with
every seed: no loss on attributes (`none`), both losses at their weights, and with the better of the two the KL
divergence in each direction and at each temperature, and a projection of its own for each modality. Everything is
trained in full, each run in a process of its own, and compared with `none`, paired over videos. Flags of the config
after `--` are handed to every training. Finished runs are only read. Results are written once the losses are compared,
and again with what follows.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import dataclasses
import itertools
import pathlib
from collections.abc import Sequence

from benchmarks.attribute_table import attribute_table, precisions
from benchmarks.foil_tables import accuracies, foil_tables, foil_tests, plain_tests
from benchmarks.machine import describe_machine
from benchmarks.options import comparison_parser, positive_numbers, run_comparison
from benchmarks.run_tables import (
    command_lines,
    difference_table,
    head_lines,
    summary_table,
    tail_lines,
    write_results,
)
from benchmarks.seed_statistics import paired_tests, summarize
from benchmarks.trained_runs import CONFIGS, Model, ModelRuns, check_flags, train_all
from data_pipeline.errors import InputError
from mcsan_jax.config_files import config_of_flags
from mcsan_jax.evaluation.tables import aligned

NONE, FOCAL, PLAIN = "none", "focal", "plain"
WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0)
DIRECTIONS = ("text_to_video", "video_to_text", "symmetric")
TEMPERATURES = (1.0, 4.0)


@dataclasses.dataclass(frozen=True)
class Tried:
    """A loss at a weight, as its one run with the first seed did on the validation split."""

    loss: str
    weight: float
    rsum: float


def weighted_models(shared: Sequence[str], weights: Sequence[float]) -> dict[tuple[str, float], Model]:
    """The whole model with either loss at every weight, and without the KL divergence."""
    without = (*shared, "--config.loss.divergence_weight=0")
    return {
        (loss, weight): Model(f"{loss}_{weight:g}", (*without, *_loss_flags(loss, weight)))
        for loss in (FOCAL, PLAIN)
        for weight in weights
    }


def none_model(shared: Sequence[str]) -> Model:
    """The whole model without a loss on attributes, and without the KL divergence."""
    return Model(NONE, (*shared, "--config.loss.divergence_weight=0", "--config.loss.focal_weight=0"))


def divergence_models(best: Model) -> list[Model]:
    """The best loss on attributes with the KL divergence in every form, and with separate projections."""
    flags = tuple(flag for flag in best.flags if "divergence_weight" not in flag)
    own = config_of_flags(flags).loss.divergence_weight
    models = [
        Model(
            f"{best.name}_kl_{direction}_{temperature:g}",
            (
                *flags,
                f"--config.loss.divergence_weight={own}",
                f"--config.loss.divergence_direction={direction}",
                f"--config.loss.divergence_temperature={temperature}",
            ),
        )
        for direction, temperature in itertools.product(DIRECTIONS, TEMPERATURES)
    ]
    separate = "--config.model.share_attribute_projection=False"
    return [*models, Model(f"{best.name}_separate", (*best.flags, separate))]


def best_of(tried: Sequence[Tried], loss: str) -> Tried:
    """The weight of a loss with the best Rsum; of equal ones the smallest."""
    return max((one for one in tried if one.loss == loss), key=lambda one: (one.rsum, -one.weight))


def run(arguments: argparse.Namespace, overrides: Sequence[str]) -> None:
    """Trains, compares, prints and writes.

    Raises:
        InputError: base, data or folders do not fit together, or a training failed.
    """
    place = () if arguments.data is None else (f"--config.data.dir={arguments.data}",)
    shared = (f"--config={CONFIGS / 'ablations.py'}:full:{arguments.base}", *place, *check_flags(overrides))
    clash = [flag for flag in shared if flag.startswith(("--config.loss.focal", "--config.loss.divergence"))]
    if clash:
        raise InputError(f"{clash[0]}: the losses on attributes are what is compared; leave it out after --")
    validation, out = config_of_flags(shared).data.validation_split, arguments.out / arguments.base
    weighted = weighted_models(shared, arguments.weights)
    first, manifest = train_all(list(weighted.values()), arguments.seeds[:1], validation, out, arguments.jobs)
    tried = [
        Tried(loss, weight, of_model.rsums[0])
        for (loss, weight), of_model in zip(weighted, first, strict=True)
    ]
    chosen = {loss: weighted[loss, best_of(tried, loss).weight] for loss in (FOCAL, PLAIN)}
    both, _ = train_all(
        [none_model(shared), *chosen.values()], arguments.seeds, arguments.split, out, arguments.jobs
    )
    manifest_lines = head_lines(both[0].runs[0], manifest, arguments.split)
    # What follows takes three times as long.
    _write(arguments, tried, both, manifest_lines)
    better = max(zip(chosen.values(), both[1:], strict=True), key=lambda pair: sum(pair[1].rsums))[0]
    others, _ = train_all(divergence_models(better), arguments.seeds, arguments.split, out, arguments.jobs)
    print(_write(arguments, tried, [*both, *others], manifest_lines))


def _write(
    arguments: argparse.Namespace,
    tried: Sequence[Tried],
    trained: Sequence[ModelRuns],
    manifest_lines: list[str],
) -> str:
    summaries = [summarize(model) for model in trained]
    tests = paired_tests([(model, trained[0]) for model in trained[1:]])
    of_foils = foil_tests(trained[1:], trained[0])
    record = trained[0].runs[0].record
    content = {
        "base": arguments.base,
        "split": arguments.split,
        "seeds": arguments.seeds,
        "tried": [dataclasses.asdict(one) for one in tried],
        "models": [dataclasses.asdict(one) for one in summaries],
        "tests": [dataclasses.asdict(test) for test in tests],
        "attributes": {model.name: precisions(model) for model in trained},
        "foils": {model.name: accuracies(model) for model in trained},
        "foil_tests": plain_tests(of_foils),
        "data_fingerprint": record.data_fingerprint,
        "machine": describe_machine(),
        "versions": record.versions,
    }
    weights = sorted({one.weight for one in tried})
    by_weight = {(one.loss, one.weight): f"{one.rsum:.1f}" for one in tried}
    rows = [[loss, *(by_weight[loss, weight] for weight in weights)] for loss in (FOCAL, PLAIN)]
    foils = foil_tables(trained, of_foils)
    lines = [
        *manifest_lines,
        "",
        f"## Weights, by Rsum of split {record.config['data.validation_split']} with seed {arguments.seeds[0]}",
        "",
        *aligned([["loss at weight", *(f"{weight:g}" for weight in weights)], *rows]),
        "",
        "## Full trainings",
        "",
        *summary_table(summaries),
        "",
        *difference_table(tests),
        "",
        "## Attributes of videos",
        "",
        *attribute_table(trained),
        "",
        *(["## Captions made false", "", *foils] if foils else []),
        *tail_lines(arguments.split, record.config["data.validation_split"]),
        "",
        *command_lines(trained),
    ]
    text = "\n".join(lines)
    write_results(arguments.out / arguments.base, "losses", content, text)
    return text


def _loss_flags(loss: str, weight: float) -> tuple[str, ...]:
    if loss == FOCAL:
        return (f"--config.loss.focal_weight={weight}",)
    # Without focus and with both kinds of label alike, the focal loss is half the binary cross-entropy.
    return (
        f"--config.loss.focal_weight={2 * weight}",
        "--config.loss.focal_gamma=0",
        "--config.loss.focal_alpha=0.5",
    )


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = comparison_parser("losses", __doc__)
    parser.add_argument("base", help="experiment in configs/, with a size if wanted: demo, msrvtt-small")
    parser.add_argument("--data", type=pathlib.Path, help="prepared data; by default those of the experiment")
    parser.add_argument(
        "--weights", type=positive_numbers, default=WEIGHTS, help="of both losses, with commas between"
    )
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point; bad input, or a training that failed, ends with a message and status 2."""
    run_comparison(make_parser(), run, words)


if __name__ == "__main__":
    main()
