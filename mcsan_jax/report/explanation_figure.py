"""This module draws an explained answer: the frames of a video, which phrase met which of them, and the scores."""

import dataclasses
import itertools
import pathlib
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.textpath import TextPath

from data_pipeline.errors import InputError, first_few
from data_pipeline.host.files import replacing
from data_pipeline.inspection.svg_figures import COLOURS
from mcsan_jax.report.charts import GREY
from mcsan_jax.retrieval.explain import Explanation, LevelExplanation

_DARK = "#24292f"
_TINY, _SMALL, _TEXT, _TITLE, _POINTS = 6.5, 8.0, 9.0, 11.0, 72
# All lengths are in inches.
_WIDTH, _MARGIN, _GAP = 10.4, 0.15, 0.08
_RIGHT_HALF = 7.3
_ROW, _HEADING, _CAPTION, _BETWEEN, _AXIS = 0.24, 0.2, 0.2, 0.16, 0.42
_COLOUR_BAR, _COLOUR_TICKS = 0.1, 0.4
_VALUE, _NOTE = 0.42, 0.16
_MOST_IMAGES, _TALLEST_IMAGE = 12, 0.9
_LONGEST_PHRASE, _LONGEST_WORD, _LONGEST_LINE, _LONGEST_NOTE = 44, 34, 100, 140


def draw_explanation(explanation: Explanation, frames: Sequence[np.ndarray] | None = None) -> Figure:
    """Draws an explained answer.

    Above is the film strip, where images are given. Below it are the cosine of each phrase and frame, and the attention
    of each phrase over the frames; beside it, the score of each component with its share in the fused score, and what
    each word adds to the linear score.

    Args:
        explanation: of the score of a text and a video.
        frames: images of the video [n, height, width, 3], red-green-blue, 0 to 255 or 0.0 to 1.0. There may be more
            than the frames of the explanation, which are then taken to be spread evenly over them.

    Raises:
        InputError: the images are fewer than the frames, or are no images.
    """
    images = None if frames is None else _choose(frames, explanation.frames)
    # A dollar sign in a text is no formula.
    with matplotlib.rc_context({"text.parse_math": False, "font.size": _TEXT, "text.color": _DARK}):
        return _Drawing(explanation, images).figure


def write_explanation(
    path: pathlib.Path, explanation: Explanation, frames: Sequence[np.ndarray] | None = None
) -> pathlib.Path:
    """Writes the drawing of an explained answer, in the format of the file's suffix; returns the path."""
    check_picture_format(path)
    figure = draw_explanation(explanation, frames)
    kind = path.suffix[1:].lower()
    # The same picture gives the same file.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with matplotlib.rc_context({"svg.hashsalt": "explanation"}), replacing(path) as partial:
        figure.savefig(partial, format=kind, dpi=150, metadata=metadata)
    return path


def check_picture_format(path: pathlib.Path) -> None:
    """Raises `InputError` where the suffix of a file names no format of a picture, or its folder does not exist."""
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise InputError(
            f"{path}: the suffix {path.suffix!r} is no picture's; end it with .svg, .png or .pdf"
        )
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it, or name a file elsewhere")


def read_images(folder: pathlib.Path) -> list[np.ndarray]:
    """Reads the frames of a video from a folder of image files, in the order of their names [height, width, 3].

    Raises:
        InputError: there are no images, or some cannot be read.
    """
    files = [one for one in sorted(folder.glob("*")) if one.suffix.lower() in (".png", ".jpg", ".jpeg")]
    if not files:
        raise InputError(
            f"{folder}: expected a folder with the frames of the video as .png or .jpg; found none"
        )
    images, unreadable = [], []
    for file in files:
        try:
            image = imread(file)
        except (OSError, ValueError, SyntaxError):
            unreadable.append(file.name)
        else:
            # Grey images become coloured ones, and transparency is left out.
            images.append(np.stack([image] * 3, axis=-1) if image.ndim == 2 else image[..., :3])
    if unreadable:
        raise InputError(f"{folder}: not readable as images: {first_few(unreadable)}")
    return images


def _choose(frames: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    """Returns the images of the frames, by the rule by which frames are chosen among features."""
    images = [np.asarray(frame) for frame in frames]
    if len(images) < count:
        raise InputError(f"the video has {count} frames, and there are {len(images)} images; give as many")
    if wrong := [image.shape for image in images if image.ndim != 3 or image.shape[-1] != 3]:
        raise InputError(
            f"images are arrays [height, width, 3]; {len(wrong)} are not, one is {list(wrong[0])}"
        )
    # A model without levels of frames explains none of them.
    count = count or len(images)
    return [images[row] for row in np.round(np.linspace(0, len(images) - 1, count)).astype(int)]


@dataclasses.dataclass(frozen=True)
class _HeatMap:
    """The heat map of a panel: by level, its heading, a label for each phrase [n] and the values [n, f]."""

    caption: str
    levels: list[tuple[str, list[str], np.ndarray]]

    @property
    def height(self) -> float:
        return sum(_HEADING + _ROW * len(labels) for _, labels, _ in self.levels)


class _Drawing:
    """A drawing is made from top to bottom, in inches, on a figure whose height is known first."""

    def __init__(self, explanation: Explanation, images: Sequence[np.ndarray] | None) -> None:
        self._explanation = explanation
        title = textwrap.wrap(f"“{explanation.text}”", _LONGEST_LINE)
        notes = [line for note in explanation.notes for line in textwrap.wrap(note, _LONGEST_NOTE)]
        maps = (_cosines(explanation), _attention(explanation)) if explanation.levels else ()
        labels = [label for one in maps for _, of_level, _ in one.levels for label in of_level]
        self._heat_left = _MARGIN + _room_of(labels)
        self._heat_width = _RIGHT_HALF - 0.2 - _COLOUR_BAR - _COLOUR_TICKS - self._heat_left
        strip = 0.0 if images is None else _CAPTION + self._strip_height(images) + _BETWEEN
        left = strip + sum(_CAPTION + one.height + _BETWEEN for one in maps) + _AXIS
        words = [] if explanation.linear is None else explanation.linear.words
        right = 2 * (_CAPTION + _BETWEEN) + _ROW * (len(explanation.scores) + len(words) + 1)
        head = 0.2 * len(title) + 0.4 + _NOTE * len(notes)
        self._height = head + max(left, right) + _MARGIN
        self.figure = Figure(figsize=(_WIDTH, self._height), facecolor="white")
        FigureCanvasAgg(self.figure)
        self._say(_MARGIN, 0.12, "\n".join(title), size=_TITLE, weight="bold")
        said = f"video {explanation.video}: fused score {explanation.scores['fused']:.3f}"
        self._say(_MARGIN, 0.15 + 0.2 * len(title), "\n".join([said, *notes]))
        if images is not None:
            self._say(self._heat_left, head, "frames", weight="bold")
            self._draw_strip(head + _CAPTION, images)
        self._draw_maps(head + strip, maps)
        self._draw_right(head)

    def _place(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = 1 - (top + height) / self._height
        axes = self.figure.add_axes((left / _WIDTH, bottom, width / _WIDTH, height / self._height))
        axes.tick_params(length=0, labelsize=_SMALL, labelcolor=_DARK)
        axes.spines[:].set_visible(False)
        return axes

    def _say(self, left: float, top: float, text: str, size: float = _TEXT, **style: Any) -> None:
        self.figure.text(left / _WIDTH, 1 - top / self._height, text, size=size, va="top", **style)

    def _strip_height(self, images: Sequence[np.ndarray]) -> float:
        height, width, _ = images[0].shape
        cell = self._heat_width / min(len(images), _MOST_IMAGES)
        return min(_TALLEST_IMAGE, cell * height / width)

    def _draw_maps(self, top: float, maps: Sequence[_HeatMap]) -> None:
        if not maps:
            self._say(self._heat_left, top, "The text names neither a thing nor an action.")
            return
        for one, colours in zip(maps, ("RdBu_r", "YlGnBu"), strict=True):
            self._say(self._heat_left, top, one.caption, weight="bold")
            most = max(float(np.abs(values).max()) for *_, values in one.levels)
            lowest = -most if colours == "RdBu_r" else 0.0
            axes = self._draw_heat(top + _CAPTION, one, cmap=colours, vmin=lowest, vmax=most)
            top += _CAPTION + one.height + _BETWEEN
        found = self._explanation
        timed = len(found.seconds) == found.frames
        names = [f"{one:.1f}" for one in found.seconds] if timed else [*map(str, range(1, found.frames + 1))]
        every = max(1, -(-found.frames // _MOST_IMAGES))
        axes.set_xticks(np.arange(0, found.frames, every) + 0.5, names[::every])
        axes.set_xlabel("seconds" if timed else "frame", size=_SMALL, color=_DARK)

    def _draw_strip(self, top: float, images: Sequence[np.ndarray]) -> None:
        height = self._strip_height(images)
        frames, shown = len(images), min(len(images), _MOST_IMAGES)
        axes = self._place(self._heat_left, top, self._heat_width, height)
        per_inch = frames / self._heat_width
        for begin, end in itertools.pairwise(np.linspace(0, frames, shown + 1)):
            middle = (begin + end) / 2
            image = images[int(middle)]
            half = 0.48 * min(height * image.shape[1] / image.shape[0] * per_inch, end - begin)
            axes.imshow(image, extent=(middle - half, middle + half, 0.02, 0.98), aspect="auto")
        axes.set(xlim=(0, frames), ylim=(0, 1), xticks=[], yticks=[])

    def _draw_heat(self, top: float, shown: _HeatMap, **colours: Any) -> Axes:
        """Draws a row for each phrase, below the heading of its level; returns the axes."""
        axes = self._place(self._heat_left, top, self._heat_width, shown.height)
        frames = np.arange(self._explanation.frames + 1)
        ticks: list[float] = []
        names: list[str] = []
        y = 0.0
        for heading, labels, values in shown.levels:
            axes.text(0, y + _HEADING / 2, heading, va="center", size=_SMALL, style="italic")
            edges = y + _HEADING + _ROW * np.arange(len(labels) + 1)
            mesh = axes.pcolormesh(frames, edges, values, edgecolors="white", linewidth=0.8, **colours)
            ticks, names, y = [*ticks, *(edges[:-1] + _ROW / 2)], [*names, *labels], edges[-1]
        axes.set(xlim=(0, frames[-1]), ylim=(shown.height, 0), xticks=[])
        axes.set_yticks(ticks, names, size=_TEXT)
        bar = self._place(self._heat_left + self._heat_width + _GAP, top, _COLOUR_BAR, shown.height)
        self.figure.colorbar(mesh, cax=bar)
        bar.tick_params(length=2, labelsize=_SMALL, labelcolor=_DARK)
        bar.locator_params(axis="y", nbins=5)
        return axes

    def _draw_right(self, top: float) -> None:
        found = self._explanation
        names = [
            f"{name} ({100 * found.shares[name]:.0f} %)" if name in found.shares else name
            for name in found.scores
        ]
        self._say(_RIGHT_HALF, top, "scores (and share of the fused one)", weight="bold")
        colours = [_DARK if name == "fused" else COLOURS[0] for name in found.scores]
        top += _CAPTION
        self._draw_bars(top, names, {"": np.array(list(found.scores.values()))}, colours, ".2f")
        top += _ROW * len(names) + _BETWEEN
        if found.linear is None:
            return
        self._say(_RIGHT_HALF, top, "what each word adds to the linear score", weight="bold")
        parts = {"as a word": found.linear.of_words}
        if found.linear.of_sentence.any():
            parts["to the sentence"] = found.linear.of_sentence
        words = [_shortened(word, _LONGEST_WORD) for word in found.linear.words]
        self._draw_bars(top + _CAPTION, words, parts, [COLOURS[0]] * len(words), "+.3f")

    def _draw_bars(
        self,
        top: float,
        names: Sequence[str],
        parts: Mapping[str, np.ndarray],
        colours: Sequence[str],
        form: str,
    ) -> None:
        """Draws beside each name a bar for each part, with its value; a second part has one colour."""
        left = _RIGHT_HALF + _room_of(names)
        width = _WIDTH - _MARGIN - left
        axes = self._place(left, top, width, _ROW * len(names))
        thick = 0.72 / len(parts)
        for place, (label, values) in enumerate(parts.items()):
            y = np.arange(len(names)) + (place + 0.5) * thick - 0.36
            axes.barh(y, values, 0.94 * thick, color=COLOURS[1] if place else colours, label=label)
            for at, value in zip(y, values, strict=True):
                size, end = _SMALL if len(parts) == 1 else _TINY, (max(float(value), 0.0), at)
                axes.annotate(
                    f"{value:{form}}", end, (3, 0), textcoords="offset points", va="center", size=size
                )
        lowest = min(0.0, *(float(values.min()) for values in parts.values()))
        highest = max(lowest + 1e-3, *(float(values.max()) for values in parts.values()))
        room = (highest - lowest) * _VALUE / (width - _VALUE)
        axes.set(xlim=(lowest, highest + room), ylim=(len(names) - 0.5, -0.5), xticks=[])
        axes.axvline(0.0, color=GREY, linewidth=0.8)
        axes.set_yticks(range(len(names)), names, size=_TEXT)
        if len(parts) > 1:
            axes.legend(fontsize=_SMALL, frameon=False, loc="upper right", bbox_to_anchor=(1.0, 0.0), ncols=2)


def _cosines(found: Explanation) -> _HeatMap:
    def labels(of_level: LevelExplanation) -> list[str]:
        pairs = zip(of_level.phrases, of_level.scores, strict=True)
        return [f"{_shortened(phrase)}  {score:.2f}" for phrase, score in pairs]

    levels = [
        (f"{name}: {found.scores[name]:.2f}", labels(one), one.cosines) for name, one in found.levels.items()
    ]
    return _HeatMap("cosine of each phrase (with its score) and frame", levels)


def _attention(found: Explanation) -> _HeatMap:
    levels = [
        (name, [*map(_shortened, one.phrases)], 100 * one.attention) for name, one in found.levels.items()
    ]
    return _HeatMap("attention of each phrase over the frames, %", levels)


def _shortened(label: str, longest: int = _LONGEST_PHRASE) -> str:
    return label if len(label) <= longest else f"{label[: longest - 1]}…"


def _room_of(labels: Sequence[str]) -> float:
    """Returns the room beside an axis that the longest of its labels needs."""
    widths = [TextPath((0, 0), label, size=_TEXT).get_extents().width for label in labels if label.strip()]
    return max(widths, default=0.0) / _POINTS + _GAP
