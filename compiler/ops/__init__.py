"""The operators of the language, one entry each, in files by family; nothing registers itself by being imported."""

from archc.compiler.ops.activation import ACTIVATIONS
from archc.compiler.ops.arithmetic import ARITHMETICS
from archc.compiler.ops.attention import ATTENTIONS
from archc.compiler.ops.combine import COMBINATIONS
from archc.compiler.ops.convolution import CONVOLUTIONS
from archc.compiler.ops.copies import COPIES
from archc.compiler.ops.edge import EDGES
from archc.compiler.ops.embedding import EMBEDDINGS
from archc.compiler.ops.entry import Op
from archc.compiler.ops.grid import GRIDS
from archc.compiler.ops.linear import LINEARS
from archc.compiler.ops.matmul import MATMUL
from archc.compiler.ops.norm import NORMS
from archc.compiler.ops.part import PARTS
from archc.compiler.ops.patches import PATCHES
from archc.compiler.ops.pooling import POOLINGS
from archc.compiler.ops.rearrange import REARRANGEMENTS
from archc.compiler.ops.recurrent import RECURRENTS
from archc.compiler.ops.regularisation import REGULARISATIONS
from archc.compiler.ops.resample import RESAMPLINGS
from archc.compiler.ops.shape import SHAPES
from archc.compiler.ops.unpooling import UNPOOLINGS
from archc.compiler.ops.value import VALUES

FAMILIES: tuple[tuple[Op, ...], ...] = (
    CONVOLUTIONS,
    LINEARS,
    NORMS,
    POOLINGS,
    UNPOOLINGS,
    ACTIVATIONS,
    REGULARISATIONS,
    COMBINATIONS,
    (MATMUL,),
    SHAPES,
    EDGES,
    PARTS,
    REARRANGEMENTS,
    PATCHES,
    COPIES,
    RESAMPLINGS,
    GRIDS,
    ARITHMETICS,
    ATTENTIONS,
    RECURRENTS,
    EMBEDDINGS,
    VALUES,
)

OPS: dict[str, Op] = {op.name: op for family in FAMILIES for op in family}

ROLES: dict[str, str] = {
    "convolution": "convolutions and transposed convolutions",
    "linear": "learned matrix products",
    "norm": "normalisation",
    "activation": "activations",
    "pooling": "pooling",
    "regularisation": "dropout and its relatives, active in training only",
    "combine": "several values into one",
    "shape": "axes, sizes and parts of a value",
    "resample": "other resolutions",
    "arithmetic": "calculations on numbers and axes",
    "attention": "attention",
    "recurrent": "recurrent layers",
    "embedding": "vectors for whole numbers",
    "value": "values of the network's own",
}
