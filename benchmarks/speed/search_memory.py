"""Prints the most bytes that a process holds which opens a model and the videos of `search`, and searches.

`python -m benchmarks search_memory FOLDER` reads what `made_up_index.write_videos` wrote into the folder. It begins as
`mcsan search` does: compiled programs are kept, and the parser loads no PyTorch.
"""

import pathlib
from typing import Annotated

import numpy as np
import typer

from benchmarks.machine import peak_memory_bytes
from benchmarks.speed.made_up_index import Kind, MadeUp, map_videos, open_search
from mcsan_jax.compiled_programs import keep_compiled_programs
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.stages.start_up import parser_loading
from mcsan_jax.search.stages.two_stages import Mix


def run(
    folder: Annotated[pathlib.Path, typer.Argument(help="Folder with the videos.")],
    kind: Annotated[Kind, typer.Option(help="Of the vectors.")] = Kind.TRAINED_LIKE,
    texts: Annotated[int, typer.Option(min=1, help="Texts that are searched for.")] = 20,
) -> dict[str, int]:
    """Searches and prints."""
    keep_compiled_programs()
    model = Mcsan.from_pretrained("demo")
    with parser_loading(model):
        segments = map_videos(folder)
        search = open_search(segments)
    model.encode_query("a red ball", show_progress=False)
    videos, width = len(search.numbers), segments[0].arrays["pooled"].shape[1]
    queries = MadeUp(kind, videos, 1, width, 0).texts(texts)
    for row in range(len(queries)):
        search.search(queries.rows(np.array([row])), [Mix((0,), (1.0,))], 10)
    memory = peak_memory_bytes()
    print(memory)
    return {"bytes": memory}
