import copy
import dataclasses
import pathlib
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.search.answers import SearchRequest
from mcsan_jax.search.index_searcher import IndexSearcher
from tests.search.made_index import clips_and_table, made_index

PUSH = "a red ball pushes the blue box"
TEXTS = (PUSH, "something red", "the white block shoves the small purple triangle", "a circle jumps")


def test_answers_are_those_of_the_model(demo_searcher: IndexSearcher) -> None:
    model, videos = demo_searcher.model, demo_searcher.collection.embeddings(range(len(demo_searcher.ids)))
    for text in TEXTS:
        scores = np.asarray(model.similarity(model.encode_query(text), videos))[0]
        result = demo_searcher.search(SearchRequest(text, k=7, min_probability=0))
        best = [one for one in np.argsort(-scores, kind="stable").tolist() if videos.ids[one] != "again"][:7]
        assert [answer.video for answer in result.answers] == [videos.ids[one] for one in best]
        np.testing.assert_allclose([answer.score for answer in result.answers], scores[best], atol=1e-5)
        assert [answer.rank for answer in result.answers] == list(range(1, 8))
        assert (result.searched, result.scored) == (61, 61)


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_components_add_is_the_score(demo_searcher: IndexSearcher, text: str) -> None:
    for answer in demo_searcher.search(SearchRequest(text, k=20, min_probability=0)).answers:
        assert sum(answer.contributions.values()) == pytest.approx(answer.score, abs=1e-5)
        assert next(iter(answer.contributions)) == "global" and list(answer.contributions)[-1] == "linear"
        assert set(answer.level_scores) == set(answer.contributions)


def test_a_result_does_not_depend_on_other_requests(demo_searcher: IndexSearcher) -> None:
    requests = [SearchRequest(text, k=5, min_probability=0) for text in TEXTS]
    requests.append(SearchRequest(PUSH, k=3, where='camera = "north"', sort="time", min_probability=0))
    alone = [
        IndexSearcher(demo_searcher.model, demo_searcher.collection).search(request) for request in requests
    ]
    for one, other in zip(alone, demo_searcher.search_many(requests), strict=True):
        assert (one.query, one.notes, one.steps) == (other.query, other.notes, other.steps)
        for answer, its in zip(one.answers, other.answers, strict=True):
            assert (answer.rank, answer.video, answer.duplicates) == (its.rank, its.video, its.duplicates)
            assert answer.score == pytest.approx(its.score, abs=1e-6)
            assert answer.contributions == pytest.approx(its.contributions, abs=1e-6)
            assert answer.relevance == pytest.approx(its.relevance, abs=1e-6)


def test_frames_and_the_graph_are_told(demo_searcher: IndexSearcher) -> None:
    result = demo_searcher.search(SearchRequest(PUSH, k=1, min_probability=0))
    [answer] = result.answers
    [moment] = answer.moments
    assert len(answer.relevance) == len(answer.seconds) == 12
    assert moment.text == PUSH
    assert max(answer.relevance) == max(answer.relevance[moment.first : moment.last + 1])
    assert moment.start <= answer.seconds[moment.first] <= answer.seconds[moment.last] <= moment.end
    [graph] = result.steps
    assert (graph.text, result.negatives) == (PUSH, ())
    assert graph.nodes == {"entity": ("red ball", "blue box"), "action": ("pushes",)}
    assert ("pushes", "agent", "red ball") in graph.edges


def test_near_duplicates_are_folded_into_the_better_answer(demo_searcher: IndexSearcher) -> None:
    last = demo_searcher.ids[59]
    caption = demo_searcher.metadata_of(last)["caption"]
    answers = demo_searcher.search(SearchRequest(caption, k=60, min_probability=0)).answers
    folded = {answer.video: answer.duplicates for answer in answers if answer.duplicates}
    assert folded == {last: ("again",)}
    assert len(answers) == 60


def test_the_filter_decides_what_is_searched(demo_searcher: IndexSearcher) -> None:
    result = demo_searcher.search(SearchRequest(PUSH, k=5, where='camera = "north"', min_probability=0))
    assert result.searched == 20
    assert {answer.metadata["camera"] for answer in result.answers} == {"north"}
    nothing = demo_searcher.search(SearchRequest(PUSH, where='camera = "west"'))
    assert not nothing.answers and not nothing.no_good_match and "no video passes the filter" in nothing.notes


def test_answers_stand_in_groups_and_by_time(demo_searcher: IndexSearcher) -> None:
    by_score = demo_searcher.search(SearchRequest(PUSH, k=12, min_probability=0)).answers
    grouped = demo_searcher.search(SearchRequest(PUSH, k=12, group_by="camera", min_probability=0)).answers
    order = list(dict.fromkeys(answer.metadata["camera"] for answer in by_score))
    expected = [answer for camera in order for answer in by_score if answer.metadata["camera"] == camera]
    assert [answer.video for answer in grouped] == [answer.video for answer in expected]
    assert [answer.video for answer in grouped] != [answer.video for answer in by_score]
    timed = demo_searcher.search(
        SearchRequest(PUSH, k=12, sort="time", group_by="camera", min_probability=0)
    ).answers
    assert [answer.metadata["camera"] for answer in timed] == [
        answer.metadata["camera"] for answer in grouped
    ]
    for camera in order:
        starts = [answer.moments[0].start for answer in timed if answer.metadata["camera"] == camera]
        assert starts == sorted(starts)
    by_id = demo_searcher.search(SearchRequest(PUSH, k=12, group_by="id", min_probability=0)).answers
    assert by_id == by_score
    by_video = demo_searcher.search(SearchRequest(PUSH, k=12, sort="time", min_probability=0)).answers
    assert [answer.video for answer in by_video] == sorted(answer.video for answer in by_score)


def test_steps_and_negative_parts_enter_the_score(demo_searcher: IndexSearcher) -> None:
    red, blue = "a red ball moves", "a blue box moves"
    together = demo_searcher.search(
        SearchRequest(f"{red} then {blue} without a star", k=60, min_probability=0)
    )
    scores = {
        text: {
            a.video: a.score
            for a in demo_searcher.search(SearchRequest(text, k=60, min_probability=0)).answers
        }
        for text in (red, blue, "a star")
    }
    best = together.answers[0]
    lost = set()
    for answer in together.answers:
        assert sum(answer.contributions.values()) == pytest.approx(answer.score, abs=1e-5)
        assert answer.contributions["order"] <= 0
        minus = answer.contributions["without a star"]
        assert minus == pytest.approx(-0.5 * max(scores["a star"][answer.video], 0), abs=1e-5)
        mean = (scores[red][answer.video] + scores[blue][answer.video]) / 2
        assert answer.score == pytest.approx(mean + answer.contributions["order"] + minus, abs=1e-5)
        lost.add(answer.contributions["order"])
        if answer.contributions["order"] > -1e-3:
            first, second = answer.moments
            assert first.last < second.first
    assert len(lost) > 10
    assert [moment.text for moment in best.moments] == [red, blue]
    assert [(step.text, step.nodes["entity"]) for step in together.steps] == [
        (red, ("red ball",)),
        (blue, ("blue box",)),
    ]
    assert [(part.text, part.nodes["entity"]) for part in together.negatives] == [("a star", ("star",))]
    assert any("then" in note for note in together.notes)
    assert [answer.score for answer in together.answers] == sorted(
        (answer.score for answer in together.answers), reverse=True
    )


def test_similar_videos_and_captions(demo_searcher: IndexSearcher) -> None:
    last = demo_searcher.ids[59]
    like = demo_searcher.similar(last, k=4)
    assert like.answers[0].video == "again" and like.answers[0].score == pytest.approx(1, abs=1e-5)
    assert len(like.answers) == 4 and last not in {answer.video for answer in like.answers}
    captions = demo_searcher.captions_for(last, k=3)
    assert len(captions) == 3 and captions[0].score >= captions[1].score >= captions[2].score
    [best, _] = demo_searcher.captions_for(last, texts=["something red", "the yellow ball"])
    assert best.text in ("something red", "the yellow ball")
    # The calibration knows sentences without denials alone.
    texts = [PUSH, "a dog", "a red ball does not push the blue box"]
    kinds = {one.text: one.probability for one in demo_searcher.captions_for(last, texts=texts)}
    assert kinds[PUSH] is not None and [kinds[text] for text in texts[1:]] == [None, None]


def test_an_explanation_has_the_score_of_the_answer(demo_searcher: IndexSearcher) -> None:
    [answer] = demo_searcher.search(SearchRequest(PUSH, k=1, min_probability=0)).answers
    explanation = demo_searcher.explain(PUSH, answer.video)
    assert explanation.scores["fused"] == pytest.approx(answer.score, abs=1e-5)


def test_an_explanation_is_one_of_a_step_of_the_query(demo_searcher: IndexSearcher) -> None:
    query, video = f'{PUSH} then "now then a star" -ball', demo_searcher.ids[0]
    first, second = (demo_searcher.explain(query, video, step) for step in range(2))
    assert (first.text, second.text) == (PUSH, "now then a star")
    assert first.scores == demo_searcher.explain(PUSH, video).scores
    with pytest.raises(InputError, match="has 2, numbered from 0; found 2"):
        demo_searcher.explain(query, video, 2)
    with pytest.raises(InputError, match="only says what a video should not have"):
        demo_searcher.explain("-ball", video)


def test_without_a_calibration_no_answer_is_left_out(demo_searcher: IndexSearcher) -> None:
    model = copy.copy(demo_searcher.model)
    model.calibration = None
    searcher = IndexSearcher(model, demo_searcher.collection)
    result = searcher.search(SearchRequest(PUSH, min_probability=0.9))
    assert len(result.answers) == 10 and result.threshold is None and result.presence is None
    assert [answer.probability for answer in result.answers] == [None] * 10
    assert [note for note in result.notes if "calibration" in note]


def test_texts_that_the_calibration_does_not_know_are_answered(demo_searcher: IndexSearcher) -> None:
    """A noun alone and a denial score on other scales than the sentences of the calibration."""
    for text in (
        "a red star",
        "a star pushes a ball then a blue box",
        "a star that does not push a ball",
        f"{PUSH} then a star is not pushing a ball",
    ):
        result = demo_searcher.search(SearchRequest(text))
        assert result.answers and not result.no_good_match
        assert result.presence is None and result.answers[0].probability is None
        assert [note for note in result.notes if "knows no texts of this kind" in note]
    known = demo_searcher.search(SearchRequest(PUSH, min_probability=0))
    assert known.answers[0].probability is not None
    assert not [note for note in known.notes if "of this kind" in note]


def test_answers_say_how_likely_they_are(demo_searcher: IndexSearcher) -> None:
    calibration = demo_searcher.model.calibration
    assert calibration is not None
    last = demo_searcher.ids[59]
    request = SearchRequest(demo_searcher.metadata_of(last)["caption"], min_probability=0)
    everything = demo_searcher.search(dataclasses.replace(request, k=60))
    probabilities = [answer.probability for answer in everything.answers]
    assert everything.presence == pytest.approx(sum(probabilities), abs=1e-6)
    [copied] = [answer for answer in everything.answers if answer.duplicates]
    scores = {"fused": np.array([a.score for a in everything.answers] + [copied.score])}
    alone = calibration.probabilities(scores)
    # The answer stands for its copy as well.
    assert copied.probability == pytest.approx(2 * alone[-1], abs=1e-5)
    likely = demo_searcher.search(dataclasses.replace(request, k=60, min_probability=0.2))
    assert [a.video for a in likely.answers] == [
        a.video for a in everything.answers if a.probability is not None and a.probability >= 0.2
    ]
    assert 0 < len(likely.answers) < 60


def test_no_good_match_is_said_where_none_is_likely(demo_searcher: IndexSearcher) -> None:
    for text in (demo_searcher.metadata_of(demo_searcher.ids[7])["caption"], "a man plays the piano"):
        result = demo_searcher.search(SearchRequest(text))
        assert result.presence is not None and result.threshold is not None
        assert result.no_good_match == (result.presence < result.threshold) == (not result.answers)
    assert result.no_good_match
    refused = demo_searcher.search(SearchRequest(PUSH, min_probability=1.0))
    assert refused.no_good_match and refused.threshold == 1.0 and not refused.answers


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "expected from 1 to 1,000, found 0"),
        ({"k": -3}, "expected from 1 to 1,000, found -3"),
        ({"k": 1_000_000}, "expected from 1 to 1,000, found 1000000"),
        ({"text": " "}, "the query is ' ': there is nothing to search for"),
        (
            {"group_by": "camra"},
            "no column 'camra' in the index; did you mean 'camera'? it has id, caption, camera",
        ),
        ({"sort": "date"}, "sort: expected score or time, found 'date'"),
        ({"min_probability": 50.0}, "min_probability: expected a number from 0 to 1, found 50.0"),
        ({"candidates": 0}, "candidates: expected at least 1, found 0"),
        ({"where": "camera ="}, "the filter, line 1, column 8: something is missing"),
        ({"text": 5}, "text: expected a text, found 5"),
        ({"text": None}, "text: expected a text, found None"),
        ({"where": None}, "where: expected a text, found None"),
        ({"group_by": 5}, "group_by: expected a text, found 5"),
        ({"min_probability": "high"}, "min_probability: expected a number from 0 to 1, found 'high'"),
        ({"candidates": "all"}, "candidates: expected at least 1, found 'all'"),
    ],
)
def test_a_wrong_request_is_refused(
    demo_searcher: IndexSearcher, change: dict[str, object], message: str
) -> None:
    request = dataclasses.replace(SearchRequest(PUSH), **change)
    with pytest.raises(InputError, match=re.escape(message)):
        demo_searcher.search(request)


def test_what_is_no_request_is_refused(demo_searcher: IndexSearcher) -> None:
    text: Any = PUSH
    with pytest.raises(
        InputError, match=r"expected a request, such as SearchRequest\('a red car'\), found 'a"
    ):
        demo_searcher.search(text)


def test_all_faults_of_a_request_are_told_at_once(demo_searcher: IndexSearcher) -> None:
    with pytest.raises(InputError) as found:
        demo_searcher.search(SearchRequest("", k=0, sort="x", group_by="y", where="z"))
    for word in ("the query is ''", "k, the number", "sort:", "group_by:", "the filter, line 1"):
        assert word in str(found.value)
    with pytest.raises(
        InputError, match=r"2 faults:\n.*k, the number.*\n.*no video 'test_0059' .* 'test_00059'"
    ):
        demo_searcher.similar("test_0059", k=0)


def test_a_searcher_takes_what_a_writer_has_committed(
    demo_searcher: IndexSearcher, tmp_path: pathlib.Path
) -> None:
    model = demo_searcher.model
    videos, table = clips_and_table(model, 8)
    index = made_index(tmp_path / "index", model, videos.take(range(6)), table.slice(0, 6))
    searcher = IndexSearcher(model, index)
    text = table["caption"][6].as_py()
    request = SearchRequest(text, k=9, min_probability=0)
    before = searcher.search(request)
    assert not searcher.refresh()
    with IndexWriter.open(tmp_path / "index") as writer:
        writer.add(videos.take([6, 7]), table.slice(6, 2))
        writer.remove([videos.ids[0]])
    assert searcher.search(request).answers == before.answers
    assert searcher.refresh()
    after = searcher.search(request)
    assert after.searched == 7 and {one.video for one in after.answers} == set(videos.ids[1:8])
    old = {one.video: one.score for one in before.answers}
    new = {one.video: one.score for one in after.answers}
    assert all(new[video] == pytest.approx(old[video], abs=1e-6) for video in videos.ids[1:6])
    with pytest.raises(InputError, match=f"no video '{videos.ids[0]}'"):
        searcher.similar(videos.ids[0])


def test_threads_get_their_own_answers(demo_searcher: IndexSearcher) -> None:
    requests = [SearchRequest(text, k=3, min_probability=0) for text in TEXTS] * 3
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(demo_searcher.search, requests))
    for request, result in zip(requests, found, strict=True):
        alone = demo_searcher.search(request)
        assert [one.video for one in result.answers] == [one.video for one in alone.answers]
        assert result.query == request.text


def test_few_candidates_are_scored_where_that_is_asked(demo_searcher: IndexSearcher) -> None:
    request = SearchRequest(PUSH, k=3, min_probability=0, exact=False, candidates=20)
    few, whole = demo_searcher.search(request), demo_searcher.search(dataclasses.replace(request, exact=True))
    assert few.searched == whole.searched == whole.scored == 61 and 20 <= few.scored < 61
    assert few.answers[0].video == whole.answers[0].video
    assert few.answers[0].score == pytest.approx(whole.answers[0].score, abs=1e-6)
