"""exp, log and the normal Mills ratio as branch-free arithmetic, so that LLVM turns loops over them into SIMD code.

A call to libm's ``exp`` or ``erfc`` keeps a loop scalar; sums, products and selects do not. Every product-sum is an
explicit fused multiply-add (IEEE 754 rounds it once), so vector body, loop remainder and any block or thread split
give the same bits.

Each polynomial is a Chebyshev interpolant of the exact function (mpmath, 40 digits) rewritten in powers; the relative
error of the rounded coefficients against mpmath is noted beside each one and is asserted again in the tests.

numba's cache does not see changes across files: after editing this one, touch the kernel files that import it.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from hedgeopt.models.compiled import compiled

inline = compiled(forceinline=True, error_model="numpy")

SHIFTER = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer that sits in the low bits
LOG2_E = 1.4426950408889634
LN2_HIGH = 0.6931471803691238  # fdlibm's split of ln 2: the high part has 21 trailing zero bits
LN2_LOW = 1.9082149292705877e-10
INV_SQRT_2PI = 0.3989422804014327
MILLS_SHIFT = 5.0
ROUND_UP = np.uint64((1023 << 52) + (1 << 51))  # exponent bias and one half
EXPONENT_BITS = np.uint64(0x7FF0000000000000)
TWO_52_BITS = np.uint64(0x4330000000000000)  # the bits of 2.0**52


@intrinsic
def fma(typingctx, a, b, c):  # type: ignore[no-untyped-def]
    """``a*b + c`` rounded once."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        double = ir.DoubleType()
        declared = builder.module.declare_intrinsic("llvm.fma", [double], ir.FunctionType(double, [double] * 3))
        return builder.call(declared, args)

    return types.float64(types.float64, types.float64, types.float64), codegen


@intrinsic
def bits_of(typingctx, value):  # type: ignore[no-untyped-def]
    """The 64 bits of a float64 as an int64."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def float_of(typingctx, bits):  # type: ignore[no-untyped-def]
    """The float64 whose 64 bits are this int64."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@inline
def exp(z: float) -> float:
    """e**z for z <= 708 to 2 ulp, exactly 0 below -708; the caller keeps z under 708."""
    clipped = max(z, -708.0)
    shifted = fma(clipped, LOG2_E, SHIFTER)
    n = shifted - SHIFTER
    r = fma(-n, LN2_LOW, fma(-n, LN2_HIGH, clipped))
    rr = r * r
    # (e^r - 1 - r)/r^2 on |r| <= ln(2)/2, even and odd powers apart; relative error of e^r: 1.6e-17
    even = fma(2.762007691611333e-07, rr, 2.4801521319879672e-05)
    odd = fma(2.510520706464424e-08, rr, 2.755725542387984e-06)
    even = fma(even, rr, 0.0013888888917198588)
    odd = fma(odd, rr, 0.00019841269874802173)
    even = fma(even, rr, 0.04166666666662416)
    odd = fma(odd, rr, 0.008333333333326141)
    even = fma(even, rr, 0.5000000000000001)
    odd = fma(odd, rr, 0.1666666666666667)
    p = fma(fma(odd, r, even), rr, r) + 1.0
    scaled = float_of(bits_of(p) + (bits_of(shifted) << 52))
    return scaled if z >= -708.0 else 0.0


@inline
def log_ratio(a: float, b: float) -> float:
    """ln(a/b) for a/b from 1e-300 to 1e300 to 2 ulp, also for a close to b, where a quotient would lose digits."""
    # The difference of two bit patterns is 2**52 log2(a/b) to within 0.09: enough to choose the power of two.
    # Unsigned, because AVX2 has no arithmetic shift of 64 bits.
    exponent = (np.uint64(bits_of(a) - bits_of(b)) + ROUND_UP) & EXPONENT_BITS
    near = b * float_of(exponent)
    w = (a - near) / (a + near)
    z = w * w
    # (2 atanh(w) - 2w)/w^3 on |w| <= 0.21; relative error of 2 atanh(w): 1.5e-18
    p = fma(0.13812867941577991, z, 0.1318181026817074)
    p = fma(p, z, 0.1539036011608667)
    p = fma(p, z, 0.18181698286757575)
    p = fma(p, z, 0.22222223576727934)
    p = fma(p, z, 0.28571428563927603)
    p = fma(p, z, 0.40000000000015806)
    p = fma(p, z, 0.6666666666666666)
    power = float_of((exponent >> np.uint64(52)) | TWO_52_BITS) - (2.0**52 + 1023.0)
    return fma(power, LN2_HIGH, fma(power, LN2_LOW, fma(p * z, w, 2.0 * w)))


@inline
def mills(y: float, reciprocal: float) -> float:
    """Mills ratio m(y) = N(-y)/phi(y) for y >= 0, given ``reciprocal`` = 1/(y + MILLS_SHIFT).

    m(y)(y+5) is a polynomial of degree 20 in t = (y-5)/(y+5): relative error 5e-16 for y <= 40; beyond,
    where phi(y) has underflowed, it grows to 4e-10 at infinity.
    The idea of the map is Shepherd & Laframboise, Math. Comp. 36 (1981) 249-253.
    """
    t = fma(-2.0 * MILLS_SHIFT, reciprocal, 1.0)
    tt = t * t
    # even and odd powers apart: two short dependency chains instead of a long one
    even = fma(6.079234283950219e-09, tt, -1.2844709374205103e-07)
    odd = fma(-1.8030469275098418e-08, tt, 1.1253234709807671e-07)
    even = fma(even, tt, 1.0402073219224155e-06)
    odd = fma(odd, tt, -8.612395148705565e-07)
    even = fma(even, tt, -6.910049885290696e-06)
    odd = fma(odd, tt, 9.993784628392004e-06)
    even = fma(even, tt, 4.1800340799380374e-05)
    odd = fma(odd, tt, -0.00012474383829374407)
    even = fma(even, tt, -0.0001488293833170018)
    odd = fma(odd, tt, 0.001365861253365438)
    even = fma(even, tt, -0.001999962563527681)
    odd = fma(odd, tt, -0.007503283132467398)
    even = fma(even, tt, 0.052125502468061476)
    odd = fma(odd, tt, -0.17325473406211953)
    even = fma(even, tt, 0.41364471572989986)
    odd = fma(odd, tt, -0.785911075547454)
    even = fma(even, tt, 1.2415470615739228)
    odd = fma(odd, tt, -1.6678665951889504)
    even = fma(even, tt, 1.9280810471531575)
    return reciprocal * fma(odd, t, even)
