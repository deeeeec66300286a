"""The rules of the house: who may import whom, and how long a file may be."""

import ast
import collections
import functools
import pathlib
import statistics
import subprocess
import sys

import pytest

from tests.support import ROOT

PACKAGES = ("mcsan_jax", "data_pipeline", "configs", "launch")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

WORDS = ("data_pipeline.errors", "data_pipeline.levels")
PROGRAMS = ("mcsan_jax/main.py", "mcsan_jax/cli.py")
ROOMS: dict[str, tuple[str, ...]] = {
    "data_pipeline.errors": (),
    "data_pipeline.levels": (),
    "data_pipeline.host": WORDS,
    "data_pipeline.features.provenance": (*WORDS, "data_pipeline.host.typed_values"),
    "data_pipeline.manifest": (*WORDS, "data_pipeline.host", "data_pipeline.features.provenance"),
    "data_pipeline.clips": (*WORDS, "data_pipeline.host.progress_bar"),
    "data_pipeline.graphs": (*WORDS, "data_pipeline.host", "data_pipeline.manifest"),
    "data_pipeline.annotations": (*WORDS, "data_pipeline.graphs"),
    "data_pipeline.features": (
        *WORDS,
        "data_pipeline.host",
        "data_pipeline.manifest",
        "data_pipeline.annotations",
    ),
    "data_pipeline.text": (*WORDS, "data_pipeline.host", "data_pipeline.manifest"),
    "data_pipeline.foils": (*WORDS, "data_pipeline.host.worker_processes", "data_pipeline.graphs"),
    "data_pipeline.records": (
        *WORDS,
        "data_pipeline.host",
        "data_pipeline.manifest",
        "data_pipeline.graphs",
        "data_pipeline.foils",
        "data_pipeline.annotations",
        "data_pipeline.features",
        "data_pipeline.text",
    ),
    "data_pipeline.batches": (
        *WORDS,
        "data_pipeline.host",
        "data_pipeline.manifest",
        "data_pipeline.graphs",
        "data_pipeline.annotations",
        "data_pipeline.features",
        "data_pipeline.text",
        "data_pipeline.records",
    ),
    "data_pipeline.preparation": (
        *WORDS,
        "data_pipeline.host",
        "data_pipeline.manifest",
        "data_pipeline.graphs",
        "data_pipeline.annotations",
        "data_pipeline.features",
        "data_pipeline.text",
        "data_pipeline.records",
    ),
    "data_pipeline.moving_shapes": (
        *WORDS,
        "data_pipeline.clips.render_clips",
        "data_pipeline.host.files",
        "data_pipeline.host.progress_bar",
        "data_pipeline.annotations",
        "data_pipeline.features.source",
        "data_pipeline.text",
        "data_pipeline.preparation",
    ),
    "data_pipeline.prepared_data": (
        *WORDS,
        "data_pipeline.host.files",
        "data_pipeline.manifest",
        "data_pipeline.graphs",
        "data_pipeline.annotations.foil_files",
        "data_pipeline.features",
        "data_pipeline.text",
        "data_pipeline.records",
        "data_pipeline.batches",
        "data_pipeline.moving_shapes",
    ),
    "data_pipeline.inspection": (
        *WORDS,
        "data_pipeline.host",
        "data_pipeline.manifest",
        "data_pipeline.graphs",
        "data_pipeline.annotations",
        "data_pipeline.features",
        "data_pipeline.text",
        "data_pipeline.records",
    ),
    "data_pipeline.prepare": (
        *WORDS,
        "data_pipeline.host.command_line",
        "data_pipeline.host.files",
        "data_pipeline.graphs",
        "data_pipeline.annotations",
        "data_pipeline.features",
        "data_pipeline.text",
        "data_pipeline.records",
        "data_pipeline.preparation",
        "data_pipeline.moving_shapes",
    ),
    "data_pipeline.inspect": (*WORDS, "data_pipeline.host.command_line", "data_pipeline.inspection"),
    "mcsan_jax.models.model_config": (*WORDS, "data_pipeline.host.typed_values"),
    "mcsan_jax.config": (*WORDS, "data_pipeline.host.typed_values", "mcsan_jax.models.model_config"),
    "configs": ("data_pipeline.errors", "mcsan_jax.config"),
    "mcsan_jax.config_files": (*WORDS, "mcsan_jax.config"),
    "mcsan_jax.encodings": WORDS,
    "mcsan_jax.sharding": WORDS,
    "mcsan_jax.processes": WORDS,
    "mcsan_jax.compiled_programs": (),
    "mcsan_jax.image_text": (*WORDS, "data_pipeline.host.files"),
    "mcsan_jax.scoring": (*WORDS, "data_pipeline.batches.batch", "mcsan_jax.config", "mcsan_jax.encodings"),
    "mcsan_jax.models": (
        *WORDS,
        "data_pipeline.batches.batch",
        "mcsan_jax.config",
        "mcsan_jax.encodings",
        "mcsan_jax.image_text.text_tower",
        "mcsan_jax.scoring.vectors",
    ),
    "mcsan_jax.frame_encoders": (
        *WORDS,
        "data_pipeline.host.files",
        "data_pipeline.clips.picture_view",
        "data_pipeline.features.provenance",
        "mcsan_jax.image_text",
    ),
    "mcsan_jax.data_sizes": (
        "data_pipeline.prepared_data",
        "data_pipeline.batches.batch",
        "mcsan_jax.config",
        "mcsan_jax.models",
    ),
    "mcsan_jax.pretrained": (
        *WORDS,
        "data_pipeline.host.files",
        "data_pipeline.prepared_data",
        "mcsan_jax.config",
        "mcsan_jax.image_text",
        "mcsan_jax.models",
    ),
    "mcsan_jax.ranking": (
        *WORDS,
        "data_pipeline.host.files",
        "data_pipeline.prepared_data",
        "data_pipeline.batches.batch",
        "mcsan_jax.config",
        "mcsan_jax.encodings",
        "mcsan_jax.sharding",
        "mcsan_jax.processes",
        "mcsan_jax.scoring",
        "mcsan_jax.models",
    ),
    "mcsan_jax.evaluation": (
        *WORDS,
        "data_pipeline.host.files",
        "data_pipeline.batches.batch",
        "mcsan_jax.config",
        "mcsan_jax.scoring",
        "mcsan_jax.ranking",
    ),
    "mcsan_jax.recipes": (*WORDS, "data_pipeline.prepared_data", "mcsan_jax.config", "mcsan_jax.pretrained"),
    "mcsan_jax.training": (
        *WORDS,
        "data_pipeline.prepared_data",
        "data_pipeline.batches.batch",
        "mcsan_jax.config",
        "mcsan_jax.encodings",
        "mcsan_jax.sharding",
        "mcsan_jax.processes",
        "mcsan_jax.image_text.text_tower",
        "mcsan_jax.scoring",
        "mcsan_jax.models",
        "mcsan_jax.data_sizes",
        "mcsan_jax.pretrained",
        "mcsan_jax.recipes",
        "mcsan_jax.ranking",
        "data_pipeline.host.files",
    ),
    "mcsan_jax.runs": (
        *WORDS,
        "data_pipeline.host.typed_values",
        "data_pipeline.host.files",
        "data_pipeline.prepared_data",
        "mcsan_jax.config",
        "mcsan_jax.pretrained",
        "mcsan_jax.sharding",
        "mcsan_jax.evaluation",
        "mcsan_jax.training",
    ),
    "mcsan_jax.calibration": (
        *WORDS,
        "data_pipeline.host.files",
        "data_pipeline.host.typed_values",
        "mcsan_jax.scoring",
        "mcsan_jax.ranking",
        "mcsan_jax.runs",
    ),
    "mcsan_jax.retrieval": (
        *WORDS,
        "data_pipeline.host",
        "data_pipeline.prepared_data",
        "data_pipeline.batches.batch",
        "mcsan_jax.config",
        "mcsan_jax.encodings",
        "mcsan_jax.sharding",
        "mcsan_jax.scoring",
        "mcsan_jax.image_text.tower_shapes",
        "mcsan_jax.models",
        "mcsan_jax.frame_encoders",
        "mcsan_jax.data_sizes",
        "mcsan_jax.pretrained",
        "mcsan_jax.ranking",
        "mcsan_jax.runs",
        "mcsan_jax.calibration",
    ),
    "mcsan_jax.extraction": (
        *WORDS,
        "data_pipeline.host",
        "data_pipeline.features",
        "data_pipeline.clips",
        "mcsan_jax.frame_encoders",
    ),
    "mcsan_jax.index": (
        *WORDS,
        "data_pipeline.host",
        "data_pipeline.clips.collect_clips",
        "data_pipeline.clips.render_clips",
        "data_pipeline.clips.sampled_frames",
        "data_pipeline.prepared_data",
        "mcsan_jax.config",
        "mcsan_jax.encodings",
        "mcsan_jax.sharding",
        "mcsan_jax.frame_encoders",
        "mcsan_jax.extraction",
        "mcsan_jax.data_sizes",
        "mcsan_jax.scoring",
        "mcsan_jax.ranking",
        "mcsan_jax.runs.folder",
        "mcsan_jax.calibration",
        "mcsan_jax.retrieval",
    ),
    "mcsan_jax.search": (
        *WORDS,
        "data_pipeline.host.files",
        "data_pipeline.prepared_data",
        "mcsan_jax.compiled_programs",
        "mcsan_jax.config",
        "mcsan_jax.encodings",
        "mcsan_jax.sharding",
        "mcsan_jax.calibration",
        "mcsan_jax.scoring",
        "mcsan_jax.ranking",
        "mcsan_jax.retrieval",
        "mcsan_jax.index",
    ),
    "mcsan_jax.report": (
        *WORDS,
        "data_pipeline.inspection.svg_figures",
        "mcsan_jax.ranking",
        "mcsan_jax.evaluation",
        "data_pipeline.host.files",
        "mcsan_jax.runs",
        "mcsan_jax.retrieval",
    ),
    "mcsan_jax.evaluate_foils": (
        *WORDS,
        "data_pipeline.prepared_data",
        "mcsan_jax.data_sizes",
        "mcsan_jax.evaluation",
        "mcsan_jax.processes",
        "mcsan_jax.ranking",
        "mcsan_jax.runs",
    ),
    "mcsan_jax.evaluate_run": (
        "data_pipeline.prepared_data",
        "mcsan_jax.evaluate_foils",
        "mcsan_jax.config",
        "mcsan_jax.processes",
        "mcsan_jax.data_sizes",
        "mcsan_jax.ranking",
        "mcsan_jax.evaluation",
        "mcsan_jax.runs",
        "mcsan_jax.calibration",
        "mcsan_jax.retrieval",
        "mcsan_jax.report",
    ),
    "mcsan_jax.card": (
        *WORDS,
        "data_pipeline.prepared_data",
        "mcsan_jax.config",
        "mcsan_jax.sharding",
        "mcsan_jax.evaluation",
        "mcsan_jax.training",
        "mcsan_jax.report",
        "data_pipeline.host.files",
        "mcsan_jax.runs",
        "mcsan_jax.retrieval",
    ),
    "mcsan_jax.train_run": (
        *WORDS,
        "data_pipeline.prepared_data",
        "mcsan_jax.config",
        "mcsan_jax.processes",
        "mcsan_jax.data_sizes",
        "mcsan_jax.ranking",
        "mcsan_jax.recipes",
        "mcsan_jax.training",
        "mcsan_jax.evaluate_run",
        "mcsan_jax.runs",
        "mcsan_jax.retrieval",
        "mcsan_jax.card",
    ),
    "mcsan_jax.main": (
        *WORDS,
        "data_pipeline.host.command_line",
        "mcsan_jax.compiled_programs",
        "mcsan_jax.config",
        "mcsan_jax.processes",
        "mcsan_jax.config_files",
        "mcsan_jax.evaluate_run",
        "mcsan_jax.runs",
        "mcsan_jax.train_run",
    ),
    "mcsan_jax.export_run": (
        *WORDS,
        "data_pipeline.host.files",
        "mcsan_jax.evaluation",
        "mcsan_jax.card",
        "mcsan_jax.runs",
        "mcsan_jax.retrieval",
    ),
    "mcsan_jax.serve": (
        *WORDS,
        "data_pipeline.clips.clip_pictures",
        "mcsan_jax.index.on_disk.kept_pictures",
        "mcsan_jax.index.metadata.own_captions",
        "mcsan_jax.index.engines.open_engine",
        "mcsan_jax.retrieval.explain",
        "mcsan_jax.search",
    ),
    "mcsan_jax.verbs": (
        *WORDS,
        "data_pipeline.host.files",
        "data_pipeline.clips",
        "data_pipeline.preparation.captioned_clips",
        "mcsan_jax.compiled_programs",
        "mcsan_jax.evaluate_run",
        "mcsan_jax.extraction",
        "mcsan_jax.index",
        "mcsan_jax.search",
        "mcsan_jax.serve",
        "mcsan_jax.runs.zero_shot_run",
    ),
    "mcsan_jax.cli": (
        *WORDS,
        "data_pipeline.host",
        "data_pipeline.prepare",
        "data_pipeline.inspect",
        "mcsan_jax.compiled_programs",
        "mcsan_jax.report",
        "mcsan_jax.card",
        "mcsan_jax.runs",
        "mcsan_jax.main",
        "mcsan_jax.export_run",
        "mcsan_jax.retrieval",
        "mcsan_jax.search",
        "mcsan_jax.verbs",
    ),
    "launch": (),
}
"""All rooms, from the ground up, and for each what it may import beside itself: rooms that stand before it, or modules
of them. A room is a folder, or a file beside the folders."""

HOMES = {
    "flax": ("mcsan_jax/models/", "mcsan_jax/frame_encoders/", "mcsan_jax/image_text/"),
    "orbax": ("mcsan_jax/training/checkpointing.py",),
    "optax": ("mcsan_jax/training/",),
    "tensorflow": ("data_pipeline/",),
    "tensorflow_datasets": ("data_pipeline/records/",),
    "spacy": ("data_pipeline/graphs/",),
    "sentencepiece": (
        "data_pipeline/text/sentencepiece_model.py",
        "data_pipeline/text/image_text_tokenizer.py",
    ),
    "tokenizers": ("data_pipeline/text/wordpiece.py", "data_pipeline/text/image_text_tokenizer.py"),
    "h5py": ("data_pipeline/features/",),
    "apache_beam": ("data_pipeline/preparation/beam.py",),
    "matplotlib": ("data_pipeline/inspection/", "mcsan_jax/report/"),
    "jinja2": ("data_pipeline/inspection/", "mcsan_jax/report/"),
    "pyarrow": (
        "mcsan_jax/evaluation/foil_table.py",
        "mcsan_jax/evaluation/query_table.py",
        "mcsan_jax/index/",
    ),
    "filelock": ("mcsan_jax/index/", "mcsan_jax/extraction/pending_results.py"),
    "sqlglot": ("mcsan_jax/index/metadata/",),
    "typer": (
        "data_pipeline/host/command_line.py",
        "mcsan_jax/cli.py",
        "mcsan_jax/verbs/",
    ),
    "pydantic": (
        "data_pipeline/host/typed_values.py",
        "data_pipeline/features/provenance.py",
        "data_pipeline/manifest.py",
        "data_pipeline/features/",
        "mcsan_jax/config.py",
        "mcsan_jax/models/model_config.py",
        "mcsan_jax/runs/",
        "mcsan_jax/calibration/calibration.py",
        "mcsan_jax/retrieval/model_folder.py",
        "mcsan_jax/retrieval/stablehlo.py",
        "mcsan_jax/index/on_disk/index_description.py",
    ),
    "rich": ("data_pipeline/inspection/", "mcsan_jax/search/answering/answer_table.py"),
    "opentimelineio": ("mcsan_jax/search/answer_formats.py",),
    "huggingface_hub": ("mcsan_jax/retrieval/hub.py",),
    "pymilvus": ("mcsan_jax/index/engines/milvus_engine.py",),
    "av": ("data_pipeline/clips/",),
    "scenedetect": ("data_pipeline/clips/shots.py",),
    "fastapi": ("mcsan_jax/serve/app.py", "mcsan_jax/serve/routes/"),
    "uvicorn": ("mcsan_jax/serve/server.py",),
    "prometheus_client": ("mcsan_jax/serve/service_metrics.py",),
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
    # The package holds the configs as `mcsan_jax.configs`.
    return {
        name.removeprefix("mcsan_jax.") if name.startswith("mcsan_jax.configs") else name for name in names
    }


def place(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def room_of(name: str) -> str | None:
    """The room that a module or a name in it belongs to."""
    return next((room for room in ROOMS if within(name, (room,))), None)


def module_of(path: pathlib.Path) -> str:
    return place(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_every_module_is_in_a_room() -> None:
    """But for the face of a package, its `__init__`, which offers names of all rooms to users."""
    fronts = {package for package in PACKAGES if package not in ROOMS}
    assert not [
        module_of(path)
        for path in FILES
        if room_of(module_of(path)) is None and module_of(path) not in fronts
    ]


def test_rooms_stand_on_those_before_them() -> None:
    order = list(ROOMS)
    for number, (room, allowed) in enumerate(ROOMS.items()):
        for name in allowed:
            assert room_of(name) in order[:number], (
                f"{room} may import {name}, which does not stand before it"
            )


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room: str) -> None:
    files = [path for path in FILES if room_of(module_of(path)) == room]
    assert files
    imported = {(place(path), name) for path in files for name in imports(path) if within(name, PACKAGES)}
    wrong = {pair for pair in imported if not within(pair[1], (room, *ROOMS[room]))}
    assert not wrong
    unused = {
        one for one in ROOMS[room] if one not in WORDS and not any(within(n, (one,)) for _, n in imported)
    }
    assert not unused, "allowed and not needed"


def test_the_model_sees_a_few_modules_of_the_data_pipeline() -> None:
    """What `mcsan_jax` and the configs import of `data_pipeline` is its face; `PROGRAMS` also call its programs."""
    modules = {module_of(path) for path in FILES}
    imported = {
        name if name in modules else name.rpartition(".")[0]
        for path in FILES
        if not place(path).startswith("data_pipeline/") and place(path) not in PROGRAMS
        for name in imports(path)
        if within(name, ("data_pipeline",))
    }
    assert imported == {
        "data_pipeline.prepared_data",
        "data_pipeline.batches.batch",
        "data_pipeline.clips.clip_pictures",
        "data_pipeline.clips.collect_clips",
        "data_pipeline.clips.passing_pictures",
        "data_pipeline.clips.sampled_frames",
        "data_pipeline.clips.shots",
        "data_pipeline.features.hdf5",
        "data_pipeline.features.provenance",
        "data_pipeline.features.write_hdf5",
        "data_pipeline.host.worker_processes",
        "data_pipeline.preparation.captioned_clips",
        "data_pipeline.clips.render_clips",
        "data_pipeline.clips.picture_view",
        "data_pipeline.errors",
        "data_pipeline.levels",
        "data_pipeline.host.files",
        "data_pipeline.host.progress_bar",
        "data_pipeline.host.typed_values",
        "data_pipeline.inspection.svg_figures",
    }


def test_the_data_pipeline_knows_no_model() -> None:
    upward = {
        (place(path), name)
        for path in FILES
        if place(path).startswith("data_pipeline/")
        for name in imports(path)
        if within(name, ("mcsan_jax", "configs"))
    }
    assert not upward


def circles(graph: dict[str, set[str]]) -> list[tuple[str, ...]]:
    """Groups of more than one module of which each leads to every other (strongly connected components)."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for other in graph.get(waiting.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        reach[start] = seen
    return sorted(
        {tuple(sorted(b for b in reach[a] if a in reach.get(b, ()))) for a in graph if a in reach[a]}
    )


def test_no_module_leads_back_to_itself() -> None:
    modules = {module_of(path): path for path in FILES}

    def target(name: str) -> str | None:
        return (
            name
            if name in modules
            else name.rpartition(".")[0]
            if name.rpartition(".")[0] in modules
            else None
        )

    graph = {
        module: {found for name in imports(path) if (found := target(name)) and found != module}
        for module, path in modules.items()
    }
    assert sum(map(len, graph.values())) > 300
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [("b", "c")]
    assert not circles(graph)


def test_entry_points_are_imported_by_the_front_door_alone() -> None:
    entry_points = ("mcsan_jax.main", "mcsan_jax.cli", "data_pipeline.prepare", "data_pipeline.inspect")
    users = [place(path) for path in FILES if any(within(name, entry_points) for name in imports(path))]
    assert users == ["mcsan_jax/cli.py"]


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library: str) -> None:
    users = [place(path) for path in FILES if any(within(name, (library,)) for name in imports(path))]
    assert users
    assert not [user for user in users if not user.startswith(HOMES[library])]


def test_files_are_small() -> None:
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {name: length for name, length in lengths.items() if length > 400}
    for package, most in (("mcsan_jax", 160), ("data_pipeline", 185)):
        assert statistics.median(n for name, n in lengths.items() if name.startswith(package) and n) <= most


def test_the_data_pipeline_is_a_map() -> None:
    """Few files, none long, each with a name of its own, and at most six of them beside the folders."""
    modules = [path for path in FILES if path.name != "__init__.py"]
    files = [path for path in modules if place(path).startswith("data_pipeline/")]
    assert len(files) <= 126
    assert not [place(path) for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 300]
    assert len({path.name for path in files}) == len(files)
    assert len([path for path in files if path.parent == ROOT / "data_pipeline"]) <= 6


def test_the_model_is_a_map() -> None:
    """No file is long, and no folder has more than fourteen."""
    modules = [path for path in FILES if path.name != "__init__.py"]
    files = [path for path in modules if place(path).startswith("mcsan_jax/")]
    assert len(files) <= 232
    assert not [place(path) for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 300]
    folders = collections.Counter(path.parent for path in files)
    assert len(folders) > 8 and max(folders.values()) <= 14


def test_names_say_what_a_module_does() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [place(path) for path in FILES if vague & set(path.relative_to(ROOT).with_suffix("").parts)]


def test_the_network_does_not_load_tensorflow() -> None:
    rooms = ("image_text", "scoring", "models", "ranking", "evaluation", "training", "report", "runs")
    rooms += ("calibration", "retrieval", "index", "search", "serve", "frame_encoders")
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
    heavy = ("tensorflow", "tensorflow_datasets", "apache_beam", "matplotlib", "flax", "jax")
    program = f"import sys, data_pipeline.prepare\nprint(*sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_a_name_means_one_thing() -> None:
    """No class name occurs twice; of file names, three do: a source of annotations and the config for its data."""
    definitions = (node for path in FILES for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    classes = collections.Counter(node.name for node in definitions if isinstance(node, ast.ClassDef))
    assert not [name for name, count in classes.items() if count > 1]
    files = collections.Counter(path.name for path in FILES if path.name != "__init__.py")
    assert sorted(name for name, count in files.items() if count > 1) == ["msrvtt.py", "msvd.py", "vatex.py"]
