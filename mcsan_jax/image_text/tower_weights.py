"""Which weights of a Hugging Face model become which parameters of the towers."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from mcsan_jax.image_text.tower_shapes import TowersConfig, TransformerShape

Names = tuple[str, ...]
Arrays = Sequence[np.ndarray]


@dataclasses.dataclass(frozen=True)
class TowerWeight:
    """A parameter of a tower and the weights that it is made of.

    Attributes:
        path: the names that lead to it in the tree of parameters.
        shapes: the shapes of these weights by their names.
        made: makes it of them.
    """

    path: Names
    shapes: Mapping[str, tuple[int, ...]]
    made: Callable[[Arrays], np.ndarray]


def vision_weights(config: TowersConfig) -> list[TowerWeight]:
    """Returns all parameters of the image tower."""
    shape, blocks = config.vision, config.vision.blocks
    width, at = blocks.width, "vision_model.embeddings."
    patch_inputs = 3 * shape.patch_side**2
    is_clip = shape.family == "clip"
    if config.model_type == "siglip2":
        patches = _kernel(("patches",), [f"{at}patch_embedding"], patch_inputs, width)
    else:
        # A convolution has the axes output, channel, row, column; a patch has row, column, channel.
        patches = TowerWeight(
            ("patches", "kernel"),
            {f"{at}patch_embedding.weight": (width, 3, shape.patch_side, shape.patch_side)},
            lambda arrays: arrays[0].transpose(2, 3, 1, 0).reshape(patch_inputs, width),
        )
    rows, columns = shape.grid
    own = [
        patches,
        _plain(("places",), f"{at}position_embedding.weight", rows * columns + is_clip, width),
        *_norm(("post_norm",), "vision_model.post_layernorm", width),
        *_transformer("vision_model", blocks),
    ]
    if is_clip:
        return [
            *own,
            _plain(("class_token",), f"{at}class_embedding", width),
            *_norm(("pre_norm",), "vision_model.pre_layrnorm", width),
            _kernel(("projection",), ["visual_projection"], width, shape.width_out),
        ]
    return [
        *own,
        _bias(("patches",), [f"{at}patch_embedding"], width),
        *_pooling_head("vision_model.head", blocks),
    ]


def text_weights(config: TowersConfig) -> list[TowerWeight]:
    """Returns all parameters of the text tower."""
    shape, blocks = config.text, config.text.blocks
    at = "text_model.embeddings."
    words = ("words", "embedding")
    own = [
        _plain(words, f"{at}token_embedding.weight", shape.vocabulary_size, blocks.width),
        _plain(("places",), f"{at}position_embedding.weight", shape.places, blocks.width),
        *_norm(("post_norm",), "text_model.final_layer_norm", blocks.width),
        *_transformer("text_model", blocks),
    ]
    if shape.family == "clip":
        return [*own, _kernel(("projection",), ["text_projection"], blocks.width, shape.width_out)]
    return [*own, *_affine(("projection",), ["text_model.head"], blocks.width, shape.width_out)]


def _transformer(name: str, shape: TransformerShape) -> Iterator[TowerWeight]:
    width = shape.width
    for layer in range(shape.layers):
        path, at = ("blocks", f"layer_{layer}"), f"{name}.encoder.layers.{layer}"
        projections = [f"{at}.self_attn.{letter}_proj" for letter in "qkv"]
        yield from _norm((*path, "attention_norm"), f"{at}.layer_norm1", width)
        yield from _affine((*path, "query_key_value"), projections, width, width)
        yield from _affine((*path, "attention_output"), [f"{at}.self_attn.out_proj"], width, width)
        yield from _norm((*path, "inner_norm"), f"{at}.layer_norm2", width)
        yield from _feed_forward(path, at, shape)


def _feed_forward(path: Names, name: str, shape: TransformerShape) -> Iterator[TowerWeight]:
    path = (*path, "feed_forward")
    yield from _affine((*path, "expand"), [f"{name}.mlp.fc1"], shape.width, shape.inner_width)
    yield from _affine((*path, "contract"), [f"{name}.mlp.fc2"], shape.inner_width, shape.width)


def _pooling_head(name: str, shape: TransformerShape) -> Iterator[TowerWeight]:
    path, width = ("pooling",), shape.width
    yield TowerWeight(
        (*path, "probe"), {f"{name}.probe": (1, 1, width)}, lambda arrays: arrays[0].reshape(width)
    )
    kernel, bias = (
        {f"{name}.attention.in_proj_weight": (3 * width, width)},
        {f"{name}.attention.in_proj_bias": (3 * width,)},
    )
    yield TowerWeight((*path, "query", "kernel"), kernel, lambda arrays: arrays[0][:width].T)
    yield TowerWeight((*path, "query", "bias"), bias, lambda arrays: arrays[0][:width])
    yield TowerWeight((*path, "key_value", "kernel"), kernel, lambda arrays: arrays[0][width:].T)
    yield TowerWeight((*path, "key_value", "bias"), bias, lambda arrays: arrays[0][width:])
    yield from _affine((*path, "output"), [f"{name}.attention.out_proj"], width, width)
    yield from _norm((*path, "inner_norm"), f"{name}.layernorm", width)
    yield from _feed_forward(path, name, shape)


def _plain(path: Names, name: str, *shape: int) -> TowerWeight:
    return TowerWeight(path, {name: shape}, lambda arrays: arrays[0])


def _norm(path: Names, name: str, width: int) -> list[TowerWeight]:
    return [_plain((*path, "scale"), f"{name}.weight", width), _plain((*path, "bias"), f"{name}.bias", width)]


def _affine(path: Names, names: Sequence[str], inputs: int, outputs: int) -> list[TowerWeight]:
    return [_kernel(path, names, inputs, outputs), _bias(path, names, outputs)]


def _kernel(path: Names, names: Sequence[str], inputs: int, outputs: int) -> TowerWeight:
    """Returns the kernel of one affine map, made of those of several, whose outputs stand side by side."""
    shapes = {f"{name}.weight": (outputs, inputs) for name in names}
    return TowerWeight((*path, "kernel"), shapes, lambda arrays: np.concatenate(arrays).T)


def _bias(path: Names, names: Sequence[str], outputs: int) -> TowerWeight:
    return TowerWeight((*path, "bias"), {f"{name}.bias": (outputs,) for name in names}, np.concatenate)
