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


def write_activitynet(folder: pathlib.Path) -> None:
    for name, videos in ACTIVITYNET.items():
        write_json(folder / f"{name}.json", videos)


def timed(*moments: tuple[float, float, str]) -> dict[str, object]:
    """A video in the form of ActivityNet Captions."""
    return {
        "duration": 30.0,
        "timestamps": [[start, end] for start, end, _ in moments],
        "sentences": [text for *_, text in moments],
    }


ACTIVITYNET = {
    "train": {
        "v_a": timed((0, 8.5, "A dog runs. "), (8.5, 20, " It jumps")),
        "v_b": timed((-0.02, 9, "a man cuts an onion"), (9, 12, " "), (12, 15, "He cries.")),
    },
    "val_1": {"v_c": timed((0, 12.25, "A cat sleeps."))},
    "val_2": {"v_c": timed((1, 30, "A cat lies on a bed."))},
    "val": {"v_d": timed((0, 2, "A boy claps."))},
    "test": {"v_e": timed((0, 1, "A boy waves."))},
}


def write_youcook2(folder: pathlib.Path) -> None:
    def video(subset: str, *steps: tuple[int, int, str]) -> dict[str, object]:
        annotations = [
            {"id": number, "segment": [start, end], "sentence": text}
            for number, (start, end, text) in enumerate(steps)
        ]
        return {"subset": subset, "duration": 60.5, "recipe_type": "101", "annotations": annotations}

    database = {
        "a1": video("training", (25, 37, "dice the onion"), (37, 50, "fry it")),
        "b2": video("training", (0, 9, "boil the eggs")),
        "c3": video("validation", (3, 8, "add salt")),
        "d4": {"subset": "testing", "duration": 3.5, "annotations": [{"id": 0, "segment": [1, 2]}]},
    }
    write_json(folder / "youcookii_annotations_trainval.json", {"database": database})


def write_didemo(folder: pathlib.Path) -> None:
    def moment(video: str, text: str, *times: list[int]) -> dict[str, object]:
        return {"annotation_id": 7, "video": video, "description": text, "times": times, "num_segments": 6}

    dog = [
        moment("1@N0.mov", "a dog runs", [0, 1], [0, 0], [0, 0]),
        moment("1@N0.mov", "it jumps", [2, 3], [1, 3]),
    ]
    write_json(folder / "train_data.json", dog)
    write_json(folder / "val_data.json", [moment("2@N0.mov", "a man sings", [1, 1])])
    write_json(folder / "test_data.json", [moment("3@N0.mov", "a cat sleeps", [5, 5])])


def write_charades_sta(folder: pathlib.Path) -> None:
    (folder / "charades_sta_train.txt").write_text(
        "AO8RW 0.0 6.9##a person puts a book on a shelf.\nAO8RW 0.0 6.9##person smiles.\nY6R7T 20.8 30##a man sits\n"
    )
    (folder / "charades_sta_test.txt").write_text("3MSZA 24.3 30.4##person turns a light on.\n")


def write_lsmdc(folder: pathlib.Path) -> None:
    for name, clips in (
        ("annos_training", ("1_A", "1_A", "1_B")),
        ("annos_val", ("2_A",)),
        ("challenge_1000_publictect", ("3_A",)),
    ):
        lines = [f"{clip}\t00:01\t00:03\t00:00\t00:04\tSOMEONE smiles.\n" for clip in clips]
        (folder / f"LSMDC16_{name}.csv").write_text("".join(lines))


def write_hybrid_space(folder: pathlib.Path) -> None:
    for split, lines in (
        ("train", "video0#enc#0 a car is shown\nvideo0#enc#1 a car # 2\nvideo9#0 a dog\nvideo9#1\n"),
        ("val", "video1#enc#0 a man sings\n"),
        ("test", "video2#enc#0 a dog runs\n"),
    ):
        (folder / f"msrvtt10k{split}.caption.txt").write_text(lines)


def write_collaborative_experts(folder: pathlib.Path) -> None:
    captions = {
        "video0": [["a", "car"], "a red car"],
        "video1": ["a man"],
        "video2": ["a dog"],
        "video3": ["x"],
    }
    write_json(folder / "raw-captions.json", captions)
    for ending in ("", "_full", "_jsfusion", "_miech"):
        (folder / f"train_list{ending}.txt").write_text("video0\nvideo1.mp4\n")
    for name in (
        "val_list_full",
        "test_list_miech",
        "val_list_jsfusion",
        "val_1_list",
        "val_2_list",
        "val_list",
    ):
        (folder / f"{name}.txt").write_text("video2\n")
    for name in ("test_list", "test_list_full"):
        (folder / f"{name}.txt").write_text("video3\n")


OWN_ROWS = [("x", "train"), ("x", "train"), ("y", "val"), ("z", "test")]

WRITERS = {
    "msrvtt": write_msrvtt,
    "vatex": write_vatex,
    "msvd": write_msvd,
    "hgr": write_hgr,
    "activitynet": write_activitynet,
    "youcook2": write_youcook2,
    "didemo": write_didemo,
    "charades_sta": write_charades_sta,
    "lsmdc": write_lsmdc,
    "hybrid_space": write_hybrid_space,
    "collaborative_experts": write_collaborative_experts,
    "jsonl": write_jsonl,
    "csv": write_csv,
}
