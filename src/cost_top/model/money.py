"""Money: integer pico-dollars (10^-12 USD) inside, rounded once at the edge."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

PICO_PER_USD = 10**12
# int64 pico-dollars hold $9.22 M; totals are Python integers or DuckDB HUGEINT and do not overflow.
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


def pico(usd: Decimal | str | int | float) -> int:
    """USD to integer pico-dollars, half-even; a float is taken at its shortest decimal spelling.

    Raises `ValueError` when `usd` is not a finite number.

    >>> pico("0.05259"), pico(0.1), pico("1e-12")
    (52590000000, 100000000000, 1)
    """
    try:
        value = Decimal(str(usd)) if isinstance(usd, float) else Decimal(usd)
        scaled = _EXACT.multiply(value, Decimal(PICO_PER_USD))
        return int(scaled.to_integral_value(rounding=ROUND_HALF_EVEN))
    except (ArithmeticError, ValueError, TypeError) as error:
        raise ValueError(f"not an amount of money: {usd!r}") from error


def usd_text(amount: int) -> str:
    """Pico-dollars as an exact decimal string in USD, without an exponent or trailing zeros.

    >>> usd_text(52_590_000_000), usd_text(0), usd_text(-1), usd_text(3 * 10**12)
    ('0.05259', '0', '-0.000000000001', '3')
    """
    sign = "-" if amount < 0 else ""
    whole, part = divmod(abs(amount), PICO_PER_USD)
    fraction = f"{part:012d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def display_usd(amount: int | None, sign: bool = False) -> str:
    """Pico-dollars for eyes: two decimals from $1, four below, never a false $0.00; `–` when unknown.

    >>> display_usd(1_847_200 * 10**9), display_usd(52_590_000_000), display_usd(0)
    ('$1,847.20', '$0.0526', '$0.00')
    >>> display_usd(50_000_000), display_usd(-2 * 10**12), display_usd(10**12, sign=True)
    ('<$0.0001', '-$2.00', '+$1.00')
    """
    if amount is None:
        return "–"
    prefix = "-" if amount < 0 else "+" if sign and amount > 0 else ""
    size = abs(amount)
    if size == 0:
        return "$0.00"
    if size < 10**8:
        return f"{prefix}<$0.0001" if prefix != "-" else ">-$0.0001"
    places = 2 if size >= PICO_PER_USD - 5 * 10**7 else 4
    value = (Decimal(size) / PICO_PER_USD).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return f"{prefix}${value:,}"
