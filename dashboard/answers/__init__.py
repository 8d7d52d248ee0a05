"""What a page may ask, and who answers it."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.asks import Question

ANSWERS: Mapping[str, Question] = {}
