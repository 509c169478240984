"""LlamaIndex's hybrid search: QueryFusionRetriever, as its reciprocal rerank example shows it.

The index keeps its vectors where that example keeps them, in the default store. Questions are not
multiplied by a language model (`num_queries=1`, as the documentation says to switch that off).
"""

from bench.retrieval_way import TOP, Way, passages_in


class LlamaIndex(Way):
    def __init__(self, model: str):
        super().__init__(model)
        from llama_index.core import Settings
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        Settings.llm = None  # otherwise it wants a key of OpenAI's
        Settings.embed_model = HuggingFaceEmbedding(model_name=model, device="cpu")

    def load(self, folder: str) -> None:
        from llama_index.core import VectorStoreIndex
        from llama_index.core.retrievers import QueryFusionRetriever
        from llama_index.core.schema import TextNode
        from llama_index.retrievers.bm25 import BM25Retriever

        texts, vectors = passages_in(folder)
        nodes = [
            TextNode(id_=str(row), text=text, embedding=vector)
            for row, (text, vector) in enumerate(zip(texts, vectors.tolist(), strict=True))
        ]
        index = VectorStoreIndex(nodes)
        self.retriever = QueryFusionRetriever(
            [
                index.as_retriever(similarity_top_k=TOP),
                BM25Retriever.from_defaults(docstore=index.docstore, similarity_top_k=TOP),
            ],
            similarity_top_k=TOP,
            num_queries=1,
            mode="reciprocal_rerank",
            use_async=False,  # one question at a time, as everybody here
        )

    def search(self, question: str) -> list[int]:
        return [int(found.node.node_id) for found in self.retriever.retrieve(question)]
