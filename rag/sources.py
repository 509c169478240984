"""Who supplies the text: an interface, implemented by whatever `RAG["SOURCE"]` names."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from rag import conf


@dataclass(frozen=True)
class SourceDocument:
    """One document as its owner has it now.

    `key` is stable and unique in its collection; `text` is Markdown, and offsets of passages count
    its code points; `language` is a tag such as `en` or `zh-hans`.
    """

    key: str
    title: str
    text: str
    language: str = ""


class DocumentSource(ABC):
    """Supplies the documents that can be searched, grouped in collections."""

    @abstractmethod
    def collections(self) -> list[str]:
        """Return the names of all collections."""

    @abstractmethod
    def documents(self, collection: str) -> Iterable[SourceDocument]:
        """Return the documents of one collection that should be searchable now, in order."""

    def public_keys(self, collection: str) -> set[str] | None:
        """Return the documents that every reader of a collection may see; None: all of them."""
        return None


def get_source() -> DocumentSource:
    """Return the source named by RAG["SOURCE"], built once per process."""
    return conf.backend("SOURCE")
