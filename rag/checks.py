"""System checks of retrieval: the settings, and with `check --database` the index. No model."""

from pathlib import Path

from django.core.checks import Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.utils.module_loading import import_string

from rag import conf
from rag.embedders.sentence_transformer import looks_like_a_path
from rag.readiness import index_status
from rag.stores.base import get_store

TAKES = "It takes a folder, or the name, of a sentence-transformers model."


@register
def check_backends(app_configs, **kwargs) -> list[Error]:
    """Each dotted path of settings.RAG can be imported."""
    found = []
    for name in ("SOURCE", "EMBEDDER", "STORE", "RERANKER"):
        path = conf.setting(name)
        try:
            import_string(path or "")
        except ImportError as error:
            found.append(
                Error(
                    f'RAG["{name}"] is {path!r}, which cannot be imported: {error}',
                    hint="It takes the dotted path of a class.",
                    id="rag.E001",
                )
            )
    return found


@register
def check_model_folders(app_configs, **kwargs) -> list[Error]:
    """A model that is named by its folder is there."""
    return [
        Error(f"{name} is {model!r}: there is no such folder.", hint=TAKES, id="rag.E002")
        for name in ("EMBEDDING_MODEL", "RERANKER_MODEL")
        if (model := conf.setting(name))
        and looks_like_a_path(model)
        and not Path(model).expanduser().is_dir()
    ]


@register(Tags.database)
def check_store(app_configs, databases=None, **kwargs) -> list[Error]:
    """The database has what the configured store of vectors needs."""
    if not databases:
        return []
    try:
        problem = get_store().problem()
    except (ImproperlyConfigured, DatabaseError):
        return []  # told by another check
    return [Error(problem, id="rag.E003")] if problem else []


@register(Tags.database)
def check_index(app_configs, databases=None, **kwargs) -> list[Warning]:
    """What should be searchable has an index, built by the configured model and this chunker."""
    if not databases:
        return []
    try:
        status = index_status()
    except DatabaseError:
        return []  # not migrated yet, which Django says by itself
    return [
        *(Warning(words, id="rag.W001") for words in status.problems.values()),
        *(Warning(words, id="rag.W002") for words in status.outdated.values()),
    ]
