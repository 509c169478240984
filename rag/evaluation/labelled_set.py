"""Read a labelled set: a folder of passages, questions, and which passage answers which.

`corpus.jsonl` holds a passage a line (`id`, `text`; `doc` and `title` where there are any),
`queries.jsonl` a question a line (`id`, `text`), `qrels.tsv` a header and then question, passage
and score between tabs, `meta.json` the `level` at least. Whatever is wrong with one of them is
said in words, with its file and line.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

LEVELS = ("passage", "doc")


class LabelledSetError(Exception):
    """A set that cannot be used, and why, in words."""


@dataclass(frozen=True)
class Passage:
    """One passage. `doc` is what counts as found where the set's level is doc."""

    id: str
    doc: str
    title: str
    text: str


@dataclass(frozen=True)
class LabelledSet:
    """Passages, questions and judgements; `relevant[question][passage or doc]` is a score > 0."""

    folder: Path
    name: str
    language: str
    level: str
    passages: dict[str, Passage]
    questions: dict[str, str]
    relevant: dict[str, dict[str, int]]

    def found(self, passage_ids: list[str]) -> list[str]:
        """Return what counts as found, best first and each once: passages, or their docs."""
        if self.level == "doc":
            passage_ids = [self.passages[passage_id].doc for passage_id in passage_ids]
        return list(dict.fromkeys(passage_ids))


def read_labelled_set(folder: Path) -> LabelledSet:
    """Read a set from its folder. Raises LabelledSetError, which says where it is wrong."""
    if not folder.is_dir():
        raise LabelledSetError(f"{folder} is no folder. A labelled set is a folder.")
    meta = _meta(folder / "meta.json")
    passages = _passages(folder / "corpus.jsonl", uses_titles=meta["use_title"])
    questions = _questions(folder / "queries.jsonl")
    judged = set(passages)
    if meta["level"] == "doc":
        judged = {passage.doc for passage in passages.values()}
    return LabelledSet(
        folder=folder,
        name=meta["name"] or folder.resolve().name,
        language=meta["lang"],
        level=meta["level"],
        passages=passages,
        questions=questions,
        relevant=_judgements(folder / "qrels.tsv", questions, judged, meta["level"]),
    )


def _meta(path: Path) -> dict[str, Any]:
    text = "\n".join(line for _, line in _lines(path))
    try:
        meta = json.loads(text)
    except ValueError as error:
        _fail(path, getattr(error, "lineno", None), f"is not JSON: {error}")
    if not isinstance(meta, dict):
        _fail(path, None, "holds no JSON object.")
    if meta.get("level") not in LEVELS:
        _fail(path, None, f"level is {_shown(meta.get('level'))}; it takes passage or doc.")
    for key, default, kind in (("use_title", False, bool), ("name", "", str), ("lang", "", str)):
        value = meta.setdefault(key, default)
        if not isinstance(value, kind):
            takes = "true or false" if kind is bool else "text"
            _fail(path, None, f"{key} is {_shown(value)}; it takes {takes}.")
    return meta


def _passages(path: Path, *, uses_titles: bool) -> dict[str, Passage]:
    passages: dict[str, Passage] = {}
    for number, entry in _objects(path):
        passage_id = _id(path, number, entry, passages)
        passages[passage_id] = Passage(
            id=passage_id,
            doc=_text(path, number, entry, "doc", default=passage_id),
            title=_text(path, number, entry, "title", default="") if uses_titles else "",
            text=_text(path, number, entry, "text"),
        )
    if not passages:
        _fail(path, None, "holds no passage.")
    return passages


def _questions(path: Path) -> dict[str, str]:
    questions: dict[str, str] = {}
    for number, entry in _objects(path):
        question_id = _id(path, number, entry, questions)
        questions[question_id] = _text(path, number, entry, "text")
    return questions


def _judgements(
    path: Path, questions: dict[str, str], judged: set[str], level: str
) -> dict[str, dict[str, int]]:
    lines = _lines(path)
    _, header = next(lines, (1, ""))
    if len(header.split("\t")) != 3 or _score(header.split("\t")[2]) is not None:
        _fail(path, 1, "is not a header of three names between tabs.")
    relevant: dict[str, dict[str, int]] = {}
    for number, line in lines:
        if not line.strip():
            continue
        columns = line.split("\t")
        if len(columns) != 3 or (score := _score(columns[2])) is None:
            _fail(path, number, "is not a question, a passage and a whole number between tabs.")
        question_id, judged_id, _ = columns
        if question_id not in questions:
            _fail(path, number, f"judges the question “{question_id}”, which is not in the set.")
        if judged_id not in judged:
            what = f"the {level} “{judged_id}”"
            _fail(path, number, f"judges {what}, which is not in corpus.jsonl.")
        if score > 0:
            relevant.setdefault(question_id, {})[judged_id] = score
    if not relevant:
        _fail(path, None, "judges no passage as relevant.")
    return relevant


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers, counted from 1."""
    number = 0
    try:
        with path.open("rb") as file:
            # Bytes end lines at \n alone: text may hold characters that Unicode calls a line's end.
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except FileNotFoundError as error:
        raise LabelledSetError(f"{path.parent} holds no {path.name}.") from error
    except UnicodeDecodeError:
        _fail(path, number, "is not UTF-8.")
    except OSError as error:
        _fail(path, None, f"cannot be read: {error.strerror}.")


def _objects(path: Path) -> Iterator[tuple[int, dict]]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            _fail(path, number, f"is not JSON: {error}")
        if not isinstance(entry, dict):
            _fail(path, number, "is no JSON object.")
        yield number, entry


def _id(path: Path, number: int, entry: dict, taken: dict[str, Any]) -> str:
    found = _text(path, number, entry, "id")
    if not found:
        _fail(path, number, "has an empty id.")
    if found in taken:
        _fail(path, number, f"has the id “{found}”, which a line before it has already.")
    return found


def _text(path: Path, number: int, entry: dict, key: str, default: str | None = None) -> str:
    value = entry.get(key)
    if value is None and default is not None:
        return default
    if key not in entry:
        _fail(path, number, f"has no {key}.")
    if not isinstance(value, str):
        _fail(path, number, f"has {_shown(value)} as its {key}; it takes text.")
    return value


def _score(column: str) -> int | None:
    try:
        return int(column)
    except ValueError:
        return None


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]


def _fail(path: Path, number: int | None, problem: str) -> NoReturn:
    where = f"{path}, line {number}" if number else str(path)
    raise LabelledSetError(f"{where}: {problem}")
