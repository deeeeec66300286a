"""The configuration of the network: its levels, what reads captions, and its sizes."""

from typing import Any, Literal

from pydantic import StrictBool, field_validator
from pydantic.dataclasses import dataclass

from data_pipeline.errors import nearest_name
from data_pipeline.host.typed_values import RULES, Count, ProperShare
from data_pipeline.levels import GLOBAL, LEVELS


@dataclass(frozen=True, config=RULES)
class ModelConfig:
    """The two encoders and the shared attribute projector."""

    levels: tuple[str, ...] = LEVELS
    """The semantic levels that are compared."""
    sentence_node: StrictBool = False
    """The sentence joins its graph as a node: actions attend to it, and it becomes the global vector."""
    modifiers: StrictBool = True
    """Nodes see their modifiers, such as the colour of a thing that "is red"."""
    context: Literal["bigru", "transformer", "pretrained"] = "bigru"
    """How tokens see each other."""
    pretrained: str = ""
    """Encoder of the context pretrained: minilm (a package), or a folder; by default that of pretrained_video."""
    pretrained_video: str = ""
    """Folder of the image-text encoder that made the frames: its score is the start, and training adds to it."""
    zero_shot_only: StrictBool = False
    """The score of pretrained_video is all there is: no encoder is trained beside it."""
    spatial: Literal["attention", "strongest"] = "attention"
    """How entities see a frame's regions: as their weighted mean, or by the strongest responses to a second layer."""
    region_pairs: StrictBool = False
    """Relationships see how the regions of each ordered pair change together, where a frame has several."""
    temporal: Literal["convolution", "bigru", "attention", "none"] = "convolution"
    """Structure of the action level over frames; none leaves each frame alone."""
    frame_pooling: Literal["attention", "mean"] = "attention"
    """How frames become the global vector: attention has learned weights."""
    width: Count = 1024
    """Size of the vectors that are compared, and of the layers before them."""
    word_width: Count = 300
    """Size of the word embedding."""
    share_attribute_projection: StrictBool = True
    """One projection for both modalities (the paper's); False gives each its own."""
    dropout: ProperShare = 0.2
    """Share of the values that are dropped in training."""
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the inputs of large products. Parameters and sums are float32."""
    matmul_precision: Literal["default", "high", "highest"] = "default"
    """Of the encoders' float32 products and gradients: default (the device's own), high, or highest (float32)."""
    remat: StrictBool = False
    """Layers of transformers and levels of videos are computed again for the gradient: less memory, more time."""

    @field_validator("levels")
    @classmethod
    def _each_level_once(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        if levels and set(levels) <= set(LEVELS) and len(set(levels)) == len(levels):
            return levels
        unknown = next((level for level in levels if level not in LEVELS), "")
        known = f"{nearest_name(unknown, LEVELS)}expected some of {', '.join(LEVELS)}, each once"
        raise ValueError(f"config.model.levels is {levels!r}; {known}")

    @field_validator("sentence_node")
    @classmethod
    def _sentence_has_a_level(cls, sentence_node: bool, info: Any) -> bool:
        if sentence_node and GLOBAL not in info.data.get("levels", LEVELS):
            raise ValueError(f"config.model.sentence_node needs {GLOBAL} in config.model.levels")
        return sentence_node

    @field_validator("pretrained")
    @classmethod
    def _context_has_its_encoder(cls, pretrained: str, info: Any) -> str:
        context = info.data.get("context")
        if context and pretrained and context != "pretrained":
            raise ValueError(
                f"config.model.context is {context!r} and config.model.pretrained is {pretrained!r}; the context "
                "'pretrained' needs the name or folder of an encoder, and no other context has one"
            )
        return pretrained

    @field_validator("pretrained_video")
    @classmethod
    def _context_has_one_of_two(cls, pretrained_video: str, info: Any) -> str:
        context, pretrained = info.data.get("context"), info.data.get("pretrained")
        if context == "pretrained" and pretrained == "" and not pretrained_video:
            raise ValueError(
                "config.model.context is 'pretrained' and config.model.pretrained is ''; the context 'pretrained' "
                "needs the name or folder of an encoder, and no other context has one"
            )
        return pretrained_video

    @field_validator("zero_shot_only")
    @classmethod
    def _zero_shot_has_its_encoder(cls, zero_shot_only: bool, info: Any) -> bool:
        if zero_shot_only and info.data.get("pretrained_video") == "":
            raise ValueError(
                "config.model.zero_shot_only needs the folder of an image-text encoder in "
                "config.model.pretrained_video"
            )
        return zero_shot_only

    @field_validator("width")
    @classmethod
    def _width_divides(cls, width: int, info: Any) -> int:
        has_heads = info.data.get("context") == "transformer" or info.data.get("temporal") == "attention"
        if width % (divisor := 4 if has_heads else 2):
            raise ValueError(f"config.model.width is {width}; expected a multiple of {divisor}")
        return width
