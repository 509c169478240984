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
    if words := mismatch(version, embedder):
        raise IndexMismatch(f"The search index of “{collection}” {words} {_remedy(collection)}")


def mismatch(version: IndexVersion, embedder: Embedder) -> str:
    """Say in words why a version cannot be searched with this model; "": it can.

    A predicate, for a sentence about the version. The dimension is compared once the model is
    loaded: equal fingerprints mean equal dimensions, unless an Embedder breaks its promise.
    """
    if version.embedder_fingerprint != embedder.fingerprint:
        if version.embedder_name == embedder.name:
            return (
                f"was built with {embedder.name} of revision "
                f"{version.embedder_revision or 'unknown'}, but its files are now of revision "
                f"{revision(embedder)}."
            )
        return (
            f"was built with {version.embedder_name}, but {embedder.name} is configured now "
            "(EMBEDDING_MODEL)."
        )
    if version.normalisation != NORMALISATION:
        return (
            f"has vectors normalised by {version.normalisation or 'nothing'}, but search compares "
            f"vectors normalised by {NORMALISATION}."
        )
    dimension = embedder.dimension if embedder.is_loaded else None
    if dimension and version.dimension and dimension != version.dimension:  # 0: it is empty
        return f"has vectors of {version.dimension} numbers, but {embedder.name} gives {dimension}."
    return ""


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
