"""The losses on attributes, compared fairly: focal and plain cross-entropy each at its own best weight, and none.

`python -m benchmarks losses demo --data=DIR` trains, with the first seed, the whole model with either loss at every
weight of `--weights`, and takes of each loss the weight with the best Rsum on the validation split. It then trains with
every seed: no loss on attributes (`none`), both losses at their weights, and with the better of the two the KL
divergence in each direction and at each temperature, and a projection of its own for each modality. Everything is
trained in full, each run in a process of its own. The losses are compared with none, and the rest with the better of
them, paired over videos. Flags of the config
after `--` are handed to every training. Finished runs are only read. Results are written once the losses are compared,
and again with what follows.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from benchmarks.options import (
    ConfigFlags,
    Experiment,
    Jobs,
    PreparedData,
    ReportedSplit,
    RunsFolder,
    Seeds,
    checked_positive,
    positive_numbers,
    whole_numbers,
)
from benchmarks.quality.run_tables import (
    attribute_table,
    command_lines,
    compared,
    head_lines,
    of_all,
    tail_lines,
    write_results,
)
from benchmarks.quality.trained_runs import CONFIGS, Model, ModelRuns, check_flags, train_all
from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from mcsan_jax.config_files import config_of_flags
from mcsan_jax.evaluation.tables import aligned

NONE, FOCAL, PLAIN = "none", "focal", "plain"
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


def results(
    tried: Sequence[Tried], losses: Sequence[ModelRuns], forms: Sequence[ModelRuns], manifest: Manifest
) -> tuple[dict[str, Any], str]:
    """Figures of all that was trained so far, and as Markdown.

    Args:
        tried: the losses at their weights.
        losses: none, and each loss at its best weight; they are tested against none.
        forms: the best loss, and that with the divergence in each form and with separate projections, which are
            tested against it; or none yet.
        manifest: of the data.
    """
    trained = list({model.name: model for model in (*losses, *forms)}.values())
    first = losses[0].runs[0]
    record, validation = first.record, first.record.config["data.validation_split"]
    weights = sorted({one.weight for one in tried})
    by_weight = {(one.loss, one.weight): f"{one.rsum:.1f}" for one in tried}
    rows = [[loss, *(by_weight[loss, weight] for weight in weights)] for loss in (FOCAL, PLAIN)]
    content = {"tried": [dataclasses.asdict(one) for one in tried], **of_all(trained)}
    lines = [
        *head_lines(first, manifest, record.split),
        "",
        f"## Weights, by Rsum of split {validation} with seed {record.config['train.seed']}",
        "",
        *aligned([["loss at weight", *(f"{weight:g}" for weight in weights)], *rows]),
        "",
    ]
    sections = {"losses": ("Losses on attributes", losses)}
    if forms:
        sections["forms"] = ("The divergence and separate projections", forms)
    for name, (title, models) in sections.items():
        content[name], text = compared(title, models)
        lines += [*text, ""]
    lines += [
        *("## Attributes of videos", "", *attribute_table(trained), ""),
        *(*tail_lines(record.split, validation), "", *command_lines(trained)),
    ]
    return content, "\n".join(lines)


def run(
    base: Experiment,
    data: PreparedData = None,
    weights: Annotated[
        str, typer.Option(callback=checked_positive(), help="Of both losses, with commas between.")
    ] = "0.01,0.03,0.1,0.3,1.0",
    seeds: Seeds = "0,1,2",
    split: ReportedSplit = "val",
    jobs: Jobs = 1,
    out: RunsFolder = pathlib.Path("runs/losses"),
    overrides: ConfigFlags = None,
) -> dict[str, Any]:
    """Trains, compares, prints and writes.

    Raises:
        InputError: base, data or folders do not fit together, or a training failed.
    """
    numbers = whole_numbers("--seeds", seeds, smallest=0)
    place = () if data is None else (f"--config.data.dir={data}",)
    shared = (f"--config={CONFIGS / 'ablations.py'}:full:{base}", *place, *check_flags(overrides))
    clash = [flag for flag in shared if flag.startswith(("--config.loss.focal", "--config.loss.divergence"))]
    if clash:
        raise InputError(f"{clash[0]}: the losses on attributes are what is compared; leave it out after --")
    weighted = weighted_models(shared, positive_numbers("--weights", weights))
    validation, folder = config_of_flags(shared).data.validation_split, out / base
    first, manifest = train_all(list(weighted.values()), numbers[:1], validation, folder, jobs)
    tried = [
        Tried(loss, weight, of_model.rsums[0])
        for (loss, weight), of_model in zip(weighted, first, strict=True)
    ]
    chosen = {loss: weighted[loss, best_of(tried, loss).weight] for loss in (FOCAL, PLAIN)}
    both, _ = train_all([none_model(shared), *chosen.values()], numbers, split, folder, jobs)
    arguments = {
        "base": base,
        "data": data,
        "weights": weights,
        "seeds": seeds,
        "split": split,
        "overrides": overrides,
    }
    # What follows takes three times as long.
    write_results(folder, "losses", arguments, *results(tried, both, (), manifest))
    better = max(both[1:], key=lambda model: sum(model.rsums))
    models = {model.name: model for model in chosen.values()}
    others, _ = train_all(divergence_models(models[better.name]), numbers, split, folder, jobs)
    content, text = results(tried, both, [better, *others], manifest)
    write_results(folder, "losses", arguments, content, text)
    print(text)
    return content


def _loss_flags(loss: str, weight: float) -> tuple[str, ...]:
    if loss == FOCAL:
        return (f"--config.loss.focal_weight={weight}",)
    # Without focus and with both kinds of label alike, the focal loss is half the binary cross-entropy.
    return (
        f"--config.loss.focal_weight={2 * weight}",
        "--config.loss.focal_gamma=0",
        "--config.loss.focal_alpha=0.5",
    )
