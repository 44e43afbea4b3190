"""A feed's filter: a small expression over a product's fields, compiled to plain functions. Nothing is evaluated.

    stock > 0 and brand in ["Acme", "Bolt"] and not attributes.is_fragile == true and starts_with(sku, "F-")

It is parsed as Python, and only what the tables below name is let through; kinds are checked when the settings are read,
so that no product can make it fail. It has no loops, no powers, no patterns: what it costs is bounded by its length.
Compared with libraries of such languages (cel-python, rule-engine), it runs a million times a second.
"""

import ast
import difflib
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import reduce
from operator import attrgetter
from typing import Any, Literal

import msgspec

from lengow.connector.catalogue import CatalogueProduct
from lengow.connector.errors import SettingsError
from lengow.feeds.facts import FALSE_WORDS, MOST_DIGITS, TRUE_WORDS

Filter = Callable[[CatalogueProduct], bool]

LONGEST = 2000
"""Characters of an expression."""
MOST_NODES = 300

Kind = Literal["number", "text", "word", "boolean", "none", "list"]
"""`word` is a further attribute: a text that counts as a number or a boolean where it is compared with one."""

NUMBERS = frozenset({"price", "price_before", "stock", "tax_rate", "weight", "shipping_cost"})
TEXTS = frozenset(CatalogueProduct.__struct_fields__) - NUMBERS - {"images", "options", "attributes"}
TABLES = ("attributes", "options")
LITERALS: Mapping[str, Any] = {"true": True, "false": False, "none": None}

ORDERS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
EQUALITIES: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {ast.Eq: operator.eq, ast.NotEq: operator.ne}


class Part(msgspec.Struct, frozen=True):
    """A compiled piece: what it gives of a product, and of which kind that is."""

    kind: Kind
    get: Callable[[CatalogueProduct], Any]
    values: tuple["Part", ...] = ()
    """Of a list."""
    fixed: bool = False
    """Whether it is the same of every product."""


def read_filter(text: str, where: str) -> Filter:
    """Raises SettingsError that says what is not understood, and what is."""
    try:
        if len(text) > LONGEST:
            raise Mistake(f"it is longer than {LONGEST} characters")
        tree = ast.parse(text.strip(), mode="eval")
        if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
            raise Mistake("it is too long: make two feeds, or an attribute, of it")
        return _truth(_compile(tree.body))
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        raise _refused(where, text, f"it cannot be read{place}") from None
    except (Mistake, ValueError, RecursionError, MemoryError) as error:
        raise _refused(where, text, str(error) or "it is nested too deeply") from None


class Mistake(Exception):
    """What is wrong with an expression."""


def _refused(where: str, text: str, reason: str) -> SettingsError:
    return SettingsError(
        f"{where}: the filter {text[:100]!r} is not valid: {reason}.",
        what_to_do='Write such as: stock > 0 and brand == "Acme"; docs/feeds.md shows the whole language.',
        field=where,
    )


def _compile(node: ast.expr) -> Part:
    made = NODES.get(type(node))
    if made is None:
        raise Mistake(f"{ast.unparse(node)!r} is not part of the language")
    return made(node)


def _logic(node: Any) -> Part:
    filters = [_truth(_compile(value)) for value in node.values]
    return Part("boolean", reduce(_both if isinstance(node.op, ast.And) else _either, filters))


def _both(one: Filter, other: Filter) -> Filter:
    return lambda product: one(product) and other(product)


def _either(one: Filter, other: Filter) -> Filter:
    return lambda product: one(product) or other(product)


def _unary(node: Any) -> Part:
    if isinstance(node.op, ast.Not):
        fits = _truth(_compile(node.operand))
        return Part("boolean", lambda product: not fits(product))
    if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        part = _constant(node.operand)
        if part.kind == "number":
            value = -part.get(NOTHING)
            return Part("number", lambda _: value, fixed=True)
    raise Mistake(f"{ast.unparse(node)!r} is not part of the language")


def _comparison(node: Any) -> Part:
    parts = [_compile(one) for one in (node.left, *node.comparators)]
    links = [_link(left, op, right) for left, op, right in zip(parts, node.ops, parts[1:], strict=False)]
    return Part("boolean", reduce(_both, links))


def _link(left: Part, op: ast.cmpop, right: Part) -> Filter:
    if isinstance(op, ast.In | ast.NotIn):
        found = _membership(left, right)
        return found if isinstance(op, ast.In) else lambda product: not found(product)
    left, right = _alike(left, right), _alike(right, left)
    if {left.kind, right.kind} - {"none"} and left.kind != right.kind and "none" not in (left.kind, right.kind):
        raise Mistake(f"a {left.kind} is compared with a {right.kind}")
    if "list" in (left.kind, right.kind):
        raise Mistake("a list stands after `in` only")
    if type(op) in EQUALITIES:
        return _applied(EQUALITIES[type(op)], left, right)
    if type(op) not in ORDERS or left.kind not in ("number", "text"):
        raise Mistake("only numbers and texts can be compared by < and >")
    return _ordered(ORDERS[type(op)], left, right)


def _applied(op: Callable[[Any, Any], bool], left: Part, right: Part) -> Filter:
    """What is no number equals nothing."""
    get, other = left.get, right.get
    if right.fixed:
        bound = other(NOTHING)

        def fits_bound(product: CatalogueProduct) -> bool:
            try:
                return op(get(product), bound)
            except InvalidOperation:
                return op is operator.ne

        return fits_bound

    def fits(product: CatalogueProduct) -> bool:
        try:
            return op(get(product), other(product))
        except InvalidOperation:
            return op is operator.ne

    return fits


def _ordered(op: Callable[[Any, Any], bool], left: Part, right: Part) -> Filter:
    """What is not there, or is no number, is neither less nor more than anything."""
    get, other = left.get, right.get
    if right.fixed:
        bound = other(NOTHING)

        def fits_bound(product: CatalogueProduct) -> bool:
            one = get(product)
            try:
                return one is not None and op(one, bound)
            except InvalidOperation:
                return False

        return fits_bound

    def fits(product: CatalogueProduct) -> bool:
        one, two = get(product), other(product)
        try:
            return one is not None and two is not None and op(one, two)
        except InvalidOperation:
            return False

    return fits


def _membership(left: Part, right: Part) -> Filter:
    if right.kind in ("text", "word"):
        if left.kind not in ("text", "word"):
            raise Mistake("only a text can be in a text")
        return lambda product: bool(left.get(product)) and left.get(product) in (right.get(product) or "")
    if right.kind != "list":
        raise Mistake("`in` is followed by a list or a text")
    kinds = {one.kind for one in right.values}
    if len(kinds) > 1 or not kinds <= {"text", "number"}:
        raise Mistake("a list holds texts only, or numbers only")
    like = _alike(left, right.values[0]) if right.values else left
    if right.values and like.kind not in (*kinds, "word"):
        raise Mistake(f"a {left.kind} cannot be in a list of {kinds.pop()}s")
    values = frozenset(one.get(NOTHING) for one in right.values)
    get = like.get

    def fits(product: CatalogueProduct) -> bool:
        try:
            return get(product) in values
        except TypeError:  # a NaN that signals cannot be in a set
            return False

    return fits


def _alike(part: Part, other: Part) -> Part:
    """A further attribute as what it is compared with."""
    if part.kind != "word":
        return part
    if other.kind == "number":
        return Part("number", lambda product: number(part.get(product)))
    if other.kind == "boolean":
        return Part("boolean", lambda product: truth_of(part.get(product)))
    return Part("text", part.get)


def _call(node: Any) -> Part:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if node.keywords or name not in FUNCTIONS:
        raise Mistake(f"{ast.unparse(node.func)} is no function; there are {', '.join(FUNCTIONS)}")
    if name == "count":
        if [ast.unparse(one) for one in node.args] != ["images"]:
            raise Mistake("write count(images)")
        return Part("number", lambda product: len(product.images))
    count, made = FUNCTIONS[name]
    parts = [_compile(one) for one in node.args]
    if len(parts) != count or any(part.kind not in ("text", "word") for part in parts):
        raise Mistake(f"{name} takes {count} text{'s' if count > 1 else ''}")
    return made(*parts)


def _lower(part: Part) -> Part:
    return Part("text", lambda product: (part.get(product) or "").lower())


def _starts_with(part: Part, beginning: Part) -> Part:
    return Part("boolean", lambda product: (part.get(product) or "").startswith(beginning.get(product) or ""))


def _ends_with(part: Part, end: Part) -> Part:
    return Part("boolean", lambda product: (part.get(product) or "").endswith(end.get(product) or ""))


FUNCTIONS: Mapping[str, tuple[int, Callable[..., Part]]] = {
    "lower": (1, _lower),
    "starts_with": (2, _starts_with),
    "ends_with": (2, _ends_with),
    "count": (1, _lower),
}


def _constant(node: Any) -> Part:
    value = node.value
    if value is None:
        return Part("none", lambda _: None, fixed=True)
    if isinstance(value, bool):
        return Part("boolean", lambda _: value, fixed=True)
    if isinstance(value, int):
        return Part("number", lambda _: value, fixed=True)
    if isinstance(value, float):
        exact = Decimal(str(value))
        if not exact.is_finite():
            raise Mistake("the number is too large")
        return Part("number", lambda _: exact, fixed=True)
    if isinstance(value, str):
        return Part("text", lambda _: value, fixed=True)
    raise Mistake(f"{value!r} is not part of the language")


def _name(node: Any) -> Part:
    name = node.id
    if name in LITERALS:
        return _constant(ast.Constant(LITERALS[name]))
    if name in NUMBERS:
        return Part("number", attrgetter(name))
    if name in TEXTS:
        return Part("text", attrgetter(name))
    near = difflib.get_close_matches(name, [*NUMBERS, *TEXTS, *TABLES], 1)
    raise Mistake(f"there is no field {name!r}" + (f"; did you mean {near[0]}?" if near else ""))


def _attribute(node: Any) -> Part:
    return _of_table(node.value, node.attr)


def _subscript(node: Any) -> Part:
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    if not isinstance(key, str):
        raise Mistake('write attributes["NAME"]')
    return _of_table(node.value, key)


def _of_table(table: ast.expr, key: str) -> Part:
    name = table.id if isinstance(table, ast.Name) else ""
    if name not in TABLES:
        raise Mistake(f"{ast.unparse(table)!r} has no parts: only attributes and options have")
    get = attrgetter(name)
    return Part("word", lambda product: get(product).get(key))


def _list(node: Any) -> Part:
    values = tuple(_compile(one) for one in node.elts)
    if not all(isinstance(one, ast.Constant | ast.UnaryOp) for one in node.elts):
        raise Mistake("a list holds texts or numbers as they are")
    return Part("list", lambda _: None, values)


NODES: Mapping[type[ast.expr], Callable[[Any], Part]] = {
    ast.BoolOp: _logic,
    ast.UnaryOp: _unary,
    ast.Compare: _comparison,
    ast.Call: _call,
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.List: _list,
    ast.Tuple: _list,
}

NOTHING: Any = None
"""What a constant is asked with."""


def _truth(part: Part) -> Filter:
    if part.kind != "boolean":
        raise Mistake(f"a {part.kind} stands where true or false is needed: compare it with something")
    return part.get


def number(text: Any) -> Decimal | None:
    """A number as merchants write it, with a comma or a point; None for anything else, and for what no quantity is."""
    if text is None:
        return None
    try:
        value = text if isinstance(text, Decimal) else Decimal(str(text).strip().replace(",", "."))
    except InvalidOperation:
        return None
    if not value.is_finite():
        return None
    if not value:
        return Decimal(0)
    return value if -MOST_DIGITS < value.adjusted() < MOST_DIGITS else None


def truth_of(value: Any) -> bool | None:
    """True or false as merchants write it; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        numbers = {Decimal(0): False, Decimal(1): True}
        return numbers.get(Decimal(value)) if Decimal(value).is_finite() else None
    text = str(value)
    found = WORDS.get(text)
    return WORDS.get(text.strip().casefold()) if found is None else found


WORDS: Mapping[str, bool] = {**dict.fromkeys(TRUE_WORDS, True), **dict.fromkeys(FALSE_WORDS, False)}
