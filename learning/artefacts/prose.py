r"""What of a course's Markdown is running text: all else is blanked out, and places stay the same.

Code, formulas, addresses, comments and tags hold no terms; a term must not reach across one either.
"""

import re
from collections.abc import Sequence

from learning.artefacts.passages import Passage

BREAK = "\0"

_NOT_PROSE = re.compile(
    r"""
      ^[ \t>]*(?P<fence>`{3,}|~{3,})[^\n]*\n(?:.*?\n)??[ \t>]*(?P=fence)[`~]*[ \t]*$   # code block
    | ^[ \t>]*(?:`{3,}|~{3,})[^\n]*$.*                     # one that never ends
    | <!--.*?(?:-->|\Z)
    | (?<!\\)\$\$.*?\$\$
    | \\\[.*?\\\] | \\\(.*?\\\)
    | \\begin\{(?P<env>\w+\*?)\}.*?\\end\{(?P=env)\}
    | (?<![\\$])\$(?=\S)(?:[^$\n]|\n(?!\n))+?(?<=\S)\$(?!\d)
    | (?P<ticks>`+)(?!`)(?:[^`\n]|\n(?!\n)|(?!(?P=ticks)(?!`))`)+?(?P=ticks)(?!`)
    | \{[a-z][\w:-]*\}                                     # a role, as in {ref}`here`
    | </?[A-Za-z][^<>\n]*>
    | !\[[^\]\n]*\]\([^)\n]*\)                             # a picture
    | (?<=\])\([^)\n]*\) | (?<=\])\[[^\]\n]*\]             # where a link leads
    | ^[ ]{0,3}\[[^\]\n]+\]:[^\n]*$
    | (?:https?://|www\.)[^\s<>）)]+ | \b[\w.+-]+@[\w-]+\.\w+
    | ^---\n.*?\n---$                                      # front matter
    | \\[A-Za-z]+ | &\#?\w+;
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)


def prose(text: str) -> str:
    """Return the text, as long as before, with BREAK for every character that is not prose."""
    return _NOT_PROSE.sub(lambda found: BREAK * len(found[0]), text)


def prose_of(passages: Sequence[Passage]) -> list[str]:
    """Return the prose of each passage of one chapter.

    Looked at together: a code block may begin in one passage and end in the next.
    """
    parts: list[str] = []
    end = 0
    for passage in passages:
        parts.append("" if passage.start == end else "\n\n")
        parts.append(passage.text)
        end = passage.end
    clean = prose("".join(parts))
    found, at = [], 0
    for gap, text in zip(parts[::2], parts[1::2], strict=True):
        at += len(gap)
        found.append(clean[at : at + len(text)])
        at += len(text)
    return found
