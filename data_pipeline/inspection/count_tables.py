"""This module makes the tables of what was counted, and prints them."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from data_pipeline.annotations.caption import TRAIN
from data_pipeline.graphs.attributes import AttributeVocabulary
from data_pipeline.inspection.split_statistics import MODIFIERS, TOKENS, SplitStatistics, effective_number
from data_pipeline.levels import ACTION, ENTITY, FOIL_KINDS, RELATIONSHIP
from data_pipeline.manifest import Manifest

MOST_FREQUENT = 20

Splits = Mapping[str, SplitStatistics]


@dataclasses.dataclass(frozen=True)
class CountTable:
    """A count table holds texts in rows and columns.

    Attributes:
        title: what it shows.
        header: a title for each column.
        rows: the texts of each column.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def describe(manifest: Manifest) -> CountTable:
    """Says what the data set is and where it came from."""
    tokenizer, vectors = manifest.tokenizer, manifest.word_vectors
    rows = {
        "data set": manifest.dataset,
        "protocol": manifest.protocol,
        "fingerprint": manifest.fingerprint,
        "tokenizer": f"{tokenizer.kind}, {tokenizer.size} tokens",
        "word vectors": f"{vectors.source}, {vectors.dim} numbers, {vectors.known} tokens"
        if vectors
        else "none",
        "frames": ", ".join(f"{key} {value}" for key, value in dataclasses.asdict(manifest.frames).items()),
        "parser": ", ".join(f"{key} {value}" for key, value in manifest.parser.items()),
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
    }
    return CountTable("Data set", ("", ""), tuple(rows.items()))


def split_table(splits: Splits) -> CountTable:
    """Shows how much each split holds, and how many captions lack something."""
    header = (
        "split",
        "videos",
        "captions",
        "distinct texts",
        "foils",
        "no entity",
        "no action",
        "no relationship",
        "unknown tokens",
    )
    rows = []
    for name, split in splits.items():
        lacking = [
            _part(split.sizes[level].times(0), split.captions) for level in (ENTITY, ACTION, RELATIONSHIP)
        ]
        unknown = _part(split.unknown_tokens, split.sizes[TOKENS].total)
        amounts = [f"{number:,}" for number in (split.videos, split.captions, len(split.texts), split.foils)]
        rows.append((name, *amounts, *lacking, unknown if split.unknown_id is not None else "?"))
    return CountTable(
        "Splits: contents, captions that lack nodes, share of unknown tokens", header, tuple(rows)
    )


def size_table(splits: Splits) -> CountTable:
    """Shows minimum, median and maximum of everything that varies in size."""
    streams = next(iter(splits.values())).frames if splits else {}
    rows = [("captions per video", *(str(split.captions_per_video) for split in splits.values()))]
    for stream in streams:
        rows.append(
            (f"frames per video, {stream}", *(str(split.frames[stream]) for split in splits.values()))
        )
    names = {
        TOKENS: "tokens",
        ENTITY: "entities",
        ACTION: "actions",
        RELATIONSHIP: "relationships",
        MODIFIERS: "modifiers",
    }
    for key, name in names.items():
        rows.append((f"{name} per caption", *(str(split.sizes[key]) for split in splits.values())))
    return CountTable("Sizes: minimum / median / maximum", ("", *splits), tuple(rows))


def foil_table(splits: Splits) -> CountTable:
    """Shows the number of foils of each kind; where training has foils, kinds without any are shown, too."""
    made = FOIL_KINDS if any(split.foil_kinds for name, split in splits.items() if name == TRAIN) else ()
    kinds = sorted({*made, *(kind for split in splits.values() for kind in split.foil_kinds)})
    rows = ((kind, *(f"{split.foil_kinds[kind]:,}" for split in splits.values())) for kind in kinds)
    return CountTable("Foils by kind", ("kind", *splits), tuple(rows))


def said_table(splits: Splits) -> CountTable:
    """Shows how many modifiers of each kind, denials and orders of actions the captions have."""
    names = list(next(iter(splits.values())).modifier_kinds) if splits else []
    names += sorted({name for split in splits.values() for name in split.said} - set(names))
    rows = ((name, *(f"{split.said[name]:,}" for split in splits.values())) for name in names)
    return CountTable("Modifiers by kind, denials, order of actions", ("", *splits), tuple(rows))


def stream_table(manifest: Manifest, splits: Splits) -> CountTable:
    """Shows the shape and the values of each feature stream."""
    rows = []
    for stream in manifest.streams:
        arrays = [norms for split in splits.values() for norms in split.norms[stream.name]]
        norms = np.concatenate(arrays) if arrays else np.zeros(1, np.float32)
        spread = " / ".join(f"{value:.3g}" for value in (norms.min(), norms.mean(), norms.max()))
        dim = f"{stream.regions} × {stream.dim}" if stream.regions else str(stream.dim)
        rows.append(
            (
                stream.name,
                stream.kind,
                dim,
                _span(stream.mean),
                _span(stream.std),
                spread,
                stream.source_and_encoder,
            )
        )
    spreads = ("means", "standard deviations", "norm: minimum / mean / maximum")
    header = ("stream", "kind", "dim", *spreads, "from")
    return CountTable("Feature streams", header, tuple(rows))


def balance_table(splits: Splits) -> CountTable:
    """Shows how unevenly the attributes of each level are spread over videos and captions."""
    rows = []
    for level in (ENTITY, ACTION, RELATIONSHIP):
        for name, split in splits.items():
            videos, captions = split.positive_videos[level], split.positive_captions[level]
            present = videos[videos > 0]
            rows.append(
                (
                    level,
                    name,
                    f"{len(videos):,}",
                    f"{len(videos) - len(present):,}",
                    f"{videos.sum() / max(split.videos, 1):.1f}",
                    _part(int(videos.sum()), len(videos) * split.videos),
                    _part(int(captions.sum()), len(captions) * split.captions),
                    f"{present.max() / present.min():,.0f}" if len(present) else "",
                    f"{effective_number(videos):,.0f}",
                )
            )
    header = ("level", "split", "attributes", "never", "per video", "positive in videos", "in captions")
    return CountTable("Attributes: balance", (*header, "most : least", "effective number"), tuple(rows))


def frequent_table(level: str, vocabulary: AttributeVocabulary, splits: Splits) -> CountTable:
    """Shows the most frequent attributes of a level, and the share of videos and captions that have each."""
    rows = []
    for index, name in enumerate(vocabulary.names[level][:MOST_FREQUENT]):
        shares = [_part(int(split.positive_videos[level][index]), split.videos) for split in splits.values()]
        rows.append((name, f"{vocabulary.video_counts[level][index]:,}", *shares))
    return CountTable(f"Most frequent: {level}", (level, "training videos", *splits), tuple(rows))


def all_tables(
    manifest: Manifest, vocabulary: AttributeVocabulary | None, splits: Splits
) -> list[CountTable]:
    """Returns all tables that have rows; those of single attributes need a vocabulary."""
    tables = [split_table(splits), size_table(splits), said_table(splits), foil_table(splits)]
    tables.append(stream_table(manifest, splits))
    tables.append(balance_table(splits))
    if vocabulary is not None:
        levels = (ENTITY, ACTION, RELATIONSHIP)
        tables += [frequent_table(level, vocabulary, splits) for level in levels]
    return [table for table in tables if table.rows]


def _part(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else ""


def _span(values: tuple[float, ...]) -> str:
    return f"{min(values):.3g} … {max(values):.3g}"


_WIDTH_OF_FILES = 120


def make_console() -> Console:
    """Returns standard output, as wide as the terminal; its width is fixed where there is no terminal."""
    width = None if sys.stdout.isatty() else _WIDTH_OF_FILES
    # Captions and file names may look like markup, but they are plain text.
    return Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)


def print_tables(console: Console, tables: Sequence[CountTable]) -> None:
    """Prints tables one below the other."""
    for table in tables:
        console.print(rich_table(table))
        console.print()


def rich_table(table: CountTable) -> RichTable:
    """Returns a table whose columns of numbers, except the first column, are aligned to the right."""
    result = RichTable(title=Text(table.title), title_justify="left", box=box.SIMPLE_HEAD)
    result.show_header = any(table.header)
    for column, name in enumerate(table.header):
        numbers = bool(table.rows) and all(not row[column] or row[column][0].isdigit() for row in table.rows)
        result.add_column(Text(name), justify="right" if column and numbers else "left", overflow="fold")
    for row in table.rows:
        result.add_row(*map(Text, row))
    return result


def print_problems(console: Console, problems: Sequence[str], records: int, seconds: float) -> None:
    """Prints how much was read, and everything that is wrong."""
    rate = f"{records:,} records read in {seconds:.1f} s ({records / max(seconds, 1e-9):,.0f}/s)"
    if not problems:
        console.print(f"All checks passed; {rate}.")
        return
    for problem in problems:
        console.print(f"wrong: {problem}", soft_wrap=True)
    console.print(f"{len(problems):,} problems; {rate}.")
