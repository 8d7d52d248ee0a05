"""What a page may ask, and who answers it."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.answers import exports, history, timeline
from dashboard.asks import Question

ANSWERS: Mapping[str, Question] = {
    "history": Question("see", history.history),
    "timeline": Question("see", timeline.timeline),
    "export.limit": Question("export", exports.limits),
    "export.issue": Question("export", exports.issue),
    "export.watch": Question("export", exports.watch),
    "export.cancel": Question("export", exports.cancel),
from dashboard.answers.health import deadletters, health
from dashboard.asks import Question

ANSWERS: Mapping[str, Question] = {
    "health": Question("see", health),
    "deadletters": Question("see", deadletters),
}
