"""Several processes score and count a share of the captions each, and end with the figures of one."""

import itertools
import json
import pathlib

import pytest

from tests.support.processes import run_all

RANK = """
import hashlib, json, pathlib, sys
import jax, numpy as np
from benchmarks.made_up_data import make_texts, make_videos
from data_pipeline.levels import LEVELS
from mcsan_jax.config import Config, EvaluationConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.ranking.counting import ScoreDensities
from mcsan_jax.processes import ProcessAddress, join
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.counting import count_ranks, score_file, write_scores
from mcsan_jax.ranking.occurrences import TopAnswers
from mcsan_jax.ranking.pair_ranks import PairCounter
from mcsan_jax.ranking.relevance import Matches
from mcsan_jax.sharding import make_mesh

folder, address, count, index = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
join(ProcessAddress(address, count, index), discover=False)
VIDEOS, CAPTIONS = 12, 60
parameters = ScoringParameters({level: np.float32(0.25) for level in LEVELS}, np.float32(1))
config = Config(evaluation=EvaluationConfig(encoded_bytes=12_000))
scored = []

class Noted(BlockScorer):
    def scores(self, blocks):
        for (rows, columns), components in super().scores(blocks):
            scored.append((rows.start, columns.start))
            yield (rows, columns), components

sides = make_videos(VIDEOS, 4, 16, seed=0), make_texts(CAPTIONS, 16, seed=1)
scorer = Noted(*sides, jax.device_put(parameters), config, mesh=make_mesh(jax.local_devices()))
matches = Matches.of_owners(np.arange(CAPTIONS) // 5, VIDEOS)
pairs, answers, densities = PairCounter(matches), TopAnswers(4, VIDEOS, CAPTIONS), ScoreDensities(matches)
with score_file(folder / f"{index}.npy", scorer.shape) as matrix:
    ranks = count_ranks(scorer, matches, [pairs, answers, densities, matrix])
own = sorted(set(scored))
write_scores(scorer, folder / f"{index}-again.npy")
counted = [each for one in (*ranks.values(), pairs, answers) for each in (one.text_to_video(), one.video_to_text())]
found = [array.tolist() for each in counted for array in vars(each).values()]
files = [(folder / f"{index}{end}.npy").read_bytes() for end in ("", "-again")]
print(json.dumps({
    "all": [(rows.start, columns.start) for strip in scorer.blocks() for rows, columns in strip],
    "own": own,
    "found": [list(ranks), found, densities.summary(), [hashlib.sha256(file).hexdigest() for file in files]],
}))
"""


@pytest.mark.slow
def test_each_process_ranks_its_share_of_the_captions(tmp_path: pathlib.Path) -> None:
    said = {}
    for count in (1, 2, 3):
        arguments = ["-c", RANK, str(tmp_path / str(count)), "COORDINATOR", "COUNT", "INDEX"]
        outputs = run_all(count, 1, arguments, tmp_path / str(count))
        said[count] = [
            json.loads(line) for text in outputs for line in text.splitlines() if line.startswith("{")
        ]
        assert len(said[count]) == count
    [alone] = said[1]
    assert alone["own"] == sorted(alone["all"]) and len(alone["own"]) > 6
    assert alone["found"][3][0] == alone["found"][3][1]
    for count in (2, 3):
        shares = [one["own"] for one in said[count]]
        assert sorted(itertools.chain(*shares)) == alone["own"], "every block once, by one process"
        assert max(map(len, shares)) < len(alone["own"]) * 0.75
        for one in said[count]:
            assert one["found"] == alone["found"]
