"""What an index version is stamped with, and whether that fits what is configured now."""

import re
from pathlib import Path

from rag.chunking import chunker_version
from rag.embedders.base import Embedder
from rag.errors import IndexMismatch, IndexMissing
from rag.models import IndexVersion

NORMALISATION = "l2"  # every Embedder gives vectors of length one


def stamps(embedder: Embedder) -> dict[str, str]:
    """Return the fields of an IndexVersion that say how it is made now."""
    return {
        "embedder_name": embedder.name,
        "embedder_fingerprint": embedder.fingerprint,
        "embedder_revision": revision(embedder),
        "normalisation": NORMALISATION,
        "chunker_version": chunker_version(),
    }


def revision(embedder: Embedder) -> str:
    """Return a short name of a model's files: their commit on the Hub, or of their fingerprint."""
    folder = Path(getattr(embedder, "folder", ""))
    if folder.parent.name == "snapshots" and re.fullmatch("[0-9a-f]{40}", folder.name):
        return folder.name[:12]
    return embedder.fingerprint[:12]


def check_usable(collection: str, version: IndexVersion | None, embedder: Embedder) -> None:
    """Raise IndexMissing or IndexMismatch, in words, unless this version can be searched."""
    if version is None:
        raise IndexMissing(f"“{collection}” has no search index yet. {_remedy(collection)}")
    if version.embedder_fingerprint != embedder.fingerprint:
        words = f"{version.embedder_name}, but {embedder.name} is configured now (EMBEDDING_MODEL)."
        if version.embedder_name == embedder.name:
            words = (
                f"{embedder.name} of revision {version.embedder_revision or 'unknown'}, but its "
                f"files are now of revision {revision(embedder)}."
            )
        raise IndexMismatch(
            f"The search index of “{collection}” was built with {words} {_remedy(collection)}"
        )
    if version.normalisation != NORMALISATION:
        raise IndexMismatch(
            f"The vectors of “{collection}” are normalised by {version.normalisation or 'nothing'},"
            f" but search compares vectors normalised by {NORMALISATION}. {_remedy(collection)}"
        )


def is_outdated(version: IndexVersion) -> bool:
    """Say whether a version that can be searched was cut by another release's chunker."""
    return version.chunker_version != chunker_version()


def outdated_words(version: IndexVersion) -> str:
    return (
        f"The search index of “{version.collection}” was cut by chunker {version.chunker_version}, "
        f"but this release has {chunker_version()}; it is searched as it is. "
        f"{_remedy(version.collection)}"
    )


def _remedy(collection: str) -> str:
    return f"Run: manage.py reindex --course {collection}"
