"""Whether what should be searchable is: for probes, checks and people."""

from rag.embedders.base import get_embedder
from rag.errors import RetrievalError
from rag.loaded import check_usable
from rag.models import IndexVersion
from rag.sources import get_source


def index_status(collection: str | None = None) -> str:
    """Return what is wrong with the index of a collection, or of all, in words; "" if nothing.

    A collection without documents needs no index. Loads no model.
    """
    source = get_source()
    active = {
        version.collection: version
        for version in IndexVersion.objects.filter(status=IndexVersion.Status.ACTIVE)
    }
    problems = []
    for name in source.collections() if collection is None else [collection]:
        try:
            check_usable(name, active.get(name), get_embedder())
        except RetrievalError as problem:
            if next(iter(source.documents(name)), None) is not None:
                problems.append(str(problem))
    return " ".join(problems)
