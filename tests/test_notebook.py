import ast
import base64
import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from mcsan_jax.runs.folder import RunFolder
from tests.support import ROOT
from tests.support.command_line import config_of

NOTEBOOK = ROOT / "colab" / "evaluation.ipynb"
PNG_BEGINS = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def executed(
    finished_run: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, nbformat.NotebookNode]:
    """The cells after the notebook ran in a folder of its own on a copy of the run, by id."""
    folder = tmp_path_factory.mktemp("notebook")
    run = shutil.copytree(finished_run, folder / "run")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (settings,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    settings.source += f"\nRUN = {str(run)!r}"
    write_kernel(folder / "jupyter")
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=900,
        resources={"metadata": {"path": str(folder)}},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
        patch.setenv("JAX_PLATFORMS", "cpu")
        # As the run was evaluated: over fewer devices, scores may be rounded otherwise.
        patch.setenv("JAX_NUM_CPU_DEVICES", "8")
        patch.setenv("PYTHONPATH", str(ROOT))
        client.execute()
    return {cell.id: cell for cell in notebook.cells}


def write_kernel(folder: pathlib.Path) -> None:
    """Describes a kernel that runs this very interpreter, whatever kernels the machine has."""
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = {"argv": command, "display_name": "Python 3", "language": "python"}
    (folder / "kernels" / "python3").mkdir(parents=True)
    (folder / "kernels" / "python3" / "kernel.json").write_text(json.dumps(specification))


def printed(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def shown(cell: Any, kind: str) -> list[str]:
    return [output.data[kind] for output in cell.outputs if "data" in output and kind in output.data]


def test_the_committed_notebook_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) > 5
    assert not [cell.id for cell in cells if cell.outputs or cell.execution_count is not None]
    assert str(ROOT) not in NOTEBOOK.read_text(encoding="utf-8")


def code(name: str) -> str:
    (cell,) = (cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.id == name)
    return str(cell.source)


def test_what_the_notebook_imports_exists() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    trees = [ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    imports = [one for tree in trees for one in tree.body if isinstance(one, ast.Import | ast.ImportFrom)]
    assert len(imports) > 10
    exec("\n".join(map(ast.unparse, imports)), {})


def test_the_notebook_needs_no_inner_module() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    trees = [ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
    modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    ours = {name for name in modules if name.partition(".")[0] in ("mcsan_jax", "data_pipeline")}
    assert ours == {"mcsan_jax"}


TRAINER = """#!{python}
import pathlib, sys
pathlib.Path("arguments").write_text(chr(10).join(sys.argv[1:]))
sys.exit("--config.data.dir=data" not in sys.argv and "no data")
"""
"""Notes its arguments; fails unless the place of the data is given."""


def test_where_there_is_no_run_one_is_trained_by_the_command(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "python"
    python.write_text(TRAINER.format(python=sys.executable))
    python.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(python))
    names: dict[str, object] = {"sys": sys, "subprocess": subprocess, "Path": pathlib.Path}
    exec(f"{code('settings')}\nDATA = 'data'\n{code('train')}", names)
    minus_m, module, *flags = (tmp_path / "arguments").read_text().splitlines()
    assert (minus_m, module) == ("-m", "mcsan_jax.main")
    assert {"--mode=train", "--workdir=runs/notebook"} <= set(flags)
    config = config_of(*flags)
    assert (config.name, config.data.dir, config.train.epochs) == ("demo_tiny", "data", 6)
    with pytest.raises(RuntimeError, match="the training failed"):
        exec(f"{code('settings')}\n{code('train')}", names)
    (tmp_path / "runs" / "notebook" / "checkpoints" / "8").mkdir(parents=True)
    exec(f"{code('settings')}\n{code('train')}", names)
    assert capsys.readouterr().out == "no data\nruns/notebook holds a trained run\n"


INSTALLER = """#!{python}
import pathlib, sys
pathlib.Path({notes!r}).write_text(chr(10).join([str(pathlib.Path.cwd()), *sys.argv[1:]]))
"""
"""Notes where it was called and with which arguments."""


@pytest.mark.parametrize("inside", [True, False], ids=["in a checkout", "elsewhere"])
def test_a_missing_package_is_installed_from_a_checkout(
    inside: bool, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    (repository / "colab").mkdir(parents=True)
    (repository / "mcsan_jax").mkdir()
    (repository / "mcsan_jax" / "main.py").touch()
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *words], check=True)
    elsewhere = tmp_path / "content"
    elsewhere.mkdir()
    notes = tmp_path / "notes"
    python = tmp_path / "python"
    python.write_text(INSTALLER.format(python=sys.executable, notes=str(notes)))
    python.chmod(0o755)
    monkeypatch.chdir(repository / "colab" if inside else elsewhere)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(code("install"), {"REPOSITORY": str(repository)})
    checkout = repository if inside else elsewhere / "checkout"
    assert notes.read_text().splitlines() == [str(checkout), "-m", "pip", "install", "-q", "-e", "."]
    assert (checkout / "mcsan_jax" / "main.py").is_file() and sys.path[0] == str(checkout)


@pytest.mark.slow
def test_the_table_is_printed_below_its_protocol(executed: dict[str, nbformat.NotebookNode]) -> None:
    assert printed(executed["train"]).endswith("holds a trained run\n")
    text = printed(executed["evaluate"])
    assert "Protocol: moving shapes, split test: 10 videos and 50 captions" in text
    assert "| score " in text and "| fused " in text
    assert "95 % of resamples of the videos (fused): T2V R@1" in text


@pytest.mark.slow
def test_stored_figures_are_reproduced(executed: dict[str, nbformat.NotebookNode]) -> None:
    assert (
        printed(executed["reproduce"])
        == "20 fused figures were stored with the run; largest difference: 0.0000\n"
    )


def test_without_stored_figures_the_notebook_says_so(
    finished_run: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"run": RunFolder(finished_run), "SPLIT": "test", "stored": None}
    exec(code("reproduce"), names)
    assert capsys.readouterr().out == "There was no evaluation of this split by this version.\n"


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["ranks", "densities", "heat-map"])
def test_figures_are_drawn(executed: dict[str, nbformat.NotebookNode], cell: str) -> None:
    (picture,) = shown(executed[cell], "image/png")
    content = base64.b64decode(picture)
    assert content.startswith(PNG_BEGINS)
    width, height = (int.from_bytes(content[start : start + 4]) for start in (16, 20))
    assert width > 500 and height > 250


@pytest.mark.slow
def test_the_report_is_shown(executed: dict[str, nbformat.NotebookNode]) -> None:
    (content,) = shown(executed["report"], "text/html")
    assert "<iframe srcdoc=" in content
    assert "Recall at K" in content


@pytest.mark.slow
def test_the_search_answers_with_videos_and_levels(executed: dict[str, nbformat.NotebookNode]) -> None:
    (table,) = shown(executed["search"], "text/markdown")
    title, _, head, _, *rows = table.splitlines()
    assert title == "**a red ball pushes a blue box**"
    assert (
        head
        == "|  | video | score | global | entity | action | relationship | linear | its longest caption |"
    )
    assert len(rows) == 5
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert all(row[1].startswith("test_") and len(row[-1]) > 5 for row in cells)
    scores = [float(row[2]) for row in cells]
    assert scores == sorted(scores, reverse=True)
