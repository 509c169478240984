"""Turn the dotted paths of settings.RAG into objects, each built once per process."""

import threading
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.module_loading import import_string

DEFAULTS = {
    "EMBEDDER": "rag.embedders.sentence_transformer.SentenceTransformerEmbedder",
    "EMBEDDING_MODEL": None,
    "STORE": "rag.stores.exact.ExactStore",
    "RERANKER": "rag.rerankers.late_interaction.LateInteraction",
    "RERANKER_MODEL": None,
    "RERANK_SECONDS": 2.0,  # past it the fused order stands
    "EMBEDDING_PRECISION": "auto",
}


def setting(name: str) -> Any:
    """Return `settings.RAG[name]`, or the default of that name."""
    return getattr(settings, "RAG", {}).get(name) or DEFAULTS.get(name)


_built: dict[tuple, Any] = {}
_lock = threading.Lock()  # two threads that ask at once must not build, and load, two models


def backend(name: str, *arguments: Any) -> Any:
    """Build the class that `settings.RAG[name]` names, once per process."""
    with _lock:
        if (name, *arguments) not in _built:
            _built[name, *arguments] = _build(name, arguments)
        return _built[name, *arguments]


def forget_backends() -> None:
    """Let all backends be built anew, as in a new process."""
    with _lock:
        _built.clear()


def _build(name: str, arguments: tuple) -> Any:
    path = setting(name)
    if not path:
        raise ImproperlyConfigured(f'settings.RAG["{name}"] is not set; it names a class.')
    try:
        return import_string(path)(*arguments)
    except ImportError as error:
        raise ImproperlyConfigured(
            f'settings.RAG["{name}"] names {path}, which cannot be imported: {error}'
        ) from error


@receiver(setting_changed)
def _on_changed_setting(*, setting: str, **_: Any) -> None:
    if setting == "RAG":
        forget_backends()
