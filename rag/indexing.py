"""Bring the index in line with its source: the write path.

Documents whose title, text, chunker and embedding model are unchanged are shared with the active
version and cost a hash. The rest is written by `index_writer` into the version being built;
students search the active one until a single transaction switches. What a killed run has embedded
is found by its hash in the next. Of two runs on one collection the one that began later wins, as
it has read the newer text. Who searches in this process has the new version in memory when a run
returns; other processes load it as they are asked, see `loaded`.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from rag.chunking import chunker_version
from rag.embedders.base import get_embedder
from rag.errors import IndexMismatch, IndexMissing, RetrievalError
from rag.index_report import Failure, IndexReport, in_words
from rag.index_writer import IndexWriter, PendingDocument, digest, hold
from rag.locking import hold_versions
from rag.models import EVALUATION_PREFIX, Chunk, Document, IndexVersion
from rag.sources import DocumentSource, SourceDocument, get_source
from rag.stamps import mismatch, stamps
from rag.stores.base import get_store
from rag.sweeping import sweep
from rag.vector_writer import VECTOR_FORMAT, Progress, Superseded, check_not_superseded
from tracing import trace

logger = logging.getLogger(__name__)

Status = IndexVersion.Status


def reindex(
    collections: Iterable[str] | None = None,
    *,
    source: DocumentSource | None = None,
    full: bool = False,
    dry_run: bool = False,
    activate: bool = True,
    progress: Progress | None = None,
) -> IndexReport:
    """Bring the index of these collections, or of all, in line with the source.

    1. Compare each document with the active version by its hash; nothing differs: done.
    2. Cut the new and changed ones, reuse the vectors of known passages, embed the others.
    3. Switch to the new version (unless `activate` is False) and remove what no version holds.

    `source` supplies the documents in place of the one that the settings name. `full` embeds
    everything anew. A document that cannot be indexed is reported, its former revision stays
    searchable, and the others go on. Raises ModelUnavailable.
    """
    source = source or get_source()
    known = source.collections()
    gone = indexed_collections() - set(known)
    wanted = [*known, *sorted(gone)] if collections is None else list(collections)
    options = {"full": full, "dry_run": dry_run, "activate": activate}
    report = IndexReport(is_dry_run=dry_run)
    started = time.perf_counter()
    with trace("reindex", input={"course": wanted, "options": options}, tags=["job"]) as job:
        for collection in wanted:
            if collection in gone:
                report.removed += _document_count(collection)
                if not dry_run:
                    forget(collection)
                continue
            try:
                _Run(source, collection, report, progress, **options).run()
            except Superseded:
                logger.info("reindex of %s: a later run took over", collection)
            except RetrievalError:
                raise
            except Exception as error:
                logger.exception("reindex of %s failed", collection)
                report.failures.append(Failure(collection, None, "", in_words(error)))
        report.seconds = round(time.perf_counter() - started, 3)
        job.output = asdict(report)
    return report


def rollback(collection: str) -> IndexVersion:
    """Make the version before the active one active again.

    The next `reindex` goes forward again, as the source still has the newer documents. Raises
    IndexMissing, and IndexMismatch where nobody could search that version.
    """
    embedder = get_embedder()
    with transaction.atomic():
        hold_versions()
        versions = IndexVersion.objects.filter(collection=collection)
        active = versions.filter(status=Status.ACTIVE).first()
        earlier = versions.filter(status=Status.RETIRED).order_by("-pk")
        if active is not None:
            earlier = earlier.filter(pk__lt=active.pk)  # a second time goes no further, not forward
        previous = earlier.first()
        if previous is None:
            raise IndexMissing(f"“{collection}” has no earlier index version to go back to.")
        if words := mismatch(previous, embedder):
            raise IndexMismatch(f"“{collection}” stays as it is: its earlier index {words}")
        versions.filter(status=Status.ACTIVE).update(status=Status.RETIRED)
        previous.status, previous.activated_at = Status.ACTIVE, timezone.now()
        previous.save(update_fields=["status", "activated_at"])
        transaction.on_commit(partial(_load_here, collection))
    return previous


def forget(collection: str) -> None:
    """Remove a collection with all its versions, passages and vectors."""
    with transaction.atomic():
        hold_versions()
        _delete_versions(IndexVersion.objects.filter(collection=collection))
        Document.objects.filter(collection=collection).delete()
        transaction.on_commit(partial(_load_here, collection))
    sweep(collection)


def indexed_collections() -> set[str]:
    """Return the collections that have an index, in whatever state; labelled sets are none."""
    versions = IndexVersion.objects.exclude(collection__startswith=EVALUATION_PREFIX)
    return set(versions.values_list("collection", flat=True).distinct())


class _Run:
    """One reindex of one collection."""

    def __init__(
        self,
        source: DocumentSource,
        collection: str,
        report: IndexReport,
        progress: Progress | None,
        *,
        full: bool,
        dry_run: bool,
        activate: bool,
    ) -> None:
        self.source = source
        self.collection = collection
        self.report = report
        self.progress = progress
        self.full = full
        self.dry_run = dry_run
        self.activate = activate
        self.embedder = get_embedder()
        self.versions = IndexVersion.objects.filter(collection=collection)

    def run(self) -> None:
        active = self.versions.filter(status=Status.ACTIVE).first()
        kept, pending = self._compare(active)
        if self.dry_run:
            return
        if pending or not self._is_all_of(active, kept):
            version = self._begin(kept)
            self._write(version, pending)
            if self._is_all_of(active, version.documents.values_list("pk", flat=True)):
                version.delete()  # all that was to change has failed
            elif self.activate:
                self._make_ready(version)
                self._switch_to(version)
        else:
            self._end_older_runs()
        sweep(self.collection)

    def _begin(self, kept: list[int]) -> IndexVersion:
        with transaction.atomic():  # so that nobody sweeps what a killed run has embedded
            hold_versions()
            self._end_older_runs()
            version = self.versions.create(collection=self.collection, **stamps(self.embedder))
            hold(version, kept)
        return version

    def _end_older_runs(self) -> None:
        """Take over from runs that were killed, and from one that has read an older text."""
        with transaction.atomic():
            _delete_versions(self.versions.filter(status=Status.BUILDING))

    def _compare(self, active: IndexVersion | None) -> tuple[list[int], list[PendingDocument]]:
        """Count what differs; return the revisions to keep and the documents to index."""
        report = self.report
        former: dict[str, tuple[int, str]] = {}
        if active is not None:
            rows = active.documents.values_list("key", "pk", "content_hash")
            former = {key: (pk, content_hash) for key, pk, content_hash in rows}
        kept: list[int] = []
        pending: list[PendingDocument] = []
        seen: set[str] = set()
        for document in self.source.documents(self.collection):
            former_id, former_hash = former.get(document.key, (None, None))
            try:
                if document.key in seen:
                    raise ValueError(f"another document has the key {document.key} as well")
                seen.add(document.key)
                content_hash = self._content_hash(document)
            except ValueError as error:
                report.failures.append(
                    Failure(self.collection, document.key, document.title, in_words(error))
                )
                if former_id is not None and former_id not in kept:
                    kept.append(former_id)
                continue
            if content_hash == former_hash and not self.full:
                report.unchanged += 1
                kept.append(former_id)
                continue
            if former_id is None:
                report.added += 1
            else:
                report.changed += 1
            pending.append(PendingDocument(document, content_hash, former_id))
        report.removed += len(former.keys() - seen)
        return kept, pending

    def _content_hash(self, document: SourceDocument) -> str:
        return digest(
            VECTOR_FORMAT,
            self.embedder.fingerprint,
            chunker_version(),
            document.language,
            document.title,
            document.text,
        )

    def _is_all_of(self, active: IndexVersion | None, document_ids: Iterable[int]) -> bool:
        """Say whether the active version is made as it would be now, of just these documents."""
        return (
            active is not None
            and active.embedder_fingerprint == self.embedder.fingerprint
            and active.chunker_version == chunker_version()
            and set(active.documents.values_list("pk", flat=True)) == set(document_ids)
        )

    def _write(self, version: IndexVersion, pending: list[PendingDocument]) -> None:
        writer = IndexWriter(version, self.embedder, reuse=not self.full, progress=self.progress)
        try:
            writer.write(pending)
        finally:
            report = self.report
            report.embedded_chunks += writer.vectors.embedded_count
            report.reused_chunks += max(0, writer.stored_count - writer.vectors.embedded_count)
            for document, failure in writer.failed:
                report.failures.append(failure)
                if document.former_id is None:
                    report.added -= 1
                else:
                    report.changed -= 1

    def _make_ready(self, version: IndexVersion) -> None:
        chunks = Chunk.objects.filter(document__versions=version)
        dimension = next(iter(chunks.values_list("vector__dimension", flat=True)[:1]), 0)
        self.versions.filter(pk=version.pk).update(dimension=dimension)
        try:
            get_store().prepare(version.pk)
        except IndexVersion.DoesNotExist as error:
            raise Superseded from error

    def _switch_to(self, version: IndexVersion) -> None:
        with transaction.atomic():
            hold_versions()
            check_not_superseded(version)
            self.versions.filter(status=Status.RETIRED).delete()
            self.versions.filter(status=Status.ACTIVE).update(status=Status.RETIRED)
            switched = self.versions.filter(pk=version.pk).update(
                status=Status.ACTIVE, activated_at=timezone.now()
            )
            if not switched:  # never without an active version
                raise Superseded
            transaction.on_commit(partial(_load_here, self.collection))


def _delete_versions(versions: QuerySet[IndexVersion]) -> None:
    # Locked first: else a run that is storing documents could add to a version while it is being
    # deleted, and the database would refuse the whole.
    locked = list(versions.select_for_update().order_by("pk").values_list("pk", flat=True))
    IndexVersion.objects.filter(pk__in=locked).delete()


def _load_here(collection: str) -> None:
    """Have the active version in memory, if the one before it is: who runs this may search."""
    from rag import loaded  # with the libraries of lexical search, which indexing does not need

    try:
        loaded.follow_switch(collection)
    except (RetrievalError, IndexVersion.DoesNotExist) as problem:
        logger.warning("the index of %s is not in memory: %s", collection, problem)
    except Exception:
        logger.exception("the index of %s is not in memory yet; who asks loads it", collection)


def _document_count(collection: str) -> int:
    return Document.objects.filter(collection=collection).values("key").distinct().count()
