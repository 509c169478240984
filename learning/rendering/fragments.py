"""A passage that was cut out of its chapter, put right so that it reads by itself.

A table or a block of code that fits in no passage is cut between its lines. The rest of one has
lost its head, or its opening fence, and would show as bars and dashes, or as running text.
"""

import re

_FENCE = re.compile(r"^ {0,3}(```+|~~~+)[ \t]*(\S*)", re.MULTILINE)
_TABLE_RULE = re.compile(r"\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_BAR = re.compile(r"(?<!\\)\|")


def mended(passage: str) -> str:
    """Return the passage with the opening fence, or the empty table head, that it lacks."""
    if _begins_in_code(passage):
        return f"```\n{passage}"
    if _begins_in_table(passage):
        first = passage.lstrip().partition("\n")[0].strip()
        columns = len(_BAR.findall(first.removeprefix("|").removesuffix("|"))) + 1
        return f"{'| ' * columns}|\n{'| --- ' * columns}|\n{passage.lstrip()}"
    return passage


def _begins_in_table(passage: str) -> bool:
    lines = passage.lstrip().split("\n", 2)
    return lines[0].startswith("|") and not (len(lines) > 1 and _TABLE_RULE.match(lines[1].strip()))


def _begins_in_code(passage: str) -> bool:
    """Whether its first fence is the end of a block: one that names no language, and is not paired.

    Of a lone one, the line before it tells: an empty line stands before a block, not at its end.
    """
    fences = list(_FENCE.finditer(passage))
    if len(fences) % 2 == 0 or fences[0][2]:
        return False
    if len(fences) > 1:
        return bool(fences[1][2])
    before = passage[: fences[0].start()].rstrip("\n")
    return bool(before) and passage[: fences[0].start()] == f"{before}\n"
