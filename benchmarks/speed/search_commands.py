"""Times what people wait for around a search: the command from cold, a change of an index, an explanation.

`python -m benchmarks search_commands` indexes clips of the embedded data set with the model that comes with the
package. It runs `mcsan search` as a command, first with nothing compiled and then as it is from the second time on; it
adds a video to the index and removes it again, and explains answers.
"""

import dataclasses
import functools
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Annotated, Any

import typer

from benchmarks.machine import describe_machine
from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.answers import SearchRequest
from mcsan_jax.search.index_searcher import IndexSearcher

COLD_BAR, CHANGE_BAR, EXPLANATION_BAR = 3, 50, 10
_QUERY = "a red ball pushes the blue box"


def run_command(index: pathlib.Path, cache: pathlib.Path) -> float:
    """Seconds of `mcsan search` in a process of its own."""
    words = [sys.executable, "-m", "mcsan_jax.cli", "search", str(index), _QUERY, "--min-probability=0"]
    start = time.perf_counter()
    subprocess.run(
        words, env={**os.environ, "XDG_CACHE_HOME": str(cache)}, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def time_changes(index: pathlib.Path, model: Mcsan, video: VideoEmbeddings, rounds: int) -> dict[str, float]:
    """Milliseconds at the median in which an open index gets a video more, and loses it."""
    spent: dict[str, list[float]] = {"add": [], "remove": []}
    with IndexWriter.open(index) as writer:
        for number in range(rounds + 1):
            one = dataclasses.replace(video, ids=(f"another_{number}",))
            spent["add"].append(milliseconds(functools.partial(writer.add, one)))
            spent["remove"].append(milliseconds(functools.partial(writer.remove, one.ids)))
    # The first change opens the model.
    return {name: median(of[1:]) for name, of in spent.items()}


def time_explanations(index: pathlib.Path, model: Mcsan, rounds: int) -> dict[str, float]:
    """Milliseconds at the median of a search, and of the explanation of its first answer."""
    searcher = IndexSearcher(model, VideoIndex.open(index))
    request = SearchRequest(_QUERY, k=1, min_probability=0.0)
    video = searcher.search(request).answers[0].video
    functions: Mapping[str, Callable[[], object]] = {
        "search": lambda: searcher.search(request),
        "explanation": lambda: searcher.explain(_QUERY, video),
    }
    found = {}
    for name, function in functions.items():
        function()
        found[name] = median(milliseconds(function) for _ in range(rounds))
    return found


def milliseconds(function: Callable[[], object]) -> float:
    """Milliseconds of a call."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def run(
    videos: Annotated[int, typer.Option(min=1, help="Clips of the index.")] = 500,
    commands: Annotated[int, typer.Option(min=1, help="Commands after the first one.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="Changes and explanations.")] = 20,
) -> dict[str, Any]:
    """Measures and prints."""
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        index, cache = pathlib.Path(folder) / "index", pathlib.Path(folder) / "cache"
        model = Mcsan.from_pretrained("demo")
        encoded = model.encode_document(embedded_clips(videos).features, show_progress=False)
        with IndexWriter.create(index, find_model("demo"), model=model) as writer:
            writer.add(encoded)
        first = run_command(index, cache)
        later = median(run_command(index, cache) for _ in range(commands))
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        changes = time_changes(index, model, encoded.take([0]), rounds)
        explained = time_explanations(index, model, rounds)
    print(
        f"{videos:,} clips\n"
        f"mcsan search: {first:.1f} s where nothing is compiled, then {later:.2f} s at the median (wanted: below "
        f"{COLD_BAR}); at most {memory / 1e6:,.0f} MB\n"
        f"add a video: {changes['add']:.1f} ms, remove it: {changes['remove']:.1f} ms (wanted: below {CHANGE_BAR})\n"
        f"search: {explained['search']:.1f} ms, explanation: {explained['explanation']:.1f} ms more (wanted: "
        f"{EXPLANATION_BAR} or less)"
    )
    return {
        "videos": videos,
        "first_seconds": first,
        "seconds": later,
        "bytes": memory,
        **changes,
        **explained,
    }
