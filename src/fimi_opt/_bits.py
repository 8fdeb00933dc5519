"""A float's bits and back: an instruction in kernels, `struct` where they run without JIT."""

import struct
from collections.abc import Callable
from typing import Any, cast

from numba import config, types
from numba.extending import intrinsic

bits_of: Callable[[float], int]
float_of: Callable[[int], float]


def _bits_of(x: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", x))[0])


def _float_of(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", bits % 2**64))[0])


def _cast_bits_of(_: Any, __: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.int64))

    return types.int64(types.float64), generate


def _cast_float_of(_: Any, __: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float64))

    return types.float64(types.int64), generate


if config.DISABLE_JIT:  # type: ignore[attr-defined]
    bits_of, float_of = _bits_of, _float_of
else:
    bits_of, float_of = cast(Any, intrinsic(_cast_bits_of)), cast(Any, intrinsic(_cast_float_of))
