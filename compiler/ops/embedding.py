"""Vectors for whole numbers."""

from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, Example, Op, Parameter, Problem, Weight
from archc.compiler.ops.field import Field, identity
from archc.compiler.ops.given import accepting_weights, functional
from archc.compiler.ops.kept import its_input
from archc.compiler.ops.kinds import FLAG, INTEGER, NUMBER, POSITIVE, POSITIVE_NUMBER, optional
from archc.compiler.ops.rules import construct


def embedding_shape(call: Call) -> tuple[Tensor, ...]:
    if call.x.dtype not in ("int32", "int64"):
        raise Problem(
            "E0307",
            f"`embedding` looks up whole numbers, but the input holds {call.x.dtype}",
            call.x.dtype,
            input=0,
            help="declare the input with a dtype: `input tokens: [16] int64`",
        )
    padding, count = call.arguments["padding_idx"], call.integer("num_embeddings")
    if isinstance(padding, int) and not -count <= padding < count:
        raise Problem(
            "E0205",
            f"`padding_idx` is one of the {count} embeddings: from {-count} to {count - 1}, not {padding}",
            f"not from {-count} to {count - 1}",
            argument="padding_idx",
        )
    return (call.x._replace(shape=(*call.x.shape, call.integer("embedding_dim")), dtype="float32"),)


def embedding_module(call: Call) -> Construct:
    return construct(
        "nn.Embedding",
        call.integer("num_embeddings"),
        call.integer("embedding_dim"),
        keywords=[
            ("padding_idx", call.arguments["padding_idx"], None),
            ("max_norm", call.arguments["max_norm"], None),
            ("norm_type", call.arguments["norm_type"], 2.0),
            ("scale_grad_by_freq", call.flag("scale_grad_by_freq"), False),
            ("sparse", call.flag("sparse"), False),
        ],
    )


EMBEDDING = Op(
    name="embedding",
    role="embedding",
    summary="Looks up a learned vector for each whole number.",
    parameters=(
        Parameter("num_embeddings", POSITIVE),
        Parameter("embedding_dim", POSITIVE),
        Parameter("padding_idx", optional(INTEGER), None),
        Parameter("max_norm", optional(POSITIVE_NUMBER), None),
        Parameter("norm_type", NUMBER, 2.0),
        Parameter("scale_grad_by_freq", FLAG, False),
        Parameter("sparse", FLAG, False),
    ),
    shape=embedding_shape,
    module=embedding_module,
    weights=lambda call: (Weight("weight", (call.integer("num_embeddings"), call.integer("embedding_dim"))),),
    field=lambda call, source, result: Field((*identity(call.x), None)),
    keeps=its_input,
    label=lambda call: f"embedding {call.integer('num_embeddings')}×{call.integer('embedding_dim')}",
    examples=(
        Example("embedding(100, 16)", ((7,),), ("int64",)),
        Example("embedding(10, 4, padding_idx=-1)", ((3, 5),), ("int32",)),
    ),
)

EMBEDDINGS = (
    accepting_weights(
        EMBEDDING,
        Example("embedding(padding_idx=0)", ((7,), (100, 16)), ("int64", "float32"), (1,)),
        rank=lambda call: 2,
        derive=lambda call, weight: {"num_embeddings": weight[0], "embedding_dim": weight[1]},
        function=lambda call: functional("F.embedding", call, embedding_module(call)),
        most=1,
    ),
)
