"""A formula may be broken or hostile; the server that converts it goes on."""

import json
import subprocess
import sys

import pytest

from learning.rendering.formulas import to_mathml

# Opening, middle, closing: repeated until the formula is as long as formulas may be.
NESTS = [
    ("{", "x", "}"),
    ("{", "", ""),
    ("(", "x", ")"),
    ("x^{", "x", "}"),
    ("x_{", "", ""),
    (r"\hat{", "x", "}"),
    (r"\hat ", "x", ""),
    (r"\sqrt ", "x", ""),
    (r"\sqrt[", "3", "]{x}"),
    (r"\frac1", "x", ""),
    (r"\frac{", "x", "}{1}"),
    (r"\left(", "x", r"\right)"),
    (r"\left(x\middle|", "", ""),
    (r"\begin{matrix}", "x", r"\end{matrix}"),
    (r"\begin{aligned}", "", ""),
    (r"\color{red}{", "x", "}"),
    (r"\color{red}", "x", ""),
    (r"\textcolor{red}{", "x", "}"),
    (r"\displaystyle ", "x", ""),
    (r"{\scriptstyle ", "x", "}"),
    (r"\overset a", "x", ""),
    (r"\underbrace{x}_", "x", ""),
    (r"\sum_", "x", ""),
    (r"\lvert ", "x", r"\rvert "),
    (r"\begingroup ", "x", r"\endgroup "),
    (r"\not ", "x", ""),
]
MACROS = [
    r"\def\a{{{{{{{{{{{{{{{{{{{\a}}}}}}}}}}}}}}}}}}}\a",
    r"\def\a{" + "{" * 480 + r"\a" + "}" * 480 + r"}\a",
    r"\def\a{" + "{" * 9000 + r"\a" + "}" * 9000 + r"}\a",
    r"\newcommand\a[1]{" + "{" * 400 + "#1" + "}" * 400 + "}" + r"\a{" * 100 + "}" * 100,
]
CONVERT = """
import json, sys, threading
from learning.rendering.formulas import to_mathml

def convert():
    for tex in json.load(sys.stdin):
        print(tex, flush=True)
        to_mathml(tex, display=True)

threading.stack_size(256 * 1024)
thread = threading.Thread(target=convert)
thread.start()
thread.join()
"""


def nested(opening: str, middle: str, closing: str, *, characters: int) -> str:
    depth = (characters - len(middle)) // len(opening + closing)
    return opening * depth + middle + closing * depth


@pytest.mark.parametrize("characters", [60, 1_000, 20_000])
def test_no_formula_overflows_the_stack_however_it_nests(characters):
    formulas = [nested(*nest, characters=characters) for nest in NESTS] + MACROS

    ended = subprocess.run(
        [sys.executable, "-c", CONVERT], input=json.dumps(formulas), text=True, capture_output=True
    )

    begun = ended.stdout.splitlines()
    assert ended.returncode == 0, f"{ended.stderr} killed by {begun[-1][:60]}…"
    assert begun == formulas


@pytest.mark.parametrize("nest", [("x^{", "x", "}"), (r"\hat ", "x", ""), (r"\sqrt{", "x", "}")])
def test_a_formula_that_nests_too_deep_for_a_page_shows_its_source(nest):
    tex = nested(*nest, characters=2_000)

    assert to_mathml(tex, display=True) == f'<code class="math-error">{tex}</code>'


def test_a_long_formula_that_does_not_nest_is_shown():
    rows = r" \\ ".join([r"\frac{x_{1}^{2}}{\sqrt{2}} & \left( \alpha \right)"] * 100)
    tex = rf"\begin{{aligned}}{rows}\end{{aligned}}"

    assert to_mathml(tex, display=True).count("<mfrac>") == 100


def test_a_formula_may_define_commands_of_its_own():
    assert "ℝ" in to_mathml(r"\newcommand{\field}[1]{\mathbb{#1}} x \in \field{R}", display=False)
