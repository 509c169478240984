"""Whether what should be searchable is: for probes, checks and people."""

from dataclasses import dataclass, field

from rag.embedders.base import get_embedder
from rag.errors import RetrievalError
from rag.models import IndexVersion
from rag.sources import get_source
from rag.stamps import check_usable, is_outdated, outdated_words


@dataclass
class IndexStatus:
    """Which collections can be searched, and what is wrong with the others, in words.

    What is `outdated` is searched as it is, and would be better after a reindex.
    """

    searchable: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    outdated: dict[str, str] = field(default_factory=dict)

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
        version = active.get(name)
        try:
            check_usable(name, version, get_embedder())
        except RetrievalError as problem:
            if next(iter(source.documents(name)), None) is not None:
                status.problems[name] = str(problem)
            continue
        status.searchable.append(name)
        if is_outdated(version):
            status.outdated[name] = outdated_words(version)
    return status
