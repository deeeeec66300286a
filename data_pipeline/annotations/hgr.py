"""The layout in which HGR publishes its data sets: captions, role graphs and splits.

Below the folder lie ``annotation/RET/ref_captions.json`` (``{video name: [captions]}``),
``annotation/RET/sent2rolegraph.augment.json`` (``{caption: [nodes, edges]}``, see `role_graphs`) and
``public_split/trn_names.npy``, ``val_names.npy`` and ``tst_names.npy``, which may also lie in ``annotation/RET``.
"""

import pathlib
import zipfile
from collections.abc import Iterable, Sequence

import numpy as np

from data_pipeline.annotations.caption import (
    TEST,
    TRAIN,
    VALIDATION,
    Annotations,
    Caption,
    make_annotations,
)
from data_pipeline.annotations.locating import check_given, find_beside
from data_pipeline.annotations.reading import check_protocol, first_few, read_json, texts_field
from data_pipeline.annotations.role_graphs import to_semantic_graph
from data_pipeline.captions.graph import ROLES, SemanticGraph
from mcsan_jax.errors import InputError

PROTOCOLS = ("published",)
HOMEPAGE = "https://github.com/cshizhe/hgr_v2t"
LICENCE = "Terms of the data set that was annotated; its videos belong to their uploaders."
CITATION = (
    "Chen, Zhao, Jin and Wu: Fine-grained Video-Text Retrieval with Hierarchical Graph Reasoning. CVPR 2020; "
    "cite the data set that was annotated as well."
)

_NAME_FILES = {TRAIN: "trn_names.npy", VALIDATION: "val_names.npy", TEST: "tst_names.npy"}
_REMEDY = (
    "copy the official file again or, if you trust it and it holds Python objects or bytes, convert it once: "
    "np.save(path, np.load(path, allow_pickle=True).astype(str))"
)
_PLACES = ("annotation/RET", "public_split", ".", "../../public_split")


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads the folder of a data set, or its ``annotation/RET``; JSON files may be gzip.

    Raises:
        InputError: a file is missing, broken or not of the form above.
    """
    check_protocol("hgr", protocol, PROTOCOLS)
    folders = _folders(paths)
    captions_file = find_beside(folders, "ref_captions.json")
    lists = _read_lists(folders)
    split_of = {name: split for split, names in lists.items() for name in names}
    texts_of = _read_captions(captions_file)
    captions = [
        Caption(name, f"{name}#{number}", text, split_of[name])
        for name, texts in texts_of.items()
        if name in split_of
        for number, text in enumerate(texts)
    ]
    graphs, without = _read_graphs(find_beside(folders, "sent2rolegraph.augment.json"), captions)
    found = {edge.role for graph in graphs.values() for edge in graph.relationships}
    notes = [
        f"the lists of names give {', '.join(f'{len(lists[split]):,} {split}' for split in lists)} videos"
    ]
    if unlisted := [name for name in texts_of if name not in split_of]:
        notes.append(f"{len(unlisted)} videos are in no split list and were left out: {first_few(unlisted)}")
    if without:
        notes.append(f"{len(without)} captions have no role graph and are parsed: {first_few(without)}")
    return make_annotations(
        captions,
        name="hgr",
        protocol=protocol,
        licence=LICENCE,
        citation=CITATION,
        homepage=HOMEPAGE,
        notes=notes,
        graphs=graphs,
        roles=(*ROLES, *sorted(found.difference(ROLES))),
        official_ids=lists,
    )


def _folders(paths: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    check_given(paths)
    given = [path if path.is_dir() else path.parent for path in paths]
    return [folder / place for folder in given for place in _PLACES if (folder / place).is_dir()]


def _read_captions(path: pathlib.Path) -> dict[str, list[str]]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected an object of videos with their captions, found {type(content).__name__}; use the "
            "official file"
        )
    return {name: texts_field(content, name, str(path)) for name in content}


def _read_graphs(
    path: pathlib.Path, captions: Iterable[Caption]
) -> tuple[dict[str, SemanticGraph], list[str]]:
    """Graphs of the captions by text, and the ids of captions that have none."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected an object of captions with their role graphs, found {type(content).__name__}; use the "
            "official file"
        )
    graphs: dict[str, SemanticGraph] = {}
    without = []
    for caption in captions:
        # The file knows a caption as its list has it, the pipeline without white space at its ends.
        text = caption.text.strip()
        if not text or text in graphs:
            continue
        if caption.text in content:
            graphs[text] = to_semantic_graph(text, content[caption.text], f"{path}, {caption.text!r}")
        else:
            without.append(caption.caption_id)
    return graphs, without


def _read_lists(folders: Sequence[pathlib.Path]) -> dict[str, list[str]]:
    """Video names of each split."""
    lists: dict[str, list[str]] = {}
    file_of: dict[str, pathlib.Path] = {}
    for split, file_name in _NAME_FILES.items():
        path = find_beside(folders, file_name)
        lists[split] = _read_names(path)
        for name in lists[split]:
            if name in file_of:
                raise InputError(
                    f"{path}: video {name!r} is already in {file_of[name].name}; a video belongs to one split, and to "
                    "it once"
                )
            file_of[name] = path
    return lists


def _read_names(path: pathlib.Path) -> list[str]:
    try:
        # np.load leaves a file that it opens itself open if it is a broken archive.
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as an array of names ({error}); {_REMEDY}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(
            f"{path}: expected one array of names, found an archive of arrays; use the official file"
        )
    if array.ndim != 1 or array.dtype.kind != "U":
        raise InputError(
            f"{path}: expected one row of names as text, found {array.dtype} of shape {array.shape}; {_REMEDY}"
        )
    return array.tolist()
