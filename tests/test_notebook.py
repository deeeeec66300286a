import base64
import json
import pathlib
import re
import shutil
import sys
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support import ROOT

NOTEBOOK = ROOT / "colab" / "evaluation.ipynb"
DEMO = ROOT / "runs" / "demo"
PNG_BEGINS = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path | None:
    """A copy of the run of the README's first command, where somebody gave it."""
    if not any((DEMO / "eval").glob("test.json")):
        return None
    return shutil.copytree(DEMO, tmp_path_factory.mktemp("given") / "demo")


@pytest.fixture(scope="module")
def executed(
    demo_run: pathlib.Path | None, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, nbformat.NotebookNode]:
    """The cells after the notebook ran in an empty folder, by id."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (settings,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    if demo_run is not None:
        given = {"RUN": str(demo_run), "DATA": str(ROOT / "data" / "moving_shapes")}
        settings.source += "".join(f"\n{name} = {value!r}" for name, value in given.items())
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
        patch.setenv("PYTHONPATH", str(ROOT))
        # Compiled as for a user, or scores are rounded otherwise than those that the run stored.
        patch.delenv("XLA_FLAGS", raising=False)
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


def test_the_table_is_printed_below_its_protocol(executed: dict[str, nbformat.NotebookNode]) -> None:
    text = printed(executed["evaluate"])
    assert "Protocol: moving shapes, split test: 500 videos and 2,500 captions" in text
    assert "| score " in text and "| fused " in text
    assert "95 % of resamples of the videos (fused): T2V R@1" in text


def test_stored_figures_are_reproduced(
    executed: dict[str, nbformat.NotebookNode], demo_run: pathlib.Path | None
) -> None:
    text = printed(executed["reproduce"])
    if demo_run is None:
        assert "step 144/144" in printed(executed["train"])
        assert text == "The run had not been evaluated on this split before.\n"
    else:
        assert printed(executed["train"]).endswith("holds a trained run\n")
        found = re.fullmatch(r"20 fused figures were stored with the run; largest difference: (.*)\n", text)
        # Another version of JAX may round otherwise, and so order two clips that look alike.
        assert found and float(found[1]) <= 0.5


@pytest.mark.parametrize("cell", ["ranks", "densities", "heat-map"])
def test_figures_are_drawn(executed: dict[str, nbformat.NotebookNode], cell: str) -> None:
    (picture,) = shown(executed[cell], "image/png")
    content = base64.b64decode(picture)
    assert content.startswith(PNG_BEGINS)
    width, height = (int.from_bytes(content[start : start + 4]) for start in (16, 20))
    assert width > 500 and height > 250


def test_the_report_is_shown(executed: dict[str, nbformat.NotebookNode]) -> None:
    (content,) = shown(executed["report"], "text/html")
    assert "<iframe srcdoc=" in content
    assert "Recall at K" in content


def test_the_search_answers_with_videos_and_levels(executed: dict[str, nbformat.NotebookNode]) -> None:
    (table,) = shown(executed["search"], "text/markdown")
    title, _, head, _, *rows = table.splitlines()
    assert title == "**a red ball pushes a blue box**"
    assert head == "|  | video | score | global | entity | action | relationship | its longest caption |"
    assert len(rows) == 5
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert all(row[1].startswith("test_") and len(row[-1]) > 5 for row in cells)
    scores = [float(row[2]) for row in cells]
    assert scores == sorted(scores, reverse=True)
