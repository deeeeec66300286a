"""This module shows a single record on the terminal: its features, captions and graphs."""

import numpy as np
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from data_pipeline.graphs.attributes import AttributeVocabulary
from data_pipeline.inspection.count_tables import CountTable, rich_table
from data_pipeline.inspection.integrity import InspectedData
from data_pipeline.inspection.split_statistics import vector_norms
from data_pipeline.levels import ACTION, ENTITY
from data_pipeline.records.phrase_graph import PhraseGraph, phrase_graph, token_texts
from data_pipeline.records.schema import EncodedCaption, VideoRecord

_BARS = "▁▂▃▄▅▆▇█"
_LONGEST_LINE = 60
_STYLES = {ENTITY: "blue", ACTION: "bold dark_orange3"}


def print_record(console: Console, record: VideoRecord, data: InspectedData) -> None:
    """Prints everything that is stored of a video."""
    console.print(f"Video {record.video_id}", style="bold")
    console.print(_times(record.frame_times))
    console.print(rich_table(_feature_table(record)))
    for level, ids in record.attributes.items():
        console.print(f"{level} attributes: {_attribute_names(level, ids, data.vocabulary)}")
    for caption in record.captions:
        console.print()
        console.print(_caption_tree(caption, data))
    for foil in record.foils:
        console.print()
        label = f"foil ({foil.kind}) of {record.captions[foil.caption_index].caption_id}: "
        console.print(_caption_tree(foil.caption, data, label))


def sparkline(values: np.ndarray) -> str:
    """Draws numbers ``[any]`` as bars between the smallest and the largest; long series are sampled evenly."""
    if len(values) > _LONGEST_LINE:
        values = values[np.linspace(0, len(values) - 1, _LONGEST_LINE).round().astype(int)]
    span = float(values.max() - values.min())
    heights = (values - values.min()) / span * (len(_BARS) - 1) if span > 0 else np.zeros(len(values))
    return "".join(_BARS[int(height)] for height in heights.round())


def _times(times: np.ndarray) -> str:
    if not len(times):
        return "frame times: unknown"
    return f"frame times in seconds: {', '.join(f'{time:.2f}' for time in times)}"


def _feature_table(record: VideoRecord) -> CountTable:
    rows = []
    for name, values in (record.frames | record.regions).items():
        norms = vector_norms(values)
        # The mean over its regions stands for a frame.
        per_frame = norms if norms.ndim == 1 else norms.mean(axis=1)
        spread = " / ".join(f"{value:.3g}" for value in (norms.min(), norms.mean(), norms.max()))
        rows.append((name, " × ".join(map(str, values.shape)), spread, sparkline(per_frame)))
    header = ("stream", "shape", "norms: minimum / mean / maximum", "norms by frame")
    return CountTable("Features", header, tuple(rows))


def _caption_tree(caption: EncodedCaption, data: InspectedData, label: str = "") -> Tree:
    tree = Tree(Text(f"{label}{caption.text}", style="bold").append(f"  {caption.caption_id}", style="dim"))
    tree.add(Text(f"tokens: {' | '.join(token_texts(caption, data.tokenizer))}"))
    graph = phrase_graph(caption, data.tokenizer, data.manifest.roles, data.manifest.modifier_kinds)
    sources = {source for source, _, _ in graph.relationships}
    for node, level in enumerate(graph.levels):
        if level == ACTION or node in sources:
            branch = tree.add(_phrase(graph, node))
            for source, role, target in graph.relationships:
                if source == node:
                    branch.add(Text(f"{role}: ").append(_phrase(graph, target)))
    unattached = [node for node in graph.unattached if graph.levels[node] == ENTITY]
    if unattached:
        branch = tree.add(Text("in no relationship"))
        for node in unattached:
            branch.add(_phrase(graph, node))
    for level, ids in caption.attributes.items():
        if ids:
            tree.add(Text(f"{level} attributes: {_attribute_names(level, ids, data.vocabulary)}"))
    return tree


def _phrase(graph: PhraseGraph, node: int) -> Text:
    shown = Text(graph.phrases[node], style=_STYLES[graph.levels[node]])
    for kind, words in graph.modifiers[node]:
        shown.append(f"  {kind}: {words}", style="dim")
    return shown


def _attribute_names(level: str, ids: list[int], vocabulary: AttributeVocabulary | None) -> str:
    if not ids:
        return "none"
    return ", ".join(str(one) if vocabulary is None else vocabulary.names[level][one] for one in ids)
