"""The index as it is stored: documents in passages, their vectors, and versions that hold them.

A `Document` is an immutable revision. An `IndexVersion` is a set of revisions, so a new version
shares every unchanged document with the one before, switching versions is one transaction, and the
one before stays whole for a rollback.
"""

import numpy as np
from django.db import models
from django.utils.translation import gettext_lazy as _

# Begins the names of collections that are no course: labelled sets, indexed to be measured.
EVALUATION_PREFIX = "evaluation:"


class Document(models.Model):
    """One revision of a document. Never changed after it was written; chunks hold its text."""

    collection = models.CharField(_("collection"), max_length=200)
    key = models.CharField(_("key"), max_length=200)
    title = models.CharField(_("title"), max_length=500)
    language = models.CharField(_("language"), max_length=20, blank=True)
    # Of title, text, chunker and embedding model: equal hashes mean equal chunks and vectors.
    content_hash = models.CharField(_("content hash"), max_length=64)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        indexes = [models.Index(fields=["collection", "key"], name="rag_document_key")]

    def __str__(self) -> str:
        return self.title


class ChunkVector(models.Model):
    """The vector of one embedded text, found again by the hash of model and text."""

    content_hash = models.CharField(_("content hash"), max_length=64, unique=True)
    embedder_fingerprint = models.CharField(_("embedding model"), max_length=64)
    dimension = models.PositiveIntegerField(_("dimension"))
    vector = models.BinaryField(_("vector"))  # float32, little endian, length one
    # Of the text's word pieces, 0 to 1: what the model does not know. Its vector is noise at 1.
    unknown_share = models.FloatField(_("unknown share"), default=0.0)
    # Compact, see late_interaction: int8, 64 a token. Null where the model has no token vectors.
    token_vectors = models.BinaryField(_("token vectors"), null=True)

    class Meta:
        verbose_name = _("vector")
        verbose_name_plural = _("vectors")

    def __str__(self) -> str:
        return self.content_hash[:12]

    def as_array(self) -> np.ndarray:
        """Return the vector as float32 of shape (dimension,)."""
        return np.frombuffer(self.vector, dtype="<f4")


class TokenBasis(models.Model):
    """The projection that makes an embedding model's token vectors compact.

    Kept, not computed again: eigenvectors may turn their signs from one machine to the next.
    """

    embedder_fingerprint = models.CharField(_("embedding model"), max_length=64, unique=True)
    dimension = models.PositiveIntegerField(_("dimension"))  # of the compact vectors
    basis = models.BinaryField(_("basis"))  # float32, little endian, (model's dimension, dimension)

    class Meta:
        verbose_name = _("token basis")
        verbose_name_plural = _("token bases")

    def __str__(self) -> str:
        return self.embedder_fingerprint[:12]

    def as_array(self) -> np.ndarray:
        """Return the basis as float32 of shape (model's dimension, dimension)."""
        return np.frombuffer(self.basis, dtype="<f4").reshape(-1, self.dimension)


class Chunk(models.Model):
    """A passage: `text` is exactly `document_text[start:end]`, counted in code points."""

    document = models.ForeignKey(
        Document, models.CASCADE, related_name="chunks", verbose_name=_("document")
    )
    vector = models.ForeignKey(
        ChunkVector, models.PROTECT, related_name="chunks", verbose_name=_("vector")
    )
    position = models.PositiveIntegerField(_("position"))
    start = models.PositiveIntegerField(_("start"))
    end = models.PositiveIntegerField(_("end"))
    heading_path = models.JSONField(_("heading path"), default=list)
    text = models.TextField(_("text"))
    token_count = models.PositiveIntegerField(_("tokens"))

    class Meta:
        verbose_name = _("passage")
        verbose_name_plural = _("passages")
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="rag_chunk_position")
        ]

    def __str__(self) -> str:
        return " › ".join([*self.heading_path, f"{self.start}–{self.end}"])


class IndexVersion(models.Model):
    """A set of document revisions, and the models that indexed them."""

    class Status(models.TextChoices):
        BUILDING = "building", _("building")
        ACTIVE = "active", _("active")
        RETIRED = "retired", _("retired")

    collection = models.CharField(_("collection"), max_length=200)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.BUILDING
    )
    embedder_name = models.CharField(_("embedding model"), max_length=300)
    embedder_fingerprint = models.CharField(_("model fingerprint"), max_length=64)
    embedder_revision = models.CharField(_("model revision"), max_length=64, blank=True)
    dimension = models.PositiveIntegerField(_("dimension"), default=0)
    normalisation = models.CharField(_("normalisation"), max_length=10, default="l2")
    chunker_version = models.CharField(_("chunker"), max_length=40)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    activated_at = models.DateTimeField(_("activated"), null=True, blank=True)
    documents = models.ManyToManyField(
        Document, related_name="versions", verbose_name=_("documents")
    )

    class Meta:
        verbose_name = _("index version")
        verbose_name_plural = _("index versions")
        indexes = [models.Index(fields=["collection", "status"], name="rag_version_status")]
        constraints = [
            models.UniqueConstraint(
                fields=["collection"],
                condition=models.Q(status="active"),
                name="rag_one_active_version",
            )
        ]

    def __str__(self) -> str:
        return f"{self.collection} #{self.pk} ({self.get_status_display()})"
