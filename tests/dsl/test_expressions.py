"""Expressions: Python's grammar of values, calls and comprehensions, with exact spans."""

import ast as python
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.dsl import ast
from archc.dsl.parser import parse_expression
from archc.dsl.source import Source
from tests.dsl.trees import expression, nodes, short


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("3", "(Literal 3)"),
        ("11_689_512", "(Literal 11689512)"),
        ("1e-5", "(Literal 1e-05)"),
        ("1_0.5_0E+2", "(Literal 1050.0)"),
        (".5", "(Literal 0.5)"),
        ("2.", "(Literal 2.0)"),
        ('"same"', "(Literal same)"),
        (r'"a\n\t\"\\\u0041"', '(Literal a\n\t"\\A)'),
        ('"""two\nlines, one " quote"""', '(Literal two\nlines, one " quote)'),
        ('""', "(Literal )"),
        ("true", "(Literal True)"),
        ("false", "(Literal False)"),
        ("none", "(Literal None)"),
        ("x", "(Name x)"),
        ("in", "(Name in)"),
        ("output", "(Name output)"),
        ("when", "(Name when)"),
        ("()", "(TupleOf [])"),
        ("(a)", "(Name a)"),
        ("(a,)", "(TupleOf [(Name a)])"),
        ("(a, b,)", "(TupleOf [(Name a) (Name b)])"),
        ("[]", "(ListOf [])"),
        ("[a, b,\n c,]", "(ListOf [(Name a) (Name b) (Name c)])"),
        ("a - b - c", "(Binary - (Binary - (Name a) (Name b)) (Name c))"),
        ("a + b * c", "(Binary + (Name a) (Binary * (Name b) (Name c)))"),
        ("(a + b) // c % d", "(Binary % (Binary // (Binary + (Name a) (Name b)) (Name c)) (Name d))"),
        ("2 ** 3 ** 2", "(Binary ** (Literal 2) (Binary ** (Literal 3) (Literal 2)))"),
        ("-2 ** 2", "(Unary - (Binary ** (Literal 2) (Literal 2)))"),
        ("2 ** -1", "(Binary ** (Literal 2) (Unary - (Literal 1)))"),
        ("- - +a", "(Unary - (Unary - (Unary + (Name a))))"),
        ("not a == b", "(Unary not (Comparison (Name a) [[== (Name b)]]))"),
        ("not in.x", "(Unary not (Attribute (Name in) (Name x)))"),
        ("a or b and not c", "(Binary or (Name a) (Binary and (Name b) (Unary not (Name c))))"),
        ("a < b <= c != d", "(Comparison (Name a) [[< (Name b)] [<= (Name c)] [!= (Name d)]])"),
        ("a in b", "(Comparison (Name a) [[in (Name b)]])"),
        ("a not in in", "(Comparison (Name a) [[not in (Name in)]])"),
        ("a if b else c if d else e", "(Conditional (Name a) (Name b) (Conditional (Name c) (Name d) (Name e)))"),
        ("f()", "(Call (Name f) [])"),
        ("f(a, k=b,)", "(Call (Name f) [(Argument None (Name a)) (Argument (Name k) (Name b))])"),
        ("f(1)(2)", "(Call (Call (Name f) [(Argument None (Literal 1))]) [(Argument None (Literal 2))])"),
        ("a[-1]", "(Index (Name a) (Unary - (Literal 1)))"),
        ("a[:]", "(Slice (Name a) None None None)"),
        ("a[1:]", "(Slice (Name a) (Literal 1) None None)"),
        ("a[:-1]", "(Slice (Name a) None (Unary - (Literal 1)) None)"),
        ("a[::2]", "(Slice (Name a) None None (Literal 2))"),
        ("a[1:2:]", "(Slice (Name a) (Literal 1) (Literal 2) None)"),
        ("a[1:2:3]", "(Slice (Name a) (Literal 1) (Literal 2) (Literal 3))"),
        ("in.shape[0]", "(Index (Attribute (Name in) (Name shape)) (Literal 0))"),
        ("a.in.let", "(Attribute (Attribute (Name a) (Name in)) (Name let))"),
        ("[x for x in xs]", "(Comprehension (Name x) [(ForClause (Name x) (Name xs))])"),
        (
            "[x * y for (x, y) in a if x if y for z in b]",
            "(Comprehension (Binary * (Name x) (Name y)) [(ForClause (TuplePattern [(Name x) (Name y)]) (Name a))"
            " (IfClause (Name x)) (IfClause (Name y)) (ForClause (Name z) (Name b))])",
        ),
    ],
)
def test_tree(text: str, tree: str) -> None:
    assert short(expression(text)) == tree


@pytest.mark.parametrize("text", ["", "a b", "a,", "1 +", "f(a=)", "[for x in y]", "a if b", "a[b, c]", "x for x in y"])
def test_no_expression(text: str) -> None:
    tree, diagnostics = parse_expression(Source("-p x", text))
    assert tree is None
    assert len(diagnostics) == 1


names = st.sampled_from(["a", "bc", "in", "x1"])
atoms = names | st.integers(0, 99).map(str) | st.sampled_from(["1.5", '"s"', "true", "none", "[]", "()"])
binary_signs = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "and", "or", "==", "<=", "not in", "in"])
texts = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, binary_signs, inner).map(" ".join),
        st.tuples(st.sampled_from(["-", "+", "not "]), inner).map("".join),
        inner.map("({})".format),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.tuples(names, st.lists(inner, max_size=2)).map(lambda call: f"{call[0]}({', '.join(call[1])})"),
        st.tuples(names, inner, inner).map("{0[0]}[{0[1]}:{0[2]}]".format),
        st.tuples(inner, inner, inner).map("({0[0]} if {0[1]} else {0[2]})".format),
        st.tuples(inner, names, inner).map(lambda it: f"[{it[0]} for {it[1].replace('in', 'i')} in ({it[2]})]"),
    ),
    max_leaves=12,
)


@given(texts)
def test_the_text_of_a_span_is_the_expression(text: str) -> None:
    tree, _ = parse_expression(Source("test.arch", text))
    if tree is None:  # `a + not b` is no expression in Python either
        return
    for node in nodes(tree):
        if isinstance(node, ast.Name | ast.Literal | ast.Binary | ast.Call | ast.Slice | ast.Conditional | ast.Unary):
            assert short(expression(node.span.text)) == short(node)


python_texts = st.recursive(
    st.sampled_from(["a", "b", "3", "0.5", "True"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "and", "or"]), inner).map(" ".join),
        st.tuples(inner, st.sampled_from(["==", "<", ">=", "in", "not in"]), inner).map(" ".join),
        st.tuples(st.sampled_from(["-", "+", "not "]), inner).map("".join),
        inner.map("({})".format),
        st.tuples(inner, inner, inner).map("{0[0]} if {0[1]} else {0[2]}".format),
    ),
    max_leaves=10,
)


@given(python_texts)
def test_precedence_is_that_of_python(text: str) -> None:
    """The same text is right in both languages or in neither, and groups alike."""
    ours, _ = parse_expression(Source("test.arch", text.replace("True", "true")))
    try:
        theirs = python.parse(text, mode="eval").body
    except SyntaxError:
        assert ours is None
        return
    assert ours is not None
    assert grouped(ours) == python.unparse(python.parse(parenthesised(theirs), mode="eval"))


def grouped(node: ast.Expression) -> str:
    """Our tree as Python writes it when every group has parentheses."""
    return python.unparse(python.parse(_grouped(node), mode="eval"))


def _grouped(node: ast.Expression) -> str:
    match node:
        case ast.Name(text):
            return text
        case ast.Literal(value):
            return repr(value)
        case ast.Unary(operator, operand):
            return f"({operator} {_grouped(operand)})"
        case ast.Binary(operator, left, right):
            return f"({_grouped(left)} {operator} {_grouped(right)})"
        case ast.Comparison(first, rest):
            return f"({_grouped(first)}{''.join(f' {sign} {_grouped(value)}' for sign, value in rest)})"
        case ast.Conditional(then, test, otherwise):
            return f"({_grouped(then)} if {_grouped(test)} else {_grouped(otherwise)})"
    raise AssertionError(node)


def parenthesised(node: python.expr) -> str:
    """Python's tree with a pair of parentheses around each operation; `a and b and c` is grouped from the left."""
    match node:
        case python.BoolOp(op, values):
            sign = "and" if isinstance(op, python.And) else "or"
            text = parenthesised(values[0])
            for value in values[1:]:
                text = f"({text} {sign} {parenthesised(value)})"
            return text
        case python.BinOp(left, _, right):
            sign = python.unparse(python.BinOp(python.Name("x"), node.op, python.Name("y")))[1:-1]
            return f"({parenthesised(left)}{sign}{parenthesised(right)})"
        case python.UnaryOp(_, operand):
            sign = python.unparse(python.UnaryOp(node.op, python.Name("y")))[:-1]
            return f"({sign} {parenthesised(operand)})"
        case python.Compare(left, ops, comparators):
            shown = python.unparse(python.Compare(python.Name("x"), ops, [python.Name("y")] * len(ops)))[1:]
            signs = [part.strip() for part in shown.split("y")]
            pairs = zip(signs, comparators, strict=False)
            return f"({parenthesised(left)} {' '.join(f'{sign} {parenthesised(value)}' for sign, value in pairs)})"
        case python.IfExp(test, body, orelse):
            return f"({parenthesised(body)} if {parenthesised(test)} else {parenthesised(orelse)})"
    return python.unparse(node)


def test_an_infinite_number_is_refused() -> None:
    tree, [diagnostic] = parse_expression(Source("test.arch", "1e999"))
    assert tree is None
    assert diagnostic.code == "E0007"
    assert math.isfinite(float("1e308"))
