"""LangChain's hybrid search: EnsembleRetriever, as its how-to on combining retrievers shows it."""

from bench.retrieval_way import TOP, Way, passages_in


class LangChain(Way):
    def __init__(self, model: str):
        super().__init__(model)
        from langchain_huggingface import HuggingFaceEmbeddings

        self.embeddings = HuggingFaceEmbeddings(
            model_name=model,
            model_kwargs={"device": "cpu"},
            encode_kwargs={"normalize_embeddings": False},
        )

    def load(self, folder: str) -> None:
        from langchain_classic.retrievers import EnsembleRetriever
        from langchain_community.retrievers import BM25Retriever
        from langchain_community.vectorstores import FAISS

        texts, vectors = passages_in(folder)
        rows = [{"row": row} for row in range(len(texts))]
        bm25 = BM25Retriever.from_texts(texts, metadatas=rows)
        bm25.k = TOP
        store = FAISS.from_embeddings(
            zip(texts, vectors.tolist(), strict=True), self.embeddings, metadatas=rows
        )
        dense = store.as_retriever(search_kwargs={"k": TOP})
        self.retriever = EnsembleRetriever(retrievers=[bm25, dense], weights=[0.5, 0.5])

    def search(self, question: str) -> list[int]:
        # It returns whatever either of the two found: cut to as many as all others return.
        return [found.metadata["row"] for found in self.retriever.invoke(question)[:TOP]]
