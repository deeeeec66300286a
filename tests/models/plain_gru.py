"""The bidirectional GRU as a loop over tokens: of numpy arrays in double precision, or differentiated by JAX."""

from typing import Any

from mcsan_jax.models.recurrent import GRUWeights


def bidirectional_states(x: Any, mask: Any, weights: GRUWeights) -> Any:
    """The mean of the states of both directions, one direction and one token after the other."""
    xp = x.__array_namespace__()
    states = []
    for direction, times in enumerate((range(x.shape[1]), reversed(range(x.shape[1])))):
        kernel, bias, recurrent, recurrent_bias = (weight[direction] for weight in weights)
        h, outputs = xp.zeros((x.shape[0], recurrent.shape[0]), x.dtype), {}
        for time in times:
            a_r, a_z, a_n = xp.split(x[:, time] @ kernel + bias[None], 3, axis=1)
            u_r, u_z, u_n = xp.split(h @ recurrent, 3, axis=1)
            reset, update = 1.0 / (1.0 + xp.exp(-a_r - u_r)), 1.0 / (1.0 + xp.exp(-a_z - u_z))
            new = xp.tanh(a_n + reset * (u_n + recurrent_bias[None]))
            h = xp.where(mask[:, time, None], (1.0 - update) * new + update * h, h)
            outputs[time] = xp.where(mask[:, time, None], h, 0.0)
        states.append(xp.stack([outputs[time] for time in sorted(outputs)], axis=1))
    return (states[0] + states[1]) / 2.0


def weights_of_layer(params: Any) -> GRUWeights:
    """The parameters of a `BidirectionalGRU` in the order of the formulas: first forwards, then backwards."""
    kernel, bias = params["input"]["Dense_0"]["kernel"], params["input"]["Dense_0"]["bias"]
    xp, half = kernel.__array_namespace__(), kernel.shape[1] // 2
    return GRUWeights(
        kernel=xp.stack([kernel[:, :half], kernel[:, half:]]),
        bias=xp.stack([bias[:half], bias[half:]]),
        recurrent=params["recurrent"],
        recurrent_bias=params["recurrent_bias"][:, 0],
    )
