"""Whether what should be searchable is: for probes, checks and people."""

from dataclasses import dataclass, field

from rag.embedders.base import get_embedder
from rag.errors import RetrievalError
from rag.loaded import check_usable
from rag.models import IndexVersion
from rag.sources import get_source


@dataclass
class IndexStatus:
    """Which collections can be searched, and what is wrong with the others, in words."""

    searchable: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join(self.problems.values())


def index_status() -> IndexStatus:
    """Look at the index of every collection that has documents. Loads no model."""
    source, status = get_source(), IndexStatus()
    active = {
        version.collection: version
        for version in IndexVersion.objects.filter(status=IndexVersion.Status.ACTIVE)
    }
    for name in source.collections():
        try:
            check_usable(name, active.get(name), get_embedder())
        except RetrievalError as problem:
            if next(iter(source.documents(name)), None) is not None:
                status.problems[name] = str(problem)
        else:
            status.searchable.append(name)
    return status
