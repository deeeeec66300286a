"""Takes the picture of docs/your_own_videos.md: `python -m tests.serve.own_videos_pictures`, some ten minutes.

It walks the whole way with clips of moving shapes as files: extract, prepare, train, serve.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
from urllib.parse import urlencode

from playwright.sync_api import Browser

from tests.serve.page_visit import DESK, started_browser, visiting
from tests.serve.served_index import PROGRAM, served
from tests.support import ROOT

PICTURE = ROOT / "docs" / "images" / "own_videos_page.png"
QUERY = "the red square pushes the blue block"
COMMANDS = (
    ("prepare", "--dataset=moving_shapes", "--render_clips=clips", "--share=0.1"),
    ("extract", "clips"),
    ("prepare", "--dataset=jsonl", "--annotations=clips/captions.jsonl"),
    ("train", "--config=custom"),
)


def take_picture(browser: Browser, run: pathlib.Path, file: pathlib.Path) -> None:
    """Serves a run, whose data are found from its folder's folder, and writes a picture of the page."""
    with (
        served(run, folder=run.parent.parent) as service,
        visiting(browser, f"http://127.0.0.1:{service.port}", DESK) as visit,
    ):
        link = f"?{urlencode({'q': QUERY})}"
        visit.open(link).wait_for_load_state("networkidle")
        # Again, because programs for the first query are compiled.
        page = visit.open(link)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=file)


def main() -> None:
    """Makes a run, and takes the picture."""
    with tempfile.TemporaryDirectory() as temporary, started_browser() as browser:
        folder = pathlib.Path(temporary)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        for words in COMMANDS:
            subprocess.run([*PROGRAM, *words], cwd=folder, env=environment, check=True)
        take_picture(browser, folder / "runs" / "custom", PICTURE)
    print(f"written: {PICTURE}", file=sys.stderr)


if __name__ == "__main__":
    main()
