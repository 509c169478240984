"""A small labelled set on disk, for tests to change and to break."""

import json

PASSAGES = {
    "leaf": "A leaf turns light and water into sugar.",
    "root": "A root takes water and minerals from the soil.",
    "bark": "Bark protects the trunk of a tree from fire and insects.",
    "seed": "A seed sleeps until rain wakes it.",
}
QUESTIONS = {"q1": "What protects the trunk?", "q2": "When does a seed wake?"}
JUDGED = [("q1", "bark", 2), ("q1", "leaf", 0), ("q2", "seed", 1)]


class SetOnDisk:
    """A labelled set in a folder, one file at a time as a test wants it."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.meta()
        self.lines("corpus.jsonl", *({"id": id, "text": text} for id, text in PASSAGES.items()))
        self.lines("queries.jsonl", *({"id": id, "text": text} for id, text in QUESTIONS.items()))
        self.judged(*JUDGED)

    def meta(self, **changes):
        self.lines("meta.json", {"name": "trees", "lang": "en", "level": "passage", **changes})

    def judged(self, *rows):
        lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in rows)]
        self.text("qrels.tsv", "\n".join(lines) + "\n")

    def lines(self, name, *objects):
        self.text(name, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects))

    def text(self, name, text):
        (self.folder / name).write_bytes(text.encode("utf-8"))

    def __str__(self):
        return str(self.folder)
