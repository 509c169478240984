"""Evaluate the live search on a labelled set: index it, ask its questions, score each stage.

No course is touched: a set has an index of its own, which is kept, so that a second evaluation
takes seconds. One trace `evaluate_search` says what came out; the questions leave none.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rag.embedders.base import get_embedder
from rag.evaluation.indexed_set import LabelledSetSource
from rag.evaluation.labelled_set import LabelledSet
from rag.evaluation.metrics import METRICS, interval, scores
from rag.evaluation.runs import STAGES, Answer, ask_all
from rag.index_report import IndexReport
from rag.indexing import reindex
from rag.rerankers.base import get_reranker
from rag.vector_writer import Progress
from tracing import trace


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found. `by_question[stage][question]` holds the scores by metric."""

    labelled: LabelledSet
    collection: str
    report: IndexReport
    answers: Mapping[str, Answer]
    by_question: Mapping[str, Mapping[str, Mapping[str, float]]]
    models: Mapping[str, str]

    def mean(self, stage: str, metric: str) -> float:
        judged = self.by_question[stage].values()
        return float(np.mean([one[metric] for one in judged]))

    def half_width(self, stage: str, metric: str) -> float:
        """Half of the 95 % bootstrap interval of a mean."""
        low, high = interval([one[metric] for one in self.by_question[stage].values()])
        return (high - low) / 2

    def difference(self, stage: str, other: str, metric: str = "ndcg@10") -> dict[str, float]:
        """By how much one stage is better than another, with the paired 95 % interval."""
        scores_of_other = self.by_question[other]
        differences = [
            found[metric] - scores_of_other[question_id][metric]
            for question_id, found in self.by_question[stage].items()
        ]
        low, high = interval(differences)
        return {"difference": float(np.mean(differences)), "low": low, "high": high}

    def milliseconds(self, percentile: float) -> float:
        """How long a search took, the way students get it."""
        seconds = [answer.seconds for answer in self.answers.values()]
        return float(np.percentile(seconds, percentile)) * 1_000

    @property
    def weak_share(self) -> float:
        return float(np.mean([one.is_weak for one in self.answers.values()]))

    @property
    def gave_up_count(self) -> int:
        """For how many questions the reranker did not come to an end."""
        return sum(one.rerank_gave_up for one in self.answers.values())

    def as_dict(self, stage: str) -> dict[str, Any]:
        """Return everything as plain values; the figures at the top are those of one stage."""
        return {
            "set": self.labelled.name,
            "stage": stage,
            **self._figures(stage),
            "p50_ms": round(self.milliseconds(50), 2),
            "p95_ms": round(self.milliseconds(95), 2),
            "weak_share": round(self.weak_share, 4),
            "rerank_gave_up": self.gave_up_count,
            "level": self.labelled.level,
            "passages": len(self.labelled.passages),
            "questions": len(self.answers),
            "judged_questions": len(self.by_question[stage]),
            "failed_passages": len(self.report.failures),
            "collection": self.collection,
            **self.models,
            "stages": {name: self._figures(name) for name in STAGES},
            "differences": {
                f"{stage} minus {other}": _rounded(self.difference(stage, other))
                for other in STAGES
                if other != stage
            },
        }

    def _figures(self, stage: str) -> dict[str, float]:
        figures = {metric: self.mean(stage, metric) for metric in METRICS}
        return _rounded({**figures, "ndcg@10_half_width": self.half_width(stage, "ndcg@10")})


def evaluate(
    labelled: LabelledSet, *, indexing: Progress, asking: Progress, stage: str = "final"
) -> Evaluation:
    """Index a set, put each of its questions through the live search, and score every stage.

    `stage` is the one whose figures stand at the top of the trace. Runs an event loop of its own,
    as a server does, so it cannot be called inside one. Raises RetrievalError.
    """
    source = LabelledSetSource(labelled)
    models = {"embedder": get_embedder().name, "reranker": get_reranker().name}
    told = {"set": labelled.name, "collection": source.collection, "stage": stage, **models}
    told |= {"passages": len(labelled.passages), "questions": len(labelled.questions)}
    with trace("evaluate_search", input=told, tags=["job"]) as job:
        with trace("reindex", recorded=False):
            report = reindex([source.collection], source=source, progress=indexing)
        answers = asyncio.run(ask_all(source, asking))
        evaluation = Evaluation(
            labelled=labelled,
            collection=source.collection,
            report=report,
            answers=answers,
            by_question={name: _scored(labelled, answers, name) for name in STAGES},
            models=models,
        )
        job.output = evaluation.as_dict(stage)
    return evaluation


def _scored(
    labelled: LabelledSet, answers: Mapping[str, Answer], stage: str
) -> dict[str, dict[str, float]]:
    """Score a stage on every question that something is relevant for."""
    return {
        question_id: scores(labelled.found(answer.rankings[stage]), labelled.relevant[question_id])
        for question_id, answer in answers.items()
        if question_id in labelled.relevant
    }


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
