"""Small prepared data sets, written by the real builder, for tests."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP
from data_pipeline.manifest import (
    FRAMES,
    AttributeFile,
    FeatureStream,
    FrameSampling,
    Manifest,
    TokenizerFile,
)
from data_pipeline.records.schema import ACTION_NODE, ENTITY_NODE, EncodedCaption, EncodedFoil, VideoRecord
from data_pipeline.records.shards import (
    ShardPlan,
    ShardSummary,
    ShardWriter,
    count_splits,
    record_key,
    sizes_of_captions,
)

ATTRIBUTE_SIZES = {ENTITY: 6, ACTION: 4, RELATIONSHIP: 5}


def make_stream(name: str, kind: str, dim: int, regions: int = 0) -> FeatureStream:
    return FeatureStream(name, kind, dim, regions, (0.0,) * dim, (1.0,) * dim, "made by a test")


def make_caption(name: str, random: np.random.Generator, text: str | None = None) -> EncodedCaption:
    tokens = int(random.integers(4, 12))
    nodes = int(random.integers(1, 6))
    starts = np.sort(random.integers(0, tokens, nodes))
    edges, modifiers = random.integers(0, 5, 2)
    firsts = random.integers(0, tokens, modifiers)
    return EncodedCaption(
        caption_id=name,
        text=text or f"the words of {name}",
        token_ids=random.integers(1, 50, tokens).tolist(),
        node_levels=random.choice([ENTITY_NODE, ACTION_NODE], nodes).tolist(),
        node_spans=[(int(start), min(int(start) + 2, tokens)) for start in starts],
        node_roles=random.integers(0, 9, nodes).tolist(),
        node_negations=random.integers(0, 2, nodes).tolist(),
        modifiers=[
            (int(random.integers(nodes)), int(random.integers(5)), first, min(first + 2, tokens))
            for first in firsts.tolist()
        ],
        edges=[tuple(map(int, edge)) for edge in random.integers(0, [nodes, nodes, 9, 2], (edges, 4))],
        attributes={
            level: sorted(random.choice(size, int(random.integers(0, size)), replace=False).tolist())
            for level, size in ATTRIBUTE_SIZES.items()
        },
    )


def make_record(name: str, streams: Iterable[FeatureStream], seed: int) -> VideoRecord:
    random = np.random.default_rng(seed)
    frames, regions = {}, {}
    for stream in streams:
        count = int(random.integers(1, 9))
        if stream.kind == FRAMES:
            frames[stream.name] = random.normal(size=(count, stream.dim)).astype(np.float16)
        else:
            regions[stream.name] = random.normal(size=(count, stream.regions, stream.dim)).astype(np.float16)
    longest = max(len(values) for values in (*frames.values(), *regions.values()))
    captions = [make_caption(f"{name}#{i}", random) for i in range(int(random.integers(1, 5)))]
    foils = [
        EncodedFoil(
            ("role", "action")[i % 2],
            int(random.integers(len(captions))),
            make_caption(f"{name}!{i}", random),
        )
        for i in range(int(random.integers(0, 3)))
    ]
    return VideoRecord(
        video_id=name,
        frames=frames,
        regions=regions,
        frame_times=np.arange(longest, dtype=np.float32) / 2 if seed % 2 else np.zeros(0, np.float32),
        captions=captions,
        foils=foils,
        attributes={
            level: sorted({value for caption in captions for value in caption.attributes[level]})
            for level in ATTRIBUTE_SIZES
        },
    )


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared data set and the records that went into it."""

    folder: Path
    manifest: Manifest
    records: dict[str, dict[str, VideoRecord]]


def write_prepared(
    folder: Path, streams: tuple[FeatureStream, ...], records: dict[str, list[VideoRecord]]
) -> Prepared:
    from data_pipeline.records.write import write_records

    def write_shards(writer: ShardWriter) -> list[ShardSummary]:
        return [
            writer.write(split, 0, sorted(given, key=lambda record: record_key(split, record.video_id)))
            for split, given in records.items()
        ]

    ids = {split: [record.video_id for record in given] for split, given in records.items()}
    relative, shards = write_records(
        write_shards,
        ShardPlan.divide(ids, 1),
        streams,
        folder,
        description="Made by a test.",
        citation="@misc{none}",
        license_text="CC0",
    )
    splits = count_splits(shards)
    manifest = Manifest(
        dataset="made_up",
        protocol="plain",
        splits=splits,
        streams=streams,
        frames=FrameSampling("index", 0),
        tokenizer=TokenizerFile("sentencepiece", 50, "tokenizer.model", "00"),
        word_vectors=None,
        roles=tuple(f"role {i}" for i in range(9)),
        modifier_kinds=tuple(f"kind {i}" for i in range(5)),
        attributes=AttributeFile("attributes.json", "11", ATTRIBUTE_SIZES),
        parser={"name": "none"},
        records=relative,
        checksums={},
        versions={"numpy": np.__version__},
        caption_sizes=sizes_of_captions(shards),
    )
    manifest.save(folder)
    by_id = {split: {record.video_id: record for record in given} for split, given in records.items()}
    return Prepared(folder, Manifest.load(folder), by_id)


def train_file(prepared: Prepared) -> Path:
    return prepared.folder / prepared.manifest.records / "video_text-train.tfrecord-00000-of-00001"


def record_starts(content: bytes | bytearray) -> list[int]:
    """Where records start and the last ends: each is length (8 bytes), checksum (4), data, checksum (4)."""
    starts = [0]
    while starts[-1] < len(content):
        starts.append(starts[-1] + int.from_bytes(content[starts[-1] : starts[-1] + 8], "little") + 16)
    return starts


def corrupt_record(path: Path, number: int) -> None:
    """Flips a bit in the data of a record; ``number`` counts from 1 on."""
    content = bytearray(path.read_bytes())
    content[record_starts(content)[number - 1] + 100] ^= 1
    path.write_bytes(content)
