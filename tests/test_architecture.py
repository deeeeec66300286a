"""The rules of the house: who may import whom, and how long a file may be."""

import ast
import functools
import pathlib
import statistics
import subprocess
import sys

import pytest

from tests.support import ROOT

PACKAGES = ("mcsan_jax", "data_pipeline", "configs", "launch")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

FOUNDATIONS = ("mcsan_jax.errors", "mcsan_jax.levels", "mcsan_jax.batch", "mcsan_jax.config")
FIGURES = "mcsan_jax.svg_figures"
ATOMIC = "data_pipeline.atomic_files"
ALLOWED = {
    "mcsan_jax/errors.py": (),
    "mcsan_jax/levels.py": (),
    "mcsan_jax/batch.py": (),
    "mcsan_jax/config.py": ("mcsan_jax.errors", "mcsan_jax.levels"),
    "mcsan_jax/processes.py": ("mcsan_jax.errors",),
    "mcsan_jax/scoring/": (*FOUNDATIONS, "mcsan_jax.scoring"),
    "mcsan_jax/models/": (*FOUNDATIONS, "mcsan_jax.models"),
    "mcsan_jax/pretrained/": ("mcsan_jax.errors", "mcsan_jax.models.bert", "data_pipeline.captions"),
    "mcsan_jax/evaluation/": (
        *FOUNDATIONS,
        "mcsan_jax.scoring",
        "mcsan_jax.models",
        "mcsan_jax.evaluation",
        "mcsan_jax.training.sharding",
        ATOMIC,
    ),
    "mcsan_jax/training/": (
        *FOUNDATIONS,
        "mcsan_jax.scoring",
        "mcsan_jax.models",
        "mcsan_jax.evaluation",
        "mcsan_jax.training",
        "mcsan_jax.pretrained",
        "mcsan_jax.processes",
        ATOMIC,
        "data_pipeline.manifest",
        "data_pipeline.captions.word_vectors",
    ),
    "mcsan_jax/svg_figures.py": (),
    "mcsan_jax/runs/record.py": (*FOUNDATIONS, ATOMIC),
    "mcsan_jax/runs/folder.py": (*FOUNDATIONS, ATOMIC, "mcsan_jax.runs.record"),
    "mcsan_jax/runs/": (
        *FOUNDATIONS,
        "mcsan_jax.evaluation",
        "mcsan_jax.training",
        "mcsan_jax.runs",
        ATOMIC,
        "data_pipeline.manifest",
        "data_pipeline.moving_shapes",
    ),
    "mcsan_jax/report/": (
        *FOUNDATIONS,
        FIGURES,
        ATOMIC,
        "mcsan_jax.evaluation",
        "mcsan_jax.runs.record",
        "mcsan_jax.runs.folder",
        "mcsan_jax.report",
    ),
    "mcsan_jax/card/": (
        *FOUNDATIONS,
        "mcsan_jax.evaluation",
        "mcsan_jax.report",
        "mcsan_jax.training",
        "mcsan_jax.runs",
        "mcsan_jax.card",
        ATOMIC,
        "data_pipeline.manifest",
    ),
    "mcsan_jax/retrieval/": (
        *FOUNDATIONS,
        "mcsan_jax.scoring",
        "mcsan_jax.evaluation",
        "mcsan_jax.training",
        "mcsan_jax.retrieval",
        "mcsan_jax.runs",
        "data_pipeline",
    ),
    "data_pipeline/": (*FOUNDATIONS, FIGURES, "data_pipeline"),
    "configs/": (*FOUNDATIONS, "configs"),
}
"""For each room, the project's modules that it may import; a room that is not named may import any."""

HOMES = {
    "flax": ("mcsan_jax/models/",),
    "orbax": ("mcsan_jax/training/checkpointing.py",),
    "optax": ("mcsan_jax/training/",),
    "jax.experimental.pallas": ("mcsan_jax/scoring/fused_kernel.py",),
    "tensorflow": ("data_pipeline/",),
    "tensorflow_datasets": ("data_pipeline/builders/",),
    "spacy": ("data_pipeline/captions/",),
    "sentencepiece": ("data_pipeline/captions/tokenizers/sentencepiece_model.py",),
    "tokenizers": ("data_pipeline/captions/tokenizers/wordpiece.py",),
    "h5py": ("data_pipeline/features/",),
    "apache_beam": ("data_pipeline/execution/beam.py",),
    "matplotlib": ("data_pipeline/inspection/", "mcsan_jax/svg_figures.py", "mcsan_jax/report/"),
    "jinja2": ("data_pipeline/inspection/", "mcsan_jax/report/"),
    "pyarrow": ("mcsan_jax/evaluation/query_table.py",),
    "typer": ("mcsan_jax/cli.py",),
    "pydantic": ("mcsan_jax/runs/record.py",),
    "rich": ("data_pipeline/inspection/",),
}
"""The only places that import a library."""


@functools.cache
def imports(path: pathlib.Path) -> set[str]:
    """Dotted names of all that a file imports, at the top, inside functions or through `importlib`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} line {node.lineno}: relative import"
            assert node.module is not None
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            names.update(str(one.value) for one in node.args if isinstance(one, ast.Constant))
    return names


def place(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_point_one_way(room: str) -> None:
    files = [path for path in FILES if place(path).startswith(room)]
    assert files
    wrong = [
        f"{place(path)} imports {name}"
        for path in files
        for name in sorted(imports(path))
        if within(name, PACKAGES) and not within(name, ALLOWED[room])
    ]
    assert not wrong


def test_nothing_imports_the_entry_point() -> None:
    assert not [
        place(path)
        for path in FILES
        if any(within(name, ("mcsan_jax.main", "mcsan_jax.cli")) for name in imports(path))
    ]


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library: str) -> None:
    users = [place(path) for path in FILES if any(within(name, (library,)) for name in imports(path))]
    assert users
    assert not [user for user in users if not user.startswith(HOMES[library])]


def test_files_are_small() -> None:
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {name: length for name, length in lengths.items() if length > 400}
    for package in ("mcsan_jax", "data_pipeline"):
        assert statistics.median(n for name, n in lengths.items() if name.startswith(package) and n) <= 150


def test_names_say_what_a_module_does() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [place(path) for path in FILES if vague & set(path.relative_to(ROOT).with_suffix("").parts)]


def test_the_network_does_not_load_tensorflow() -> None:
    rooms = ("scoring", "models", "evaluation", "training", "report", "runs", "retrieval")
    modules = [
        place(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in FILES
        if place(path) == "mcsan_jax/__init__.py"
        or place(path).startswith(tuple(f"mcsan_jax/{r}/" for r in rooms))
    ]
    assert len(modules) > 10
    program = (
        f"import importlib, sys\nfor name in {modules!r}:\n    importlib.import_module(name)\n"
        "print(*sorted({'tensorflow', 'tensorflow_datasets', 'spacy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_worker_processes_load_nothing_heavy() -> None:
    """A process that parses captions imports the module of the command anew."""
    heavy = ("tensorflow", "tensorflow_datasets", "apache_beam", "matplotlib", "flax")
    program = f"import sys, data_pipeline.prepare\nprint(*sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
