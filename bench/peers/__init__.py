"""What others would put together for the same job, each as its own documentation shows it.

langchain     EnsembleRetriever of BM25Retriever and a FAISS store, HuggingFaceEmbeddings
llama_index   QueryFusionRetriever of BM25Retriever and a VectorStoreIndex, HuggingFaceEmbedding
haystack      Pipeline of InMemoryBM25Retriever, InMemoryEmbeddingRetriever and DocumentJoiner

They cannot live in the project's environment (their versions of packaging, wrapt and others exclude
Langfuse's), so they have one of their own: see environment.py.
"""
