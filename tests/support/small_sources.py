"""A small folder of every source, in the shape in which it is published."""

import json
import pathlib

import numpy as np

MSRVTT_VIDEOS = 320

EGG = "a egg has been broken and dropped into the cup and a water is boiling in the sauce pan"
EGG_GRAPH = [
    {
        "ROOT": {"role": "ROOT", "words": EGG.split(), "spans": list(range(19))},
        "1": {"role": "V", "spans": [4], "words": ["broken"]},
        "2": {"role": "ARG1", "spans": [0, 1], "words": ["a", "egg"]},
        "3": {"role": "V", "spans": [6], "words": ["dropped"]},
        "4": {"role": "ARG4", "spans": [7, 8, 9], "words": ["into", "the", "cup"]},
        "5": {"role": "V", "spans": [14], "words": ["boiling"]},
        "6": {"role": "ARG1", "spans": [11, 12], "words": ["a", "water"]},
        "7": {"role": "ARGM-LOC", "spans": [15, 16, 17, 18], "words": ["in", "the", "sauce", "pan"]},
    },
    [["1", "2", "ARG1"], ["3", "2", "ARG1"], ["3", "4", "ARG4"], ["5", "6", "ARG1"], ["5", "7", "ARGM-LOC"]],
]
NOUNS_GRAPH = [
    {
        "ROOT": {"role": "ROOT", "words": ["A", "red", "car", "."], "spans": [0, 1, 2, 3]},
        "1": {"role": "NOUN", "spans": [0, 1, 2], "words": ["A", "red", "car"]},
    },
    [],
]


def write_source(folder: pathlib.Path, source: str) -> pathlib.Path:
    """Writes the files that all protocols of a source need."""
    WRITERS[source](folder)
    return folder


def write_json(path: pathlib.Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def msrvtt_corpus(videos, sentences) -> dict[str, list]:
    """Contents of an official file, from (id, split, source) and (sentence id, video id, text)."""
    return {
        "videos": [{"video_id": name, "split": split, "url": url} for name, split, url in videos],
        "sentences": [
            {"video_id": name, "sen_id": number, "caption": text} for number, name, text in sentences
        ],
    }


def write_msrvtt(folder: pathlib.Path) -> None:
    videos = [(f"video{n}", "train", f"source{n // 2}") for n in range(MSRVTT_VIDEOS)]
    sentences = [(n, f"video{n % MSRVTT_VIDEOS}", f"caption {n}") for n in range(2 * MSRVTT_VIDEOS)]
    write_json(folder / "train_val_videodatainfo.json", msrvtt_corpus(videos, sentences))
    train = "".join(f"video{n}\n" for n in range(310))
    for name in ("MSRVTT_train.9k.csv", "MSRVTT_train.7k.csv", "MSRVTT_1kB_train.csv"):
        (folder / name).write_text("video_id\n" + train)
    test = 'key,vid_key,video_id,sentence\nret0,msr318,video318,"a, b"\nret1,msr315,video315,a dog\n'
    (folder / "MSRVTT_JSFUSION_test.csv").write_text(test)
    (folder / "MSRVTT_1kB_test.csv").write_text(test)


def write_vatex(folder: pathlib.Path) -> None:
    write_json(
        folder / "vatex_training_v1.0.json",
        [
            {"videoID": "b_000001_000011", "enCap": ["A dog.", "A cat runs."], "chCap": ["狗。"]},
            {"videoID": "a_000001_000011", "enCap": ["A man."], "chCap": ["人。", "男人。"]},
            {"videoID": "c_000001_000011", "enCap": ["A boy."], "chCap": []},
        ],
    )
    for split, name in (("train", "b"), ("val", "a"), ("test", "c")):
        (folder / f"{split}_list.txt").write_text(f"{name}_000001_000011\n")


def write_msvd(folder: pathlib.Path) -> None:
    (folder / "train.txt").write_text("x_1_2 a dog runs\nx_1_2 a cat\n")
    (folder / "val.txt").write_text("y_1_2 a man\n")
    (folder / "test.txt").write_text("z_1_2 a boy\n")


def write_hgr(folder: pathlib.Path) -> None:
    annotation, split = folder / "annotation" / "RET", folder / "public_split"
    write_json(
        annotation / "ref_captions.json",
        {
            "video0": [f"{EGG} ", "a man sings"],
            "video1": ["A red car."],
            "video2": [EGG],
            "video3": ["a cat"],
        },
    )
    write_json(annotation / "sent2rolegraph.augment.json", {f"{EGG} ": EGG_GRAPH, "A red car.": NOUNS_GRAPH})
    split.mkdir()
    for name, ids in (("trn", ["video0"]), ("val", ["video1"]), ("tst", ["video2"])):
        np.save(split / f"{name}_names.npy", np.array(ids))


def write_jsonl(folder: pathlib.Path) -> None:
    rows = [{"video_id": name, "caption": "a dog", "split": split} for name, split in OWN_ROWS]
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_csv(folder: pathlib.Path) -> None:
    rows = [f"{name},a dog,{split}\n" for name, split in OWN_ROWS]
    (folder / "own.csv").write_text("video_id,caption,split\n" + "".join(rows))


OWN_ROWS = [("x", "train"), ("x", "train"), ("y", "val"), ("z", "test")]

WRITERS = {
    "msrvtt": write_msrvtt,
    "vatex": write_vatex,
    "msvd": write_msvd,
    "hgr": write_hgr,
    "jsonl": write_jsonl,
    "csv": write_csv,
}
