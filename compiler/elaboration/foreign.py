"""What people write who come from PyTorch, Keras or Python, and what to write here; read after a mistake only."""

from collections.abc import Sequence

from archc.compiler.ops import OPS
from archc.compiler.ops.entry import REQUIRED

# Names of layers and functions, without `_`, case and dimension, that are no op's own name.
STAGES: dict[str, str] = {
    "dense": "write `linear(out_features)`",
    "fc": "write `linear(out_features)`, with a label if the name matters: `fc: linear(out_features)`",
    "fullyconnected": "write `linear(out_features)`",
    "convolution": "write `conv(out_channels, kernel_size)`",
    "convtransposed": "write `conv_transpose(out_channels, kernel_size)`",
    "convtranspose": "write `conv_transpose(out_channels, kernel_size)`",
    "conv2dtranspose": "write `conv_transpose(out_channels, kernel_size)`",
    "conv1dtranspose": "write `conv_transpose(out_channels, kernel_size)`",
    "deconv": "write `conv_transpose(out_channels, kernel_size)`",
    "depthwiseconv": "write `conv(in.channels, kernel_size, groups=in.channels)`",
    "separableconv": "write `conv(in.channels, kernel_size, groups=in.channels) -> conv(out_channels, 1)`",
    "bn": "write `batch_norm`, with a label if the name matters: `bn: batch_norm`",
    "batchnormalization": "write `batch_norm`",
    "layernormalization": "write `layer_norm`",
    "groupnormalization": "write `group_norm(num_groups)`",
    "syncbatchnorm": "write `batch_norm`; training on several devices converts it",
    "lrn": "write `local_response_norm(size)`",
    "pool": "write `max_pool(kernel_size)` or `avg_pool(kernel_size)`",
    "pooling": "write `max_pool(kernel_size)` or `avg_pool(kernel_size)`",
    "maxpooling": "write `max_pool(kernel_size)`",
    "averagepooling": "write `avg_pool(kernel_size)`",
    "averagepool": "write `avg_pool(kernel_size)`",
    "globalaveragepooling": "write `global_avg_pool -> flatten`",
    "globalavgpooling": "write `global_avg_pool -> flatten`",
    "globalaveragepool": "write `global_avg_pool -> flatten`",
    "gap": "write `global_avg_pool -> flatten`",
    "globalmaxpooling": "write `adaptive_max_pool(1) -> flatten`",
    "globalmaxpool": "write `adaptive_max_pool(1) -> flatten`",
    "act": "write the activation's name: `relu`, `gelu`, `silu`, ...",
    "activation": "write the activation's name: `relu`, `gelu`, `silu`, ...",
    "swish": "write `silu`",
    "hswish": "write `hardswish`",
    "dropblock": "write `feature_dropout(p)`, which drops whole channels",
    "dropout1d": "write `feature_dropout(p)`, which drops whole channels as `Dropout1d` does",
    "dropout2d": "write `feature_dropout(p)`, which drops whole channels as `Dropout2d` does",
    "dropout3d": "write `feature_dropout(p)`, which drops whole channels as `Dropout3d` does",
    "spatialdropout": "write `feature_dropout(p)`, which drops whole channels",
    "droppath": 'write `stochastic_depth(p, "row")`',
    "cat": "write `concat { a; b }`: one statement in the braces for each value",
    "concatenate": "write `concat { a; b }`: one statement in the braces for each value",
    "plus": "write `add { identity; ... }`: one statement in the braces for each value",
    "multiply": "write `mul { identity; ... }`, or `mul(0.5)` for a number",
    "scale": "write `mul(0.5)` for a number, `mul { identity; ... }` for values",
    "subtract": "write `sub { identity; ... }`: one statement in the braces for each value",
    "residual": "write `add { identity; { ... } }`",
    "skip": "write `add { identity; { ... } }`",
    "shortcut": "write `add { identity; { ... } }`",
    "view": "write `flatten`, or `reshape([...])` with the sizes without the batch",
    "flat": "write `flatten`",
    "ravel": "write `flatten`",
    "bmm": "write `matmul { a; b }`",
    "mm": "write `matmul { a; b }`",
    "dot": "write `matmul { a; b }`",
    "einsum": "write `matmul { a; b }`, with `transpose` or `rearrange` in its branches",
    "swapaxes": "write `transpose(1, 2)`: the batch is axis 0",
    "upsampling": "write `interpolate(scale_factor=2)`",
    "resize": "write `interpolate([height, width])`",
    "zeropad": "write `pad([left, right, top, bottom])`",
    "zeropadding": "write `pad([left, right, top, bottom])`",
    "reflectionpad": 'write `pad([left, right, top, bottom], mode="reflect")`',
    "replicationpad": 'write `pad([left, right, top, bottom], mode="replicate")`',
    "mha": "write `multihead_attention(num_heads) { query; key; value }`",
    "attention": "write `multihead_attention(num_heads) { identity; identity; identity }`",
    "selfattention": "write `multihead_attention(num_heads) { identity; identity; identity }`",
    "sequential": "leave it out: statements run in order, `a -> b`, and braces gather them: `{ ... }`",
    "modulelist": "write `repeat n { ... }` or `for x in list { ... }`",
    "inputlayer": "declare it at the start of the arch: `input image: [3, 32, 32]`",
    "noop": "write `identity`",
    "positionalembedding": "write `add { identity; position: parameter([length, width]) }`",
    "self": "leave it out: a stage uses an op directly, `conv(64, 3) -> relu`",
    "x": "name a value where it is made, `... as x`; the flow itself needs no name",
    "out": "name a value where it is made, `... as out`; the flow itself needs no name",
    "inputs": "an arch declares its input, `input image: [3, 32, 32]`, and starts from it",
    "print": "leave it out: `archc build FILE --summary` shows every size",
    "size": "the sizes of a value are `v.shape`, `v.channels`, `v.height`, `v.width`, `v.features`",
    "shape": "the sizes of a value are `v.shape`, `v.channels`, `v.height`, `v.width`, `v.features`",
    "nn": "leave it out: ops have no prefix, `conv(64, 3)`",
    "f": "leave it out: ops have no prefix, `relu`",
    "torch": "leave it out: ops and functions have no prefix",
    "math": "leave it out: `ceil`, `floor`, `sqrt`, `exp`, `log` and others are known by their names",
    "np": "leave it out: `ceil`, `floor`, `sqrt`, `exp`, `log` and others are known by their names",
    "true": "write `true`",
    "false": "write `false`",
}  # fmt: skip

# Names of arguments elsewhere, and those that an op may have instead, the first that it has.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "k": ("kernel_size",),
    "kernel": ("kernel_size",),
    "ksize": ("kernel_size",),
    "size": ("kernel_size", "output_size", "out_features"),
    "window": ("kernel_size",),
    "pool_size": ("kernel_size",),
    "s": ("stride",),
    "strides": ("stride",),
    "pad": ("padding",),
    "pads": ("padding",),
    "dilation_rate": ("dilation",),
    "dilations": ("dilation",),
    "filters": ("out_channels",),
    "channels": ("out_channels",),
    "planes": ("out_channels",),
    "out_planes": ("out_channels",),
    "out_ch": ("out_channels",),
    "out": ("out_channels", "out_features"),
    "units": ("out_features", "hidden_size"),
    "features": ("out_features",),
    "out_dim": ("out_features", "out_channels"),
    "hidden": ("hidden_size", "out_features"),
    "use_bias": ("bias",),
    "rate": ("p",),
    "drop": ("p",),
    "drop_rate": ("p",),
    "dropout": ("p",),
    "prob": ("p",),
    "probability": ("p",),
    "alpha": ("negative_slope",),
    "slope": ("negative_slope",),
    "epsilon": ("eps",),
    "axis": ("dim", "dims"),
    "axes": ("dims", "dim"),
    "keepdims": ("keepdim",),
    "heads": ("num_heads",),
    "n_heads": ("num_heads",),
    "nhead": ("num_heads",),
    "groups": ("num_groups",),
    "scale": ("scale_factor",),
    "output_shape": ("output_size",),
    "target_shape": ("shape",),
    "input_dim": ("num_embeddings",),
    "output_dim": ("embedding_dim",),
    "depth_multiplier": ("out_channels",),
}

# Arguments that are said in another way here, whatever the op.
ELSEWHERE: dict[str, str] = {
    "activation": "write it as the next stage, `-> relu`",
    "act": "write it as the next stage, `-> relu`",
    "norm": "write it as the next stage, `-> batch_norm`",
    "inplace": "leave it out: it changes nothing of the network",
    "device": "leave it out: the module is moved in Python, `model.to(device)`",
    "dtype": "leave it out: the module is converted in Python, `model.half()`",
    "batch_first": "leave it out: the batch is always axis 0",
    "input_shape": "leave it out: `input image: [3, 32, 32]` declares the sizes",
    "data_format": "leave it out: channels come first",
    "name": "write it as a label before the stage, `stem: conv(...)`",
    "kernel_initializer": "write a statement `init conv: xavier_uniform`",
    "weight_init": "write a statement `init conv: xavier_uniform`",
    "return_indices": "leave it out: an op leaves values that the network computes with",
    "return_sequences": "leave it out: every step is returned; `select(1, -1)` takes the last",
}


def stage_meant(name: str) -> str:
    """Return what to write instead of the name of a layer elsewhere; nothing where none is known.

    >>> stage_meant("BatchNorm2d")
    'write `batch_norm`; `num_features` follows from the input'
    >>> stage_meant("Dense")
    'write `linear(out_features)`; `in_features` follows from the input'
    """
    plain = name.replace("_", "").lower()
    bare = plain[:-2] if plain[-2:] in ("1d", "2d", "3d") else plain
    meant = STAGES.get(plain) or STAGES.get(bare)
    if meant is not None:
        op = OPS.get(meant.split("`")[1].split("(")[0]) if "`" in meant else None
    else:
        op = next((op for text, op in OPS.items() if text.replace("_", "") == bare), None)
        if op is None:
            return ""
        needed = ", ".join(parameter.name for parameter in op.parameters if parameter.default is REQUIRED)
        meant = f"write `{op.name}({needed})`" if needed else f"write `{op.name}`"
    if op is not None and op.inferred and len(meant) < 60:
        meant += f"; `{op.inferred[0]}` follows from the input"
    return meant


def argument_meant(name: str, names: Sequence[str]) -> str:
    """Return what to write instead of an argument's name elsewhere; nothing where none is known.

    >>> argument_meant("strides", ["out_channels", "kernel_size", "stride"])
    'write `stride=...`'
    """
    for meant in ARGUMENTS.get(name.lower(), ()):
        if meant in names:
            return f"write `{meant}=...`"
    return ELSEWHERE.get(name.lower(), "")
