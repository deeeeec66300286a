"""This module keeps a model as StableHLO programs, which run without flax and without any tracing of the network.

The programs (`mcsan_jax.retrieval.programs`), serialised by `jax.export`, lie in ``stablehlo/`` in the folder of the
model, beside ``programs.json``, which says of what they were made. They are a cache: where they are missing, do not
belong to the model, or are refused by the JAX that is installed, they are made again from the model.
"""

import dataclasses
import functools
import json
import pathlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.errors import InputError
from data_pipeline.host.files import check_writable, checksum_problem, replacing, sha256_of, write_text
from data_pipeline.host.progress_bar import track_if
from data_pipeline.host.typed_values import RULES, Size, parse
from data_pipeline.prepared_data import MANIFEST_NAME, GivenVideos, Manifest, QueryParser
from mcsan_jax.retrieval.embeddings import (
    FrameVectors,
    TextEmbeddings,
    VideoEmbeddings,
    as_texts,
    check_batch_size,
    seconds_of,
)
from mcsan_jax.retrieval.programs import (
    SCORE,
    TEXTS,
    VIDEOS,
    Arrays,
    batch_inputs,
    make_programs,
    video_arrays,
)

FOLDER = "stablehlo"
DESCRIPTION_NAME = "programs.json"
_MODEL_CONFIG = "config.json"

Programs = Mapping[str, jax.export.Exported]


@dataclass(frozen=True, config=RULES)
class ProgramsDescription:
    """The content of ``programs.json``."""

    platform: str
    """On which the programs run: cpu, cuda or tpu."""
    limits: dict[str, Size]
    """The sizes to which batches are padded or cut."""
    files: dict[str, str]
    """SHA-256 of the programs and of what belongs to them, by the path in the folder of the model."""


class ExportedModel:
    """A trained model as StableHLO programs: it encodes and compares as `Mcsan` does.

    What it does not do, `Mcsan` does: level scores, explanations, saving. XLA compiles each program when it first meets
    a number of videos or texts.

    Attributes:
        manifest: what describes the inputs: streams of features, tokenizer, roles, attributes, parser.
        limits: the sizes to which batches are padded or cut.
    """

    def __init__(self, folder: pathlib.Path, limits: BatchLimits, programs: Programs) -> None:
        """Takes programs and the folder of their model; `load_stablehlo` opens them."""
        self.manifest, self.limits, self._folder = Manifest.load(folder), limits, folder
        self._run = {name: jax.jit(program.call) for name, program in programs.items()}
        (_, texts), _ = jax.tree.unflatten(programs[SCORE].in_tree, programs[SCORE].in_avals)
        self._slots = {level: nodes["mask"].shape[1] for level, nodes in texts["nodes"].items()}

    @functools.cached_property
    def parser(self) -> QueryParser:
        """Parses texts as those of the training were parsed."""
        return QueryParser(self._folder, self.manifest, self.limits)

    def encode_document(
        self,
        features: Any,
        *,
        batch_size: int = 16,
        frame_rate: float | None = None,
        show_progress: bool | None = None,
    ) -> VideoEmbeddings:
        """Encodes videos; arguments and errors are those of `Mcsan.encode_document`."""
        check_batch_size(batch_size)
        videos = GivenVideos(features, self.manifest, self.limits, frame_rate, show_progress)
        batches = ((len(ids), batch) for ids, batch in videos.video_batches(batch_size))
        encoded = _encoded(self._run[VIDEOS], batches)
        frames = {level: FrameVectors(**arrays) for level, arrays in encoded.pop("frames").items()}
        seconds = seconds_of(videos.ids, videos.frame_times)
        return VideoEmbeddings(ids=tuple(videos.ids), frames=frames, seconds=seconds, **encoded)

    encode_video = encode_document

    def encode_query(
        self, texts: str | Sequence[str], *, batch_size: int = 16, show_progress: bool | None = None
    ) -> TextEmbeddings:
        """Encodes texts; arguments and errors are those of `Mcsan.encode_query`."""
        check_batch_size(batch_size)
        given = as_texts(texts)
        queries = self.parser.parse(given)
        starts = range(0, len(queries), batch_size)
        chunks = (
            queries[start : start + batch_size]
            for start in track_if(show_progress, starts, len(starts), "encoding texts")
        )
        batches = ((len(chunk), self.parser.batch(chunk, batch_size)) for chunk in chunks)
        encoded = _encoded(self._run[TEXTS], batches)
        nodes = encoded.pop("nodes")
        return TextEmbeddings(
            texts=given,
            nodes={level: own["vectors"][own["mask"]] for level, own in nodes.items()},
            node_counts={level: own["mask"].sum(axis=1) for level, own in nodes.items()},
            node_negated={level: own["negated"][own["mask"]] for level, own in nodes.items()},
            **encoded,
        )

    encode_text = encode_query

    def similarity(self, texts: TextEmbeddings, videos: VideoEmbeddings) -> Float[np.ndarray, "t v"]:
        """Returns the fused score of every text with every video, float32 [texts, videos]."""
        nodes = {
            level: _in_slots(texts.nodes[level], texts.node_counts[level], texts.node_negated[level], slots)
            for level, slots in self._slots.items()
        }
        of_texts = {
            "pooled": texts.pooled,
            "nodes": nodes,
            "attributes": texts.attributes,
            "linear": texts.linear,
        }
        return np.asarray(self._run[SCORE](video_arrays(videos), of_texts))


def export_stablehlo(folder: str | pathlib.Path) -> None:
    """Writes the programs of a model into its folder, for the kind of device that is at hand.

    Args:
        folder: of a model (`Mcsan.save_pretrained`).

    Raises:
        InputError: there is no model, or a file of it is damaged, or the folder cannot be written.
    """
    folder = pathlib.Path(folder)
    check_writable(folder, "copy the model to a folder that can be written")
    _write(folder, *_made_from(folder))


def load_stablehlo(folder: str | pathlib.Path) -> ExportedModel:
    """Opens the programs in the folder of a model, without flax.

    Where they cannot be used, one line on the standard error stream says why, and they are made from the model, with
    flax, and kept if the folder can be written.

    Args:
        folder: of a model.

    Raises:
        InputError: the programs cannot be used, and the folder holds no model, or a damaged one.
    """
    folder = pathlib.Path(folder)
    try:
        return ExportedModel(folder, *_read(folder))
    except InputError as error:
        reason = str(error)
    limits, programs = _made_from(folder)
    kept = "made again from the model"
    try:
        check_writable(folder, "")
        _write(folder, limits, programs)
    except InputError:
        kept += ", and not kept, because the folder cannot be written"
    print(f"{folder / FOLDER}: {reason}; {kept}", file=sys.stderr, flush=True)
    return ExportedModel(folder, limits, programs)


def _made_from(folder: pathlib.Path) -> tuple[BatchLimits, Programs]:
    """Makes the programs of a model, and says to which sizes their batches are padded or cut."""
    # These import flax, which the programs do without.
    from mcsan_jax.data_sizes import batch_limits, example_batch
    from mcsan_jax.retrieval.model import Mcsan
    from mcsan_jax.retrieval.model_folder import is_model_folder

    if not is_model_folder(folder):
        raise InputError(
            f"{folder} holds no model; name the folder that `mcsan export RUN --to=model` or `save_pretrained` wrote"
        )
    model = Mcsan.from_pretrained(folder)
    programs = make_programs(
        model.encoders.network, model.variables, example_batch(model.config, model.manifest)
    )
    return batch_limits(model.config.data), programs


def _write(folder: pathlib.Path, limits: BatchLimits, programs: Programs) -> None:
    (folder / FOLDER).mkdir(exist_ok=True)
    for name, program in programs.items():
        with replacing(folder / FOLDER / name) as partial:
            partial.write_bytes(program.serialize())
    manifest = Manifest.load(folder)
    # The configuration of the model has the hash of its parameters.
    names = [_MODEL_CONFIG, MANIFEST_NAME, manifest.tokenizer.file, manifest.attributes.file]
    names += [f"{FOLDER}/{name}" for name in programs]
    description = ProgramsDescription(
        platform=jax.default_backend(),
        limits=dataclasses.asdict(limits),
        files={name: sha256_of(folder / name) for name in names},
    )
    content = TypeAdapter(ProgramsDescription).dump_python(description, mode="json")
    write_text(folder / FOLDER / DESCRIPTION_NAME, json.dumps(content, indent=1) + "\n")


def _read(folder: pathlib.Path) -> tuple[BatchLimits, Programs]:
    """Reads programs; an `InputError` says in a few words why they cannot be used."""
    try:
        content = json.loads((folder / FOLDER / DESCRIPTION_NAME).read_text(encoding="utf-8"))
        description = parse(ProgramsDescription, content)
        limits = BatchLimits(**description.limits)
    except OSError as error:
        raise InputError(f"no {DESCRIPTION_NAME}") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{DESCRIPTION_NAME} is not as this version writes it") from error
    for name, sha256 in description.files.items():
        if checksum_problem(folder / name, sha256):
            raise InputError(f"{name} is missing or was changed after the programs were made")
    if description.platform != jax.default_backend():
        raise InputError(f"made for {description.platform}, and the device is {jax.default_backend()}")
    programs = {name: _deserialised(folder / FOLDER / name) for name in (VIDEOS, TEXTS, SCORE)}
    return limits, programs


def _deserialised(path: pathlib.Path) -> jax.export.Exported:
    try:
        program = jax.export.deserialize(bytearray(path.read_bytes()))
    except (OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"JAX {jax.__version__} cannot read {path.name}") from error
    # JAX says which versions it runs, and does not look at that of a program.
    oldest = jax.export.minimum_supported_calling_convention_version
    newest = jax.export.maximum_supported_calling_convention_version
    if not oldest <= (found := program.calling_convention_version) <= newest:
        raise InputError(
            f"{path.name} has the calling convention {found}, and JAX {jax.__version__} runs {oldest} to {newest}"
        )
    return program


def _encoded(program: Callable[[Arrays], Arrays], batches: Iterable[tuple[int, Any]]) -> Arrays:
    """Runs a program on batches, of which as many rows are real as stand beside each, and joins the real rows."""
    parts = [
        jax.tree.map(lambda array, rows=rows: np.asarray(array)[:rows], program(batch_inputs(batch)))
        for rows, batch in batches
    ]
    return jax.tree.map(lambda *own: np.concatenate(own), *parts)


def _in_slots(nodes: np.ndarray, counts: np.ndarray, negated: np.ndarray, slots: int) -> Arrays:
    """Returns the nodes of texts, which follow one another, in the slots of each text."""
    mask = np.arange(slots) < counts[:, None]
    vectors, denied = np.zeros((*mask.shape, nodes.shape[1]), nodes.dtype), np.zeros_like(mask)
    vectors[mask], denied[mask] = nodes, negated
    return {"vectors": vectors, "mask": mask, "negated": denied}
