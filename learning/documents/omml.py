"""Formulas of Word and PowerPoint (OMML) become TeX, as far as lecture notes need it."""

import re

from lxml import etree

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_ACCENTS = {
    "\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "bar", "\u0307": "dot",
    "\u0308": "ddot", "\u20d7": "vec", "\u030c": "check",
}  # fmt: skip
_BRACKETS = {"{": r"\{", "}": r"\}", "": ".", "‖": r"\|", "⟨": r"\langle ", "⟩": r"\rangle "}
_SPECIAL = {"%": r"\%", "#": r"\#", "&": r"\&", "_": r"\_", "{": r"\{", "}": r"\}", "$": r"\$"}
_NEW_ROW = r" \\ "
_FUNCTIONS = re.compile(
    r"(?:arc(?:sin|cos|tan)|sinh?|cosh?|tanh?|cot|sec|csc|ln|log|lim|exp|max|min|sup|inf|det|gcd)"
)


def to_tex(element: etree._Element) -> str:
    """Return the TeX of an `m:oMath` or of anything inside one."""
    return re.sub(r"\s+", " ", _children(element)).strip()


def _children(element) -> str:
    return "".join(_tex(child) for child in element)


def _tex(element) -> str:
    name = element.tag.removeprefix(M) if isinstance(element.tag, str) else ""
    if rule := _RULES.get(name):
        return rule(element)
    if name.endswith("Pr"):
        return ""
    return _children(element)


def _part(element, name: str) -> str:
    found = element.find(M + name)
    return _children(found).strip() if found is not None else ""


def _setting(element, path: str, default: str) -> str:
    found = element.find("/".join(M + name for name in path.split("/")))
    return default if found is None else found.get(M + "val", default)


def _run(element) -> str:
    text = "".join(child.text or "" for child in element if child.tag == M + "t")
    text = text.replace("\\", r"\backslash ")
    text = "".join(_SPECIAL.get(char, char) for char in text)
    if _FUNCTIONS.fullmatch(text.strip()):
        return f"\\{text.strip()} "
    is_words = element.find(f"{M}rPr/{M}nor") is not None
    return f"\\text{{{text}}}" if is_words and text.strip() else text


def _fraction(element) -> str:
    return f"\\frac{{{_part(element, 'num')}}}{{{_part(element, 'den')}}}"


def _root(element) -> str:
    degree = _part(element, "deg")
    return f"\\sqrt{f'[{degree}]' if degree else ''}{{{_part(element, 'e')}}}"


def _scripts(element) -> str:
    sub, sup = _part(element, "sub"), _part(element, "sup")
    base = _part(element, "e")
    base = base if len(base) <= 1 or base.startswith("\\") else f"{{{base}}}"
    return f"{base}{f'_{{{sub}}}' if sub else ''}{f'^{{{sup}}}' if sup else ''}"


def _large_operator(element) -> str:
    sign = _setting(element, "naryPr/chr", "∫")
    sub, sup = _part(element, "sub"), _part(element, "sup")
    limits = f"{f'_{{{sub}}}' if sub else ''}{f'^{{{sup}}}' if sup else ''}"
    sign = {"∑": r"\sum", "∏": r"\prod", "∫": r"\int"}.get(sign, sign)
    return f"{sign}{limits} {_part(element, 'e')}"


def _brackets(element) -> str:
    opening, closing = (
        _BRACKETS.get(char, char)
        for char in (_setting(element, "dPr/begChr", "("), _setting(element, "dPr/endChr", ")"))
    )
    inner = ",".join(_children(part).strip() for part in element.findall(M + "e"))
    return f"\\left{opening}{inner}\\right{closing}"


def _accent(element) -> str:
    command = _ACCENTS.get(_setting(element, "accPr/chr", "\u0302"), "hat")
    return f"\\{command}{{{_part(element, 'e')}}}"


def _matrix(element) -> str:
    rows = (
        " & ".join(_children(cell).strip() for cell in row.findall(M + "e"))
        for row in element.findall(M + "mr")
    )
    return f"\\begin{{matrix}}{_NEW_ROW.join(rows)}\\end{{matrix}}"


def _lines(element) -> str:
    rows = (_children(row).strip() for row in element.findall(M + "e"))
    return f"\\begin{{aligned}}{_NEW_ROW.join(rows)}\\end{{aligned}}"


def _limit(element) -> str:
    return f"{_part(element, 'e')}_{{{_part(element, 'lim')}}}"


def _function(element) -> str:
    return f"{_part(element, 'fName')} {_part(element, 'e')}"


_RULES = {
    "r": _run,
    "f": _fraction,
    "rad": _root,
    "sSub": _scripts,
    "sSup": _scripts,
    "sSubSup": _scripts,
    "nary": _large_operator,
    "d": _brackets,
    "acc": _accent,
    "bar": lambda element: f"\\overline{{{_part(element, 'e')}}}",
    "m": _matrix,
    "eqArr": _lines,
    "limLow": _limit,
    "limUpp": lambda element: f"{_part(element, 'e')}^{{{_part(element, 'lim')}}}",
    "func": _function,
}
