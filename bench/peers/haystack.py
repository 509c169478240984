"""Haystack's hybrid search: two in-memory retrievers and a DocumentJoiner, as its tutorial has it.

Joined by reciprocal rank, which its documentation of DocumentJoiner names for this use.
"""

from bench.retrieval_way import TOP, Way, passages_in


class Haystack(Way):
    def load(self, folder: str) -> None:
        from haystack import Document, Pipeline
        from haystack.components.joiners import DocumentJoiner
        from haystack.components.retrievers.in_memory import (
            InMemoryBM25Retriever,
            InMemoryEmbeddingRetriever,
        )
        from haystack.document_stores.in_memory import InMemoryDocumentStore
        from haystack.utils import ComponentDevice
        from haystack_integrations.components.embedders.sentence_transformers import (
            SentenceTransformersTextEmbedder,
        )

        texts, vectors = passages_in(folder)
        store = InMemoryDocumentStore()
        store.write_documents(
            [
                Document(id=str(row), content=text, embedding=vector)
                for row, (text, vector) in enumerate(zip(texts, vectors.tolist(), strict=True))
            ]
        )
        embedder = SentenceTransformersTextEmbedder(
            model=self.model, device=ComponentDevice.from_str("cpu"), progress_bar=False
        )
        self.pipeline = Pipeline()
        self.pipeline.add_component("text_embedder", embedder)
        self.pipeline.add_component(
            "embedding_retriever", InMemoryEmbeddingRetriever(store, top_k=TOP)
        )
        self.pipeline.add_component("bm25_retriever", InMemoryBM25Retriever(store, top_k=TOP))
        self.pipeline.add_component(
            "document_joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=TOP)
        )
        self.pipeline.connect("text_embedder.embedding", "embedding_retriever.query_embedding")
        self.pipeline.connect("bm25_retriever", "document_joiner")
        self.pipeline.connect("embedding_retriever", "document_joiner")

    def search(self, question: str) -> list[int]:
        found = self.pipeline.run(
            {"text_embedder": {"text": question}, "bm25_retriever": {"query": question}}
        )
        return [int(document.id) for document in found["document_joiner"]["documents"]]
