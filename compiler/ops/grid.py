"""Sampling a map at computed places, as spatial transformers do."""

from archc.compiler.algebra.sizes import Size
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import lost
from archc.compiler.ops.kept import its_inputs
from archc.compiler.ops.kinds import FLAG, SIZES_PER_AXIS, choice, optional
from archc.compiler.ops.rules import batched, floating, same_dtype, spatial, times
from archc.compiler.ops.symbolic import placed

# ---- affine_grid


def _grid_sizes(call: Call) -> tuple[Size, ...]:
    """The spatial sizes of the grid: as given, or those of the second value."""
    size = call.arguments["size"]
    if (size is None) == (len(call.inputs) == 1):
        raise Problem(
            "E0201" if size is None else "E0203",
            "`affine_grid` takes either `size` or a second value to be as large as",
            "both are missing" if size is None else "beside a second value",
            argument="" if size is None else "size",
            help="`affine_grid { theta; image }` or `affine_grid((28, 28))`",
        )
    axes = 2 if call.x.shape == (2, 3) else 3
    if size is None:
        sizes = batched(call, "affine_grid", 1).shape[1:]
    else:
        sizes = call.sizes("size") if isinstance(size, list | tuple) else (size,) * axes  # type: ignore[assignment]
    if len(sizes) != axes:
        raise Problem(
            "E0303",
            f"`affine_grid` makes a grid of {axes} axes from {call.x}: {len(sizes)} sizes do not fit",
            f"{len(sizes)} sizes",
            argument="" if size is None else "size",
            input=1 if size is None else None,
        )
    return sizes


def affine_grid_shape(call: Call) -> tuple[Tensor, ...]:
    floating(call, "affine_grid")
    x = batched(call, "affine_grid")
    if tuple(call.known(size, "a size of an affine matrix") for size in x.shape) not in ((2, 3), (3, 4)):
        raise Problem(
            "E0301",
            f"`affine_grid` needs a 2x3 matrix for each sample (3x4 over three axes), but the input is {call.x}",
            f"this is {call.x}",
            input=0,
            help="`linear(6) -> unflatten(-1, (2, 3))` makes one",
        )
    sizes = _grid_sizes(call)
    if not all(map(call.fits, sizes)):
        raise Problem("E0302", f"no place is left: {times(sizes)}", f"is {times(sizes)}", argument="size")
    affine_grid_function(call)  # which finds sizes that the input does not tell
    return (Tensor((*sizes, len(sizes)), call.x.dtype),)


def affine_grid_function(call: Call) -> Expression:
    values: dict[str, object] = {"align": call.flag("align_corners")}
    texts = [placed(call, size, f"s{i}", values, argument="size") for i, size in enumerate(_grid_sizes(call))]
    return Expression(f"F.affine_grid({{0}}, [{{0}}.shape[0], 1, {', '.join(texts)}], align_corners={{align}})", values)


AFFINE_GRID = Op(
    name="affine_grid",
    role="resample",
    summary="The places that an affine map of each sample moves a grid to, for `grid_sample`.",
    parameters=(Parameter("size", optional(SIZES_PER_AXIS), None), Parameter("align_corners", FLAG, False)),
    inputs=(1, 2),
    shape=affine_grid_shape,
    function=affine_grid_function,
    field=lost,
    label=lambda call: "affine grid",
    examples=(
        Example("affine_grid((5, 6))", ((2, 3),)),
        Example("affine_grid(align_corners=true)", ((2, 3), (1, 28, 20))),
        Example("affine_grid((3, 5, 6))", ((3, 4),)),
    ),
)


# ---- grid_sample


def grid_sample_shape(call: Call) -> tuple[Tensor, ...]:
    same_dtype(call, "grid_sample")
    axes = len(spatial(call, "grid_sample", least=2))
    grid = batched(call, "grid_sample", 1)
    if len(grid.shape) != axes + 1 or not call.equal(grid.shape[-1], axes):
        raise Problem(
            "E0301",
            f"`grid_sample` needs {axes} coordinates for each place of the result: branch 1 is {call.x}, "
            f"branch 2 is {grid}",
            f"this branch is {grid}",
            input=1,
            help="`affine_grid` makes a grid",
        )
    if call.text("mode") == "bicubic" and axes == 3:
        raise Problem(
            "E0205",
            f'`mode="bicubic"` is for 2 spatial axes, but the input {call.x} has 3',
            "the input has 3 spatial axes",
            argument="mode",
        )
    return (Tensor((call.x.shape[0], *grid.shape[:-1]), call.x.dtype),)


def grid_sample_function(call: Call) -> Expression:
    text, values = "", {}
    for name, default in (("mode", "bilinear"), ("padding_mode", "zeros")):
        if call.arguments[name] != default:
            text += f", {name}={{{name}}}"
            values[name] = call.arguments[name]
    values["align"] = call.flag("align_corners")
    return Expression(f"F.grid_sample({{0}}, {{1}}{text}, align_corners={{align}})", values)


GRID_SAMPLE = Op(
    name="grid_sample",
    role="resample",
    summary="Samples a map at the places that the second value holds, from -1 to 1 along each axis.",
    parameters=(
        Parameter("mode", choice("bilinear", "nearest", "bicubic"), "bilinear"),
        Parameter("padding_mode", choice("zeros", "border", "reflection"), "zeros"),
        Parameter("align_corners", FLAG, False),
    ),
    inputs=(2, 2),
    shape=grid_sample_shape,
    function=grid_sample_function,
    field=lost,
    keeps=its_inputs,
    label=lambda call: "grid sample",
    examples=(
        Example("grid_sample", ((3, 8, 9), (5, 6, 2))),
        Example('grid_sample("nearest", padding_mode="border", align_corners=true)', ((3, 8, 9), (5, 6, 2))),
        Example("grid_sample", ((3, 4, 5, 6), (2, 3, 4, 3))),
    ),
)

GRIDS = (AFFINE_GRID, GRID_SAMPLE)
