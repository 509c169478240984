"""What a reindex has to say for itself."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Failure:
    """A document that could not be indexed, and why; `key` is None for a whole collection."""

    collection: str
    key: str | None
    title: str
    reason: str

    def __str__(self) -> str:
        what = f"{self.collection}: {self.title or self.key}" if self.key else self.collection
        return f"{what}: {self.reason}"


@dataclass
class IndexReport:
    """What a reindex did, or with `is_dry_run` would do: documents, then passages."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    embedded_chunks: int = 0
    reused_chunks: int = 0
    seconds: float = 0.0
    is_dry_run: bool = False
    failures: list[Failure] = field(default_factory=list)

    def __str__(self) -> str:
        documents = (
            f"{self.added} added, {self.changed} changed, {self.unchanged} unchanged, "
            f"{self.removed} removed"
        )
        if self.failures:
            documents += f", {len(self.failures)} failed"
        if self.is_dry_run:
            return f"{documents}; dry run, nothing written; {self.seconds:.1f} seconds"
        return (
            f"{documents}; {self.embedded_chunks} passages embedded, {self.reused_chunks} reused; "
            f"{self.seconds:.1f} seconds"
        )


def in_words(error: Exception) -> str:
    """Return the first line of an error, or its kind where it says nothing."""
    return str(error).strip().split("\n")[0] or type(error).__name__
