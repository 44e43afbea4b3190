"""VAT rates of the European countries, in percent. Facts from memory, as of 2026: a wrong one is mended here, and
`extra_vat_rates` of the settings adds one without a new release.
"""

from decimal import Decimal

_TEXT = """
AT 20 13 10
BE 21 12 6
BG 20 9
CY 19 9 5 3
CZ 21 12
DE 19 7
DK 25
EE 24 13 9
ES 21 10 4
FI 25.5 13.5 10
FR 20 10 5.5 2.1 8.5 13 0.9
GB 20 5
GR 24 13 6
HR 25 13 5
HU 27 18 5
IE 23 13.5 9 4.8
IT 22 10 5 4
LT 21 12 5
LU 17 14 8 3
LV 21 12 5
MC 20 10 5.5 2.1
MT 18 12 7 5
NL 21 9
PL 23 8 5
PT 23 13 6
RO 21 11
SE 25 12 6
SI 22 9.5 5
SK 23 19 5
CH 8.1 3.8 2.6
NO 25 15 12
"""

RATES: dict[str, tuple[Decimal, ...]] = {
    words[0]: tuple(Decimal(word) for word in words[1:]) for words in map(str.split, _TEXT.strip().splitlines())
}
"""The standard rate first."""

UNION = frozenset(RATES) - {"GB", "CH", "NO"}
"""One territory for VAT, Monaco included (it counts as France)."""
