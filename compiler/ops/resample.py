"""Other resolutions: interpolation, and exchanging channels for places."""

from collections.abc import Callable
from math import floor

from archc.compiler.algebra.sizes import Size, Symbolic, symbols
from archc.compiler.ir import Tensor
from archc.compiler.ops.entry import Call, Construct, Example, Expression, Op, Parameter, Problem
from archc.compiler.ops.field import Along, Field, Rule, identity, mixing
from archc.compiler.ops.kept import Kept
from archc.compiler.ops.kinds import FLAG, POSITIVE, SCALE_PER_AXIS, SIZE_PER_AXIS, SIZES_PER_AXIS, choice, optional
from archc.compiler.ops.rules import applied, batched, construct, divided, spatial, times
from archc.compiler.ops.symbolic import placed

# ---- interpolate and upsample

AXES_OF_MODE = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact")
EXACT_DENOMINATOR = (
    1024  # a scale such as 0.1 is no fraction that a float holds: only torch's own rounding gives the size
)


def _scaled(size: Size, scale: float) -> Size:
    """torch's floor(size * scale), computed in floating point as torch does."""
    if isinstance(size, int):
        return floor(float(size) * scale)
    above, below = float(scale).as_integer_ratio()
    if below > EXACT_DENOMINATOR:
        raise Problem(
            "E0305",
            f"{size} times {scale} has no exact size for every {', '.join(sorted(symbols(size)))}",
            "not a simple fraction",
            argument="scale_factor",
            help="use a factor such as 2, 0.5 or 0.25, or give `size`",
        )
    return size * above // below


def _per_axis(call: Call, name: str, axes: int) -> tuple[object, ...]:
    value = call.arguments[name]
    if not isinstance(value, list | tuple):
        return (value,) * axes
    if len(value) != axes:
        call.each(name, axes)
    return tuple(value)


def _interpolated(name: str) -> Callable[[Call], tuple[Tensor, ...]]:
    def rule(call: Call) -> tuple[Tensor, ...]:
        sizes = spatial(call, name)
        axes, mode = len(sizes), call.text("mode")
        size, scale = call.arguments["size"], call.arguments["scale_factor"]
        ways = (size is not None) + (scale is not None) + (len(call.inputs) == 2)
        if ways != 1:
            second = ", or a second value to be as large as" if name == "interpolate" else ""
            raise Problem(
                "E0203" if ways else "E0201",
                f"`{name}` takes either `size` or `scale_factor`{second}",
                f"{'two' if ways == 2 else 'three'} are given" if ways else "all are missing",
                argument="" if not ways else "scale_factor" if scale is not None else "size",
                help=f"`{name}(scale_factor=2)` doubles each axis",
            )
        if len(call.inputs) == 2 and len(batched(call, name, 1).shape) != len(call.x.shape):
            raise Problem(
                "E0303",
                f"`{name}` needs values with the same number of axes: "
                f"branch 1 is {call.x}, branch 2 is {call.inputs[1]}",
                f"this branch is {call.inputs[1]}",
                input=1,
            )
        if AXES_OF_MODE.get(mode, axes) != axes:
            fitting = [m for m in MODES if AXES_OF_MODE.get(m, axes) == axes]
            raise Problem(
                "E0205",
                f'`mode="{mode}"` is for {AXES_OF_MODE[mode]} spatial axes, but the input {call.x} has {axes}',
                f"the input has {axes} spatial axes",
                argument="mode",
                help=f"modes that fit: {', '.join(fitting)}",
            )
        if call.arguments["align_corners"] is not None and mode not in AXES_OF_MODE:
            raise Problem(
                "E0205",
                f'`align_corners` has no meaning for `mode="{mode}"`',
                "leave it out",
                argument="align_corners",
                help='it belongs to the modes "linear", "bilinear", "bicubic", "trilinear"',
            )
        if call.arguments.get("antialias") and mode not in ("bilinear", "bicubic"):
            raise Problem(
                "E0205",
                f'`antialias` has no meaning for `mode="{mode}"`',
                "leave it out",
                argument="antialias",
                help='it belongs to the modes "bilinear" and "bicubic"',
            )
        if call.arguments["recompute_scale_factor"] and scale is None:
            raise Problem(
                "E0205",
                "`recompute_scale_factor` has no meaning without `scale_factor`",
                "leave it out",
                argument="recompute_scale_factor",
            )
        after: tuple[Size, ...]
        if scale is None:
            after = _size(call, axes)
            if not all(map(call.fits, after)):
                raise Problem("E0302", f"nothing is left: {times(after)}", f"is {times(after)}", argument="size")
            _interpolate_function(call)  # which finds sizes that the input does not tell
        else:
            factors = _per_axis(call, "scale_factor", axes)
            after = tuple(_scaled(n, factor) for n, factor in zip(sizes, factors, strict=True))  # type: ignore[arg-type]
            if not all(call.fits(n) for n in after):
                raise Problem(
                    "E0302",
                    f"nothing is left: the input {times(sizes)} scaled is {times(after)}",
                    f"gives {times(after)}",
                    argument="scale_factor",
                )
        return (Tensor((call.x.shape[0], *after), call.x.dtype),)

    return rule


def _interpolate_construct(call: Call) -> Construct:
    names: list[tuple[str, object]] = [("size", None), ("scale_factor", None), ("mode", "nearest")]
    names += [("align_corners", None), ("recompute_scale_factor", None)]
    if "antialias" in call.arguments:
        names.append(("antialias", False))
    return construct("nn.Upsample", keywords=[(name, call.arguments[name], default) for name, default in names])


def _size(call: Call, axes: int) -> tuple[Size, ...]:
    if len(call.inputs) == 2:
        return call.inputs[1].shape[1:]
    return _per_axis(call, "size", axes)  # type: ignore[return-value]


def _interpolate_function(call: Call) -> Expression:
    written = applied("F.interpolate", _interpolate_construct(call))
    if len(call.inputs) == 2:
        return written._replace(template=written.template.replace("{0}", "{0}, size={1}.shape[2:]", 1))
    values: dict[str, object] = dict(written.values)
    sizes = _per_axis(call, "size", len(call.x.shape) - 1)
    if not any(isinstance(size, Symbolic) for size in sizes):
        return written
    del values["size"]
    texts = [placed(call, size, f"s{i}", values, argument="size") for i, size in enumerate(sizes)]  # type: ignore[arg-type]
    comma = "," if len(texts) == 1 else ""
    return Expression(written.template.replace("{size}", f"({', '.join(texts)}{comma})"), values)


def interpolate_field(call: Call, source: int, result: int) -> Field:
    """Whole factors are followed, up in every mode that has one and down in the nearest and linear ones."""
    if source > 0:  # only its size is read
        return Field((None,) * len(call.y.shape), tuple(range(len(call.inputs[source].shape))))
    axes = identity(call.x)
    lost = []
    followed = not call.arguments["align_corners"] and not call.arguments.get("antialias")
    scale = _per_axis(call, "scale_factor", len(axes) - 1)
    for place in range(1, len(axes)):
        factor = scale[place - 1]
        if factor is None:
            have, want = call.x.shape[place], call.y.shape[place]
            known = isinstance(have, int) and isinstance(want, int)
            factor = want / have if known and (want % have == 0 or have % want == 0) else None
        along = _resampled(place, factor, call.text("mode")) if followed and isinstance(factor, int | float) else None
        axes[place] = along
        if along is None:
            lost.append(place)
    return Field(tuple(axes), (), tuple(lost))


def _resampled(place: int, factor: float, mode: str) -> Along | None:
    """The places that torch's rounding reads, for a factor that is whole or one over a whole number."""
    nearest, area = mode in ("nearest", "nearest-exact"), mode == "area"
    if factor == 1:
        return Along((place,))
    if factor > 1 and factor == int(factor):
        up = int(factor)
        if nearest or area:
            return Along((place,), kernel=up, padding=up - 1, up=up)
        # A linear mode reads the two nearest places, a cubic one four; where it falls on a place, only that one.
        kernel = (4 if mode == "bicubic" else 2) * up - up % 2
        return Along((place,), kernel=kernel, padding=kernel - 1 - (kernel - up) // 2, up=up)
    down = round(1 / factor)
    if down == 0 or 1 / down != factor or mode == "bicubic":
        return None
    if area:
        return Along((place,), kernel=down, stride=down)
    if nearest:
        return Along((place,), stride=down, padding=-(down // 2) if mode == "nearest-exact" else 0)
    kernel = 2 - down % 2
    return Along((place,), kernel=kernel, stride=down, padding=-((down - kernel) // 2))


def _resampling(name: str, summary: str, size: Parameter, *more: Parameter, examples: tuple[Example, ...]) -> Op:
    return Op(
        name=name,
        role="resample",
        summary=summary,
        parameters=(
            size,
            Parameter("scale_factor", optional(SCALE_PER_AXIS), None),
            Parameter("mode", choice(*MODES), "nearest"),
            Parameter("align_corners", optional(FLAG), None),
            Parameter("recompute_scale_factor", optional(FLAG), None),
            *more,
        ),
        inputs=(1, 2 if name == "interpolate" else 1),
        shape=_interpolated(name),
        module=_interpolate_construct if name == "upsample" else None,
        function=_interpolate_function,
        keeps=lambda call: Kept((0,) if call.text("mode") == "area" else ()),
        field=interpolate_field,
        label=lambda call: f"{call.text('mode')} to {'×'.join(map(str, call.y.shape[1:]))}",
        examples=examples,
    )


INTERPOLATE = _resampling(
    "interpolate",
    "Gives a map another resolution.",
    Parameter("size", optional(SIZES_PER_AXIS), None),
    Parameter("antialias", FLAG, False),
    examples=(
        Example("interpolate(scale_factor=2)", ((3, 5, 6),)),
        Example('interpolate((7, 9), mode="bilinear", align_corners=true)', ((3, 5, 6),)),
        Example('interpolate(scale_factor=0.5, mode="bicubic", antialias=true)', ((3, 9, 8),)),
        Example('interpolate(scale_factor=1.5, mode="linear")', ((3, 7),)),
        Example('interpolate(mode="bilinear")', ((3, 5, 6), (1, 9, 8))),
        Example('interpolate(scale_factor=(2, 1, 0.5), mode="area", recompute_scale_factor=true)', ((3, 4, 5, 6),)),
    ),
)
UPSAMPLE = _resampling(
    "upsample",
    "Gives a map another resolution, as a module.",
    Parameter("size", optional(SIZE_PER_AXIS), None),
    examples=(
        Example("upsample(scale_factor=2)", ((3, 5, 6),)),
        Example('upsample(8, mode="bilinear")', ((3, 5, 6),)),
        Example('upsample(scale_factor=3, mode="nearest-exact")', ((3, 7),)),
    ),
)


# ---- channels for places


def _map(call: Call, name: str) -> tuple[Size, Size, Size]:
    x = batched(call, name)
    if len(x.shape) < 3:
        raise Problem(
            "E0303",
            f"`{name}` works on maps, channels x height x width, but the input is {x}",
            f"{x}: {len(x.shape)} axes",
            input=0,
        )
    channels, height, width = x.shape[-3:]
    return channels, height, width


def pixel_shuffle_shape(call: Call) -> tuple[Tensor, ...]:
    channels, height, width = _map(call, "pixel_shuffle")
    r = call.integer("upscale_factor")
    if not call.divides(channels, r * r):
        raise Problem(
            "E0304",
            f"`pixel_shuffle({r})` needs a multiple of {r * r} channels, but the input is {call.x}",
            f"{channels} is not a multiple of {r * r}",
            argument="upscale_factor",
            help=f"`conv` to {r * r} times the channels that are wanted after it",
        )
    return (call.x._replace(shape=(*call.x.shape[:-3], channels // (r * r), height * r, width * r)),)


def pixel_unshuffle_shape(call: Call) -> tuple[Tensor, ...]:
    channels, height, width = _map(call, "pixel_unshuffle")
    r = call.integer("downscale_factor")
    if not (call.divides(height, r) and call.divides(width, r)):
        raise Problem(
            "E0304",
            f"`pixel_unshuffle({r})` needs height and width in multiples of {r}, but the input is {call.x}",
            f"{times((height, width))} is not in multiples of {r}",
            argument="downscale_factor",
            help="`pad` or `crop` in front of it",
        )
    return (call.x._replace(shape=(*call.x.shape[:-3], channels * (r * r), height // r, width // r)),)


def _shuffled_field(call: Call, source: int, result: int) -> Field:
    """The last two axes, larger or smaller by a factor; the axis of channels before them is mixed."""
    axes = identity(call.x)
    axes[-3] = None
    for place in (len(axes) - 2, len(axes) - 1):
        if "upscale_factor" in call.arguments:
            up = call.integer("upscale_factor")
            axes[place] = Along((place,), kernel=up, padding=up - 1, up=up)
        else:
            down = call.integer("downscale_factor")
            axes[place] = Along((place,), kernel=down, stride=down)
    return Field(tuple(axes))


def channel_shuffle_shape(call: Call) -> tuple[Tensor, ...]:
    x = batched(call, "channel_shuffle")
    if len(x.shape) < 2:
        raise Problem(
            "E0303",
            f"`channel_shuffle` works on channels with places, but the input is {x}",
            f"{x}: {len(x.shape)} axes",
            input=0,
        )
    divided(call, x.shape[0], "groups", "the number of channels")
    return (x,)


def _shuffle(
    name: str,
    torch_class: str,
    summary: str,
    argument: str,
    rule: Callable[[Call], tuple[Tensor, ...]],
    shapes: tuple[tuple[int, ...], ...],
    field: Rule,
) -> Op:
    def module(call: Call) -> Construct:
        return construct(torch_class, call.integer(argument))

    return Op(
        name=name,
        role="resample",
        summary=summary,
        parameters=(Parameter(argument, POSITIVE),),
        shape=rule,
        module=module,
        function=lambda call: applied(f"F.{name}", module(call)),
        field=field,
        label=lambda call: f"{name.replace('_', ' ')} {call.integer(argument)}",
        examples=tuple(Example(f"{name}({n})", (shape,)) for n, shape in zip((2, 3, 1), shapes, strict=False)),
    )


PIXEL_SHUFFLE = _shuffle(
    "pixel_shuffle",
    "nn.PixelShuffle",
    "Spreads channels over places: r x r times the resolution.",
    "upscale_factor",
    pixel_shuffle_shape,
    ((8, 3, 4), (9, 2, 2)),
    _shuffled_field,
)
PIXEL_UNSHUFFLE = _shuffle(
    "pixel_unshuffle",
    "nn.PixelUnshuffle",
    "Gathers r x r places in channels.",
    "downscale_factor",
    pixel_unshuffle_shape,
    ((2, 6, 4), (1, 9, 6)),
    _shuffled_field,
)
CHANNEL_SHUFFLE = _shuffle(
    "channel_shuffle",
    "nn.ChannelShuffle",
    "Mixes the channels of groups.",
    "groups",
    channel_shuffle_shape,
    ((4, 3, 3), (9, 2, 2), (5, 3, 2)),
    mixing(0),
)

RESAMPLINGS = (INTERPOLATE, UPSAMPLE, PIXEL_SHUFFLE, PIXEL_UNSHUFFLE, CHANNEL_SHUFFLE)
