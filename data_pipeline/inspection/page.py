"""A page that shows a prepared data set, complete in one file."""

import importlib.resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from data_pipeline.errors import InputError
from data_pipeline.host.files import write_text
from data_pipeline.inspection import charts
from data_pipeline.inspection.graph_drawing import draw_graph
from data_pipeline.inspection.integrity import InspectedData
from data_pipeline.inspection.split_statistics import SplitStatistics
from data_pipeline.inspection.survey import Survey
from data_pipeline.inspection.tables import all_tables, describe
from data_pipeline.levels import ACTION, ENTITY, NODE_LEVELS, RELATIONSHIP
from data_pipeline.records.phrases import phrase_graph
from data_pipeline.records.schema import EncodedCaption

_COLOURS = {ENTITY: "#3b82c4", ACTION: "#d9772b", RELATIONSHIP: "#4da06a"}
"""Colours of the levels, legible on white and on black."""


def check_place(path: Path) -> None:
    """Refuses a path at which no page can be written.

    Raises:
        InputError: its folder does not exist, or it is a folder itself.
    """
    if not path.absolute().parent.is_dir():
        raise InputError(f"--html={path}: the folder {path.absolute().parent} does not exist; make it first")
    if path.is_dir():
        raise InputError(f"--html={path}: is a folder; give the name of a file to be written")


def write_page(path: Path, data: InspectedData, survey: Survey) -> None:
    """Writes the page, in one step."""
    write_text(path, render_page(data, survey))


def render_page(data: InspectedData, survey: Survey) -> str:
    """The page as HTML; all text that comes from the data set is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = importlib.resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    splits = {name: split for name, split in survey.statistics.items() if split.videos}
    return environment.from_string(template).render(
        description=describe(data.manifest),
        problems=survey.problems,
        tables=all_tables(data.manifest, None, splits),
        colours=_COLOURS,
        examples=_examples(data, survey, splits),
        attribute_charts=_attribute_charts(data),
        norm_charts={
            stream.name: Markup(charts.norm_chart(stream.name, splits))
            for stream in data.manifest.streams
            if splits
        },
    )


def _examples(
    data: InspectedData, survey: Survey, splits: dict[str, SplitStatistics]
) -> dict[str, list[tuple[str, Markup]]]:
    """By kind of example: captions, each with its picture."""
    first = next(iter(splits.values()), None)
    median = first.sizes[RELATIONSHIP].quantile(0.5) if first else 0
    chosen = survey.examples.chosen(median)
    return {
        kind: [(caption.text, _picture(caption, data)) for caption in captions]
        for kind, captions in chosen.items()
        if captions
    }


def _picture(caption: EncodedCaption, data: InspectedData) -> Markup:
    graph = phrase_graph(caption, data.tokenizer, data.manifest.roles)
    return Markup(draw_graph(graph, _COLOURS)) if graph.phrases else Markup("")


def _attribute_charts(data: InspectedData) -> dict[str, Markup]:
    if data.vocabulary is None:
        return {}
    levels = [level for level in NODE_LEVELS if data.vocabulary.names[level]]
    return {
        level: Markup(charts.attribute_chart(level, data.vocabulary, _COLOURS[level])) for level in levels
    }
