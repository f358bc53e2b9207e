"""Attention: every place of one sequence looks at every place of another."""

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem, Weight
from archc.compiler.ops.field import Field, mixing, whole
from archc.compiler.ops.kept import Kept
from archc.compiler.ops.kinds import FLAG, POSITIVE, POSITIVE_NUMBER, PROBABILITY, optional
from archc.compiler.ops.rules import batched, construct, divided, elements, floating, same_dtype

# ---- multihead_attention


def _streams(call: Call) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value; one value alone is all three."""
    if len(call.inputs) == 3:
        query, key, value = call.inputs
        return query, key, value
    return call.x, call.x, call.x


def _widths(call: Call) -> tuple[int, int, int]:
    query, key, value = (call.known(x.shape[1], "the number of features") for x in _streams(call))
    return query, key, value


def multihead_attention_shape(call: Call) -> tuple[Tensor, ...]:
    name = "multihead_attention"
    floating(call, name, weights=True)
    if len(call.inputs) == 2:
        raise Problem(
            "E0401",
            f"`{name}` takes one value, which attends to itself, or three: query, key and value",
            "has two",
            help=f"`{name}(...) {{ query; key; value }}`",
        )
    for index in range(len(call.inputs)):
        x = batched(call, name, index)
        if len(x.shape) != 2:
            raise Problem(
                "E0303",
                f"`{name}` works on sequences, length x features, but the input is {x}",
                f"{x}: {len(x.shape)} axes",
                input=index,
                help='`rearrange("c h w -> (h w) c")` makes a sequence of a map' if len(x.shape) == 3 else "",
            )
    query, key, value = _streams(call)
    divided(call, query.shape[1], "num_heads", "the number of features")
    _widths(call)
    if not call.equal(key.shape[0], value.shape[0]):
        raise Problem(
            "E0301",
            f"`{name}` needs a value for each key: branch 2 is {key}, branch 3 is {value}",
            f"{value}: {value.shape[0]} values",
            input=2,
        )
    return (query,)


def multihead_attention_weights(call: Call) -> tuple[Weight, ...]:
    width, of_key, of_value = _widths(call)
    if width == of_key == of_value:
        weights = [Weight("in_proj_weight", (3 * width, width))]
    else:
        weights = [
            Weight("q_proj_weight", (width, width)),
            Weight("k_proj_weight", (width, of_key)),
            Weight("v_proj_weight", (width, of_value)),
        ]
    bias = call.flag("bias")
    if bias:
        weights.append(Weight("in_proj_bias", (3 * width,)))
    if call.flag("add_bias_kv"):
        weights += [Weight("bias_k", (1, 1, width)), Weight("bias_v", (1, 1, width))]
    weights.append(Weight("out_proj.weight", (width, width)))
    if bias:
        weights.append(Weight("out_proj.bias", (width,)))
    return tuple(weights)


def multihead_attention_macs(call: Call) -> Size:
    (query, key, _), (width, of_key, of_value) = _streams(call), _widths(call)
    seen = key.shape[0] + call.flag("add_bias_kv") + call.flag("add_zero_attn")
    projections = query.shape[0] * (2 * width * width) + key.shape[0] * (width * (of_key + of_value))
    return projections + query.shape[0] * seen * (2 * width)


def _attended_field(call: Call, source: int, result: int) -> Field:
    """A place of the output is one of the query; keys and values are read as a whole."""
    if len(call.inputs) == 1:
        return whole(call, source, result)
    return mixing(-1)(call, source, result) if source == 0 else mixing(-2, -1)(call, source, result)


def _attended(call: Call) -> Expression:
    inputs = "{0}, {1}, {2}" if len(call.inputs) == 3 else "{0}, {0}, {0}"
    return Expression(f"{{module}}({inputs}, need_weights=False)[0]")


def multihead_attention_keeps(call: Call) -> Kept:
    """The inputs with the length first, their projections, the result before the last one, and how much is attended."""
    (query, key, value), width = _streams(call), _widths(call)[0]
    seen = key.shape[0] + call.flag("add_bias_kv") + call.flag("add_zero_attn")
    dropped = call.number("dropout") > 0
    projected = query._replace(shape=(query.shape[0], width))
    of_seen = query._replace(shape=(seen, width))
    if len(call.inputs) == 1:
        kept = [query, query._replace(shape=(3, *query.shape)), *[projected] * (2 * dropped)]
    else:
        kept = [query, key, value, projected, of_seen, of_seen]
    heads = call.integer("num_heads")
    if dropped:  # written out: the weights, those that are dropped, and what is left
        weights = [query._replace(shape=(heads, query.shape[0], seen))] * 3
    else:
        weights = [query._replace(shape=(heads, query.shape[0]))]
    return Kept((), (), (*kept, projected, *weights))


MULTIHEAD_ATTENTION = Op(
    name="multihead_attention",
    inferred=("embed_dim", "kdim", "vdim"),
    role="attention",
    summary="Attention with several heads and learned projections: of one sequence to itself, or of query, key, value.",
    parameters=(
        Parameter("num_heads", POSITIVE),
        Parameter("dropout", PROBABILITY, 0.0),
        Parameter("bias", FLAG, True),
        Parameter("add_bias_kv", FLAG, False),
        Parameter("add_zero_attn", FLAG, False),
    ),
    inputs=(1, 3),
    shape=multihead_attention_shape,
    module=lambda call: construct(
        "nn.MultiheadAttention",
        _widths(call)[0],
        call.integer("num_heads"),
        keywords=[
            ("dropout", call.arguments["dropout"], 0.0),
            ("bias", call.flag("bias"), True),
            ("add_bias_kv", call.flag("add_bias_kv"), False),
            ("add_zero_attn", call.flag("add_zero_attn"), False),
            ("kdim", _widths(call)[1], _widths(call)[0]),
            ("vdim", _widths(call)[2], _widths(call)[0]),
            ("batch_first", True, False),
        ],
    ),
    apply=_attended,
    weights=multihead_attention_weights,
    macs=multihead_attention_macs,
    field=_attended_field,
    keeps=multihead_attention_keeps,
    label=lambda call: f"attention, {call.integer('num_heads')} heads",
    examples=(
        Example("multihead_attention(4)", ((7, 16),)),
        Example("multihead_attention(2, bias=false)", ((7, 16), (9, 16), (9, 16))),
        Example("multihead_attention(4, add_bias_kv=true, add_zero_attn=true)", ((7, 16), (9, 6), (9, 5))),
        Example("multihead_attention(1, dropout=0.1)", ((3, 4), (5, 4), (5, 8))),
    ),
)


# ---- scaled_dot_product_attention


def dot_product_shape(call: Call) -> tuple[Tensor, ...]:
    name = "scaled_dot_product_attention"
    floating(call, name)
    same_dtype(call, name)
    query, key, value = call.inputs
    for index, x in enumerate(call.inputs):
        batched(call, name, index)
        if not 2 <= len(x.shape) == len(query.shape):
            raise Problem(
                "E0303",
                f"`{name}` works on sequences, length x features, with the same axes before them: "
                f"branch {index + 1} is {x}",
                f"{x}: {len(x.shape)} axes",
                input=index,
            )
    pairs = [(1, query, key, -1), (2, key, value, -2)]
    pairs += [(i, query, x, place) for i, x in ((1, key), (2, value)) for place in range(len(x.shape) - 2)]
    for index, first, second, place in pairs:
        if not call.equal(first.shape[place], second.shape[place]):
            raise Problem(
                "E0301",
                f"`{name}` needs keys as wide as queries and a value for each key: "
                f"the branches are {query}, {key} and {value}",
                f"this branch is {second}",
                input=index,
            )
    return (query._replace(shape=(*query.shape[:-1], value.shape[-1])),)


def dot_product_function(call: Call) -> Expression:
    text, values = "", {}
    for name, default in (("is_causal", False), ("scale", None)):
        if call.arguments[name] is not default:
            text += f", {name}={{{name}}}"
            values[name] = call.arguments[name]
    return Expression(f"F.scaled_dot_product_attention({{0}}, {{1}}, {{2}}{text})", values)


def dot_product_macs(call: Call) -> Size:
    query, key, value = call.inputs
    return elements(query.shape) * key.shape[-2] + elements(call.y.shape) * value.shape[-2]


def dot_product_keeps(call: Call) -> Kept:
    query, key, value = call.inputs
    if len(query.shape) == 3 and query.shape[-1] == value.shape[-1]:  # torch's fused function: the sums of its rows
        return Kept((0, 1, 2), (0,), (query._replace(shape=query.shape[:-1]),))
    return Kept((2,), (), (query, key, query._replace(shape=(*query.shape[:-1], key.shape[-2]))))


SCALED_DOT_PRODUCT_ATTENTION = Op(
    name="scaled_dot_product_attention",
    role="attention",
    summary="softmax(q k / sqrt(d)) v of a query, a key and a value, without weights.",
    parameters=(Parameter("is_causal", FLAG, False), Parameter("scale", optional(POSITIVE_NUMBER), None)),
    inputs=(3, 3),
    shape=dot_product_shape,
    function=dot_product_function,
    macs=dot_product_macs,
    field=_attended_field,
    keeps=dot_product_keeps,
    label=lambda call: "attention",
    examples=(
        Example("scaled_dot_product_attention", ((4, 7, 8), (4, 9, 8), (4, 9, 6))),
        Example("scaled_dot_product_attention(is_causal=true, scale=0.5)", ((2, 7, 8), (2, 7, 8), (2, 7, 8))),
    ),
)

ATTENTIONS = (MULTIHEAD_ATTENTION, SCALED_DOT_PRODUCT_ATTENTION)
