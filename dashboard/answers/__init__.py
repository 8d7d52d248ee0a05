"""What a page may ask, and who answers it."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.answers import audit, away, exports, filters, health, history, past, records, timeline
from dashboard.asks import Question

ANSWERS: Mapping[str, Question] = {
    "audit": Question("audit", audit.audit),
    "away.summary": Question("see", away.summary),
    "away.ends": Question("see", away.ends),
    "away.page": Question("see", away.rows),
    "away.seen": Question("see", away.seen),
    "history": Question("see", history.history),
    "past.reach": Question("see", past.reach),
    "past.history": Question("see", past.versions),
    "past.row": Question("see", past.row),
    "timeline": Question("see", timeline.timeline),
    "export.limit": Question("export", exports.limits),
    "export.issue": Question("export", exports.issue),
    "export.watch": Question("export", exports.watch),
    "export.cancel": Question("export", exports.cancel),
    "health": Question("see", health.health),
    "deadletters": Question("see", health.deadletters),
    "record": Question("see", records.record),
    "record.beside": Question("see", records.record_beside),
    "record.part": Question("see", records.record_part),
    "fan_out": Question("see", records.fan_out),
    "filter.check": Question("see", filters.check),
    "filter.begin": Question("see", filters.begin),
    "filter.keep": Question("see", filters.keep),
    "filter.add": Question("see", filters.add),
    "filter.remove": Question("see", filters.remove),
    "filter.turn": Question("see", filters.turn),
    "filters.list": Question("see", filters.saved),
    "filters.save": Question("see", filters.save),
    "filters.delete": Question("see", filters.delete),
}
