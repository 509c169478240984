"""Say in a table what an evaluation found, for people."""

from collections.abc import Iterator

from rag.evaluation.evaluation import Evaluation
from rag.evaluation.metrics import METRICS
from rag.evaluation.runs import STAGES

HEADINGS = {
    "ndcg@10": "nDCG@10 ± 95 %",
    "mrr@10": "MRR@10",
    "recall@5": "Recall@5",
    "recall@10": "Recall@10",
}


def lines(evaluation: Evaluation, stage: str) -> Iterator[str]:
    """Yield what is printed; `stage` is compared with the others."""
    labelled, judged = evaluation.labelled, len(evaluation.by_question[stage])
    yield (
        f"{labelled.name}: {len(labelled.passages)} passages, {len(evaluation.answers)} questions, "
        f"{judged} of them judged, level {labelled.level}"
    )
    models = evaluation.models
    yield f"embedding model {models['embedder']}, reranker {models['reranker']}"
    yield f"index: {evaluation.report}"
    yield ""
    yield "         " + "".join(f"{HEADINGS[metric]:>17}" for metric in METRICS)
    for name in STAGES:
        cells = [f"{evaluation.mean(name, metric):.4f}" for metric in METRICS]
        cells[0] += f" ± {evaluation.half_width(name, 'ndcg@10'):.3f}"
        mark = "*" if name == stage else " "
        yield f"{mark} {name:<7}" + "".join(f"{cell:>17}" for cell in cells)
    yield ""
    for other in STAGES:
        if other != stage:
            found = evaluation.difference(stage, other)
            yield (
                f"{stage} minus {other}: nDCG@10 {found['difference']:+.4f}, "
                f"95 % interval {found['low']:+.4f} to {found['high']:+.4f}"
            )
    yield f"called weak: {evaluation.weak_share:.1%} of the questions"
    if evaluation.gave_up_count:
        yield f"rerank gave up: {evaluation.gave_up_count} questions, where the fused order stood"
    p50, p95 = evaluation.milliseconds(50), evaluation.milliseconds(95)
    yield f"search: p50 {p50:.1f} ms, p95 {p95:.1f} ms"
