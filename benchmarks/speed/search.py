"""Times searches in made-up indexes, exact and in two stages, and says beside each time what share was found.

`python -m benchmarks search` makes vectors that are independent of each other and vectors like trained ones (see
`made_up_index`), writes them as an index has them, and searches with one text at a time, in turn with what a search is
compared with: a NumPy product of all stage-1 vectors as float32, a flat index of FAISS with the same vectors, and the
bare matrix products of all frames and nodes as float32. It prints medians and the 99th percentile, and the share of the
exact best ten that is found.
"""

import pathlib
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import faiss
import numpy as np
import typer

from benchmarks.figures import figures_of
from benchmarks.machine import describe_machine
from benchmarks.options import Seed, checked_numbers, whole_numbers
from benchmarks.speed.made_up_index import Kind, MadeUp, MappedVideos, bytes_of, open_search, write_videos
from mcsan_jax.ranking.collection import TextCollection
from mcsan_jax.search.stages.candidate_recall import measure_recall
from mcsan_jax.search.stages.two_stages import CANDIDATES, EXACT_UP_TO, CandidateSearch, Mix

EXACT_BAR, PRODUCT_BAR = 60, 3
TWO_STAGE_BARS = {10_000: 20, 100_000: 60}
MEMORY_BAR = (1.2, 600)
_BARE_UP_TO = 20_000
"""Videos whose frames are held as float32 for the bare products."""

Search = Callable[[TextCollection], object]


def searches(segments: Sequence[MappedVideos], search: CandidateSearch) -> dict[str, Search]:
    """What is timed, by name: each searches for one text."""
    one = [Mix((0,), (1.0,))]
    vectors = np.concatenate([segment.arrays["stage_one"] for segment in segments]).astype(np.float32)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    most = min(CANDIDATES, len(vectors))

    def scan(text: TextCollection) -> np.ndarray:
        products = vectors @ search.vectors_of(text)[0]
        return np.argpartition(-products, most - 1)[:most]

    found: dict[str, Search] = {
        "exact": lambda text: search.search(text, one, 10, exact=True),
        "two stages": lambda text: search.search(text, one, 10, exact=False),
        "flat engine": lambda text: search.engine.search(search.vectors_of(text), most),
        "NumPy scan": scan,
        "FAISS flat": lambda text: flat.search(search.vectors_of(text), most),
    }
    return found | ({"bare products": bare_products(segments)} if len(vectors) <= _BARE_UP_TO else {})


def bare_products(segments: Sequence[MappedVideos]) -> Search:
    """The matrix products of all frames and the nodes of a text, and of the pooled vectors; nothing else."""
    wide = {
        name: np.concatenate([segment.arrays[name] for segment in segments]).astype(np.float32)
        for name in segments[0].arrays
        if name == "pooled" or name.endswith("directions")
    }
    width = wide["pooled"].shape[1]

    def products(text: TextCollection) -> list[np.ndarray]:
        of_levels = [
            wide[f"frames/{level}/directions"].reshape(-1, width) @ nodes.queries.T
            for level, nodes in text.nodes.items()
            if len(nodes.queries)
        ]
        return [wide["pooled"] @ text.pooled.T, *of_levels]

    return products


def time_searches(found: dict[str, Search], texts: TextCollection, few: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each search at the median and the 99th percentile; all search for one text after the other."""
    alone = [texts.rows(np.array([row])) for row in range(len(texts))]
    spent: dict[str, list[float]] = {name: [] for name in found}
    for function in found.values():
        function(alone[0])
    for number, text in enumerate(alone):
        for name, function in found.items():
            if name == "exact" and number >= few:
                continue
            start = time.perf_counter()
            function(text)
            spent[name].append(1000 * (time.perf_counter() - start))
    return {
        name: {"median": float(np.median(of)), "p99": float(np.percentile(of, 99)), "least": min(of)}
        for name, of in spent.items()
    }


def measure(made_up: MadeUp, rounds: int, queries: int, folder: pathlib.Path) -> dict[str, Any]:
    """Times searches of one index and prints the lines.

    Args:
        made_up: the index.
        rounds: texts that are searched for in turn.
        queries: texts over which shares are averaged.
        folder: for the videos.

    Raises:
        InputError: the process whose memory is measured failed.
    """
    segments = write_videos(made_up, folder)
    search = open_search(segments)
    texts = made_up.texts(rounds)
    few = rounds if made_up.videos <= EXACT_UP_TO else min(rounds, 20)
    times = time_searches(searches(segments, search), texts, few)
    recall = measure_recall(search, made_up.texts(queries))
    size = bytes_of(segments)
    print(f"\n{made_up.videos:,} videos, vectors {made_up.kind.replace('_', ' ')}, {size / 1e6:,.0f} MB:")
    for name, of in times.items():
        print(
            f"  {name:14} {of['median']:8.1f} ms at the median, {of['p99']:8.1f} at the 99th percentile, "
            f"{of['least']:8.1f} at the least"
            f"{bar(name, made_up.videos, times)}"
        )
    shares = ", ".join(f"{share:.4f} of {count}" for count, share in recall.shares.items())
    print(
        f"  of the exact best ten, over {recall.queries} texts: {shares} candidates; two stages find "
        f"{recall.share:.4f} and score {recall.scored:,.0f} videos",
        flush=True,
    )
    memory = memory_of_searches(made_up, folder)
    print(
        f"  most memory of a process that opens a model and this index and searches: {memory / 1e6:,.0f} MB "
        f"(wanted: at most {MEMORY_BAR[0]} x the index + {MEMORY_BAR[1]} MB = "
        f"{MEMORY_BAR[0] * size / 1e6 + MEMORY_BAR[1]:,.0f})",
        flush=True,
    )
    return {
        "kind": made_up.kind,
        "videos": made_up.videos,
        "bytes": size,
        "milliseconds": times,
        "recall": {str(count): share for count, share in recall.shares.items()},
        "two_stage_recall": recall.share,
        "scored": recall.scored,
        "memory": memory,
    }


def bar(name: str, videos: int, times: dict[str, dict[str, float]]) -> str:
    """What is wanted of a time, if anything is."""
    if name == "exact" and videos == EXACT_UP_TO:
        told = f" (wanted: {EXACT_BAR} ms at the median"
        if "bare products" in times:
            ratio = times["exact"]["median"] / times["bare products"]["median"]
            told += f"; {ratio:.2f} times the bare products, wanted: {PRODUCT_BAR} or less"
        return told + ")"
    if name == "two stages" and videos in TWO_STAGE_BARS:
        return (
            f" (wanted: below {TWO_STAGE_BARS[videos]} ms at the median, below 150 ms at the 99th percentile)"
        )
    return ""


def memory_of_searches(made_up: MadeUp, folder: pathlib.Path) -> int:
    """Most bytes of a process of its own that opens a model and the written videos, and searches.

    Raises:
        InputError: it failed; with what it said.
    """
    words = [str(folder.resolve()), f"--kind={made_up.kind}"]
    # The first one may have to compile; a search does once for all.
    figures_of("search_memory", words)
    return int(figures_of("search_memory", words)["bytes"])


def run(
    sizes: Annotated[
        str, typer.Option(callback=checked_numbers(), help="Numbers of videos, with commas between.")
    ] = "1000,10000,100000",
    frames: Annotated[int, typer.Option(min=1, help="Frames of a video.")] = 20,
    width: Annotated[int, typer.Option(min=1, help="Size of a vector.")] = 256,
    rounds: Annotated[int, typer.Option(min=1, help="Texts that are searched for in turn.")] = 100,
    queries: Annotated[int, typer.Option(min=1, help="Texts over which shares are averaged.")] = 100,
    seed: Seed = 0,
    folder: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder in which indexes are written and removed: 3.5 GB for 100,000 videos."),
    ] = None,
) -> dict[str, Any]:
    """Measures and prints.

    Raises:
        InputError: the sizes are wrong, or a process failed.
    """
    numbers = whole_numbers("--sizes", sizes)
    print(f"{describe_machine()}\nseed {seed}, {frames} frames, width {width}")
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    found = []
    for videos in numbers:
        for kind in Kind:
            made_up = MadeUp(kind, videos, frames, width, seed)
            with tempfile.TemporaryDirectory(dir=folder) as own:
                found.append(measure(made_up, rounds, queries, pathlib.Path(own)))
    return {"indexes": found}
