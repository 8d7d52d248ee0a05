"""Cuts a line of text into words, quoted texts and signs; what a word ends at depends on where it stands. Pure.

Each character is looked at once, so the work is linear in the length of the line.
"""

from __future__ import annotations

from typing import NamedTuple

from dashboard.filters.errors import FilterError

QUOTES = '"“”„'
_CLOSING = {'"': '"', "“": '"“”', "”": '"“”', "„": '"“”'}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_SURROGATES = range(0xD800, 0xE000)
_LONGEST_FOUND = 40


class Quoted(NamedTuple):
    """A text in quotes, without them."""

    text: str


class Scanner:
    """Reads from left to right. `at` is the place of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip_space(self) -> bool:
        """Go on to what is not white space; whether there was any."""
        begin = self.at
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at > begin

    @property
    def next(self) -> str:
        """The next character, empty at the end."""
        return self.text[self.at : self.at + 1]

    def took(self, sign: str) -> bool:
        """Go past `sign` if it comes next."""
        found = self.text.startswith(sign, self.at)
        self.at += len(sign) if found else 0
        return found

    def word(self) -> str:
        """A name or a word to search for; empty when none comes next."""
        begin = self.at
        while self.at < len(self.text) and not self._ends_word():
            self.at += 1
        return self.text[begin : self.at]

    def value_word(self) -> str:
        """What stands where a value is expected: up to white space, a parenthesis or a quote."""
        begin = self.at
        while self.at < len(self.text) and not ends_value(self.text[self.at]):
            self.at += 1
        return self.text[begin : self.at]

    def quoted(self) -> Quoted:
        """A text in quotes, of which the first comes next."""
        begin = self.at
        closing = _CLOSING[self.text[begin]]
        self.at += 1
        out: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char in closing:
                return Quoted("".join(out))
            out.append(self._escaped() if char == "\\" else char)
        raise FilterError(len(self.text), f"the quote that closes the text of column {begin + 1}", "the end")

    def failed(self, expected: str, at: int | None = None) -> FilterError:
        """What to raise when something else was expected here, or `at` there."""
        begin = self.at if at is None else at
        return FilterError(begin, expected, self._found(begin))

    def _escaped(self) -> str:
        char = self.next
        begin = self.at - 1
        self.at += 1
        if char in _ESCAPES:
            return _ESCAPES[char]
        digits = self.text[self.at : self.at + 4]
        if char == "u" and len(digits) == 4 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
            code = int(digits, 16)
            if code not in _SURROGATES:
                self.at += 4
                return chr(code)
        raise FilterError(begin, r"one of \" \\ \n \r \t \u0000 (a backslash itself is \\)", self._found(begin))

    def _ends_word(self) -> bool:
        char = self.text[self.at]
        if char == "!":
            return self.text[self.at + 1 : self.at + 2] in ("=", "~")
        return char in "=<>~:" or ends_value(char)

    def _found(self, begin: int) -> str:
        rest = self.text[begin : begin + _LONGEST_FOUND + 1]
        if not rest:
            return "the end"
        if rest[0].isspace():
            return "a space"
        end = next((i for i, char in enumerate(rest) if i and (char.isspace() or char in "()")), len(rest))
        word = rest[: 1 if rest[0] in "()" else end]
        return f"`{word[:_LONGEST_FOUND]}{'…' if len(word) > _LONGEST_FOUND else ''}`"


def ends_value(char: str) -> bool:
    return char.isspace() or char in "()" or char in QUOTES
