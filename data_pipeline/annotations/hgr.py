"""The layout in which HGR publishes its data sets: captions, role graphs and splits.

Below the folder lie ``annotation/RET/ref_captions.json`` (``{video name: [captions]}``),
``annotation/RET/sent2rolegraph.augment.json`` (``{caption: [nodes, edges]}``, see `to_semantic_graph`) and
``public_split/trn_names.npy``, ``val_names.npy`` and ``tst_names.npy``, which may also lie in ``annotation/RET``.

The role graph of a sentence, the output of a semantic role labeller, is a list of two values, nodes and edges::

    [{"ROOT": {"role": "ROOT", "words": ["a", "dog", "runs", "home"], "spans": [0, 1, 2, 3]},
      "1": {"role": "V", "words": ["runs"], "spans": [2]},
      "2": {"role": "ARG0", "words": ["a", "dog"], "spans": [0, 1]},
      "3": {"role": "ARGM-DIR", "words": ["home"], "spans": [3]}},
     [["1", "2", "ARG0"], ["1", "3", "ARGM-DIR"]]]

``spans`` are indices of the root's words; an edge leads from a verb to an argument and names its role.
"""

import pathlib
import string
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
from data_pipeline.annotations.reading import (
    check_given,
    check_protocol,
    field,
    find_beside,
    read_json,
    texts_field,
)
from data_pipeline.errors import InputError, first_few, shown
from data_pipeline.graphs.graph import (
    AGENT,
    NO_ROLE,
    PATIENT,
    RECIPIENT,
    ROLES,
    Node,
    Relationship,
    SemanticGraph,
)
from data_pipeline.graphs.words import LEMMAS
from data_pipeline.levels import ACTION, ENTITY

SHARED_ROLES = {"ARG0": AGENT, "ARG1": PATIENT, "ARG2": RECIPIENT, "NOUN": NO_ROLE}
"""The labeller's roles that have the name of one of ours; every other one keeps its own."""

_ROOT = "ROOT"
_VERB = "V"


def to_semantic_graph(sentence: str, value: object, where: str) -> SemanticGraph:
    """The semantic graph that a role graph stands for, as it is: nothing is added, merged or left out.

    Verbs become actions, all other nodes entities. The span of a node reaches from its first to its last word.
    An entity's head is its last word, an action's its first; an entity's role is that of its first edge.

    Args:
        sentence: the text whose characters the spans count.
        value: the role graph, in the form above.
        where: names it in messages.

    Raises:
        InputError: the role graph is not of that form, or its words are not those of the sentence.
    """
    if not isinstance(value, list) or len(value) != 2:
        raise InputError(f"{where}: expected a list of nodes and edges, found {shown(value)}; correct it")
    nodes, edges = value
    root = field(nodes, _ROOT, dict, where)
    words = texts_field(root, "words", f"{where}, node {_ROOT!r}")
    places = _align(words, sentence, where)
    levels = {
        name: ACTION if field(node, "role", str, f"{where}, node {name!r}") == _VERB else ENTITY
        for name, node in nodes.items()
        if name != _ROOT
    }
    indices = {name: _indices(nodes[name], len(words), f"{where}, node {name!r}") for name in levels}
    triples = _read_edges(edges, levels, where)
    role_of: dict[str, str] = {}
    for _, target, role in triples:
        role_of.setdefault(target, role)
    heads = {name: _head(words, indices[name], levels[name]) for name in levels}
    order = sorted(levels, key=lambda name: heads[name])
    position = {name: number for number, name in enumerate(order)}
    return SemanticGraph(
        tuple(
            _node(
                levels[name],
                (places[indices[name][0]][0], places[indices[name][-1]][1]),
                words[heads[name]],
                role_of.get(name, NO_ROLE),
            )
            for name in order
        ),
        tuple(Relationship(position[source], role, position[target]) for source, target, role in triples),
    )


def _align(words: Sequence[str], sentence: str, where: str) -> list[tuple[int, int]]:
    """First character and one past the last character of each word."""
    places = []
    end = 0
    for index, word in enumerate(words):
        start = sentence.find(word, end)
        if start < 0 or not word:
            raise InputError(
                f"{where}: word {index} of the role graph, {word!r}, is not in the rest of the sentence, "
                f"{shown(sentence[end:])}; correct its words or remove the role graph"
            )
        end = start + len(word)
        places.append((start, end))
    return places


def _indices(node: object, count: int, where: str) -> list[int]:
    """Indices of a node's words, in order."""
    spans = field(node, "spans", list, where)
    if not spans or not all(type(index) is int and 0 <= index < count for index in spans):
        raise InputError(
            f"{where}: 'spans' must be indices of the root's {count} words, found {shown(spans)}; correct them"
        )
    return sorted(spans)


def _read_edges(edges: object, levels: dict[str, str], where: str) -> list[tuple[str, str, str]]:
    """Source, target and role, by our names, of each edge."""
    if not isinstance(edges, list):
        raise InputError(f"{where}: expected a list of edges, found {shown(edges)}; correct it")
    triples = []
    for edge in edges:
        if not isinstance(edge, list) or len(edge) != 3 or not all(isinstance(each, str) for each in edge):
            raise InputError(
                f"{where}: expected an edge [verb, argument, role], found {shown(edge)}; correct it"
            )
        source, target, role = edge
        if levels.get(source) != ACTION or levels.get(target) != ENTITY:
            raise InputError(
                f"{where}: edge {shown(edge)} must lead from a node of role {_VERB!r} to one of another role; "
                "correct it"
            )
        triples.append((source, target, SHARED_ROLES.get(role) or role))
    return triples


def _head(words: Sequence[str], indices: Sequence[int], level: str) -> int:
    """Index of the head: the first word of an action, the last one of an entity that is no punctuation."""
    spoken = [index for index in indices if words[index].strip(string.punctuation)] or indices
    return spoken[0] if level == ACTION else spoken[-1]


def _node(level: str, span: tuple[int, int], word: str, role: str) -> Node:
    head = word.lower().strip(string.punctuation) or word.lower()
    return Node(level, span, head, LEMMAS.get(head, head) if level == ACTION else head, role)


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
            graphs[text] = to_semantic_graph(text, content[caption.text], f"{path}, {shown(caption.text)}")
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
