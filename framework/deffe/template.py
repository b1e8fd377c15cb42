"""Puts values into a shell script where it says ``$name`` or ``${name}``, safely quoted for the place they stand in.

The script is read once, into text and slots; filling it for a point is a join. A value of plain word
characters is put in as it is. Any other value is quoted for its place; where no quoting can hold it
(single quotes, comments, arithmetic, ``${...}``, back quotes) the slot stays as it is, and the shell
takes the value from the environment, which never runs it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from enum import Enum, auto
from typing import NamedTuple

_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_WORD = re.compile(r"[^ \t\n\\'\"`$<>();&|]+")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9$#?!*@-]")
_LITERAL_QUOTES = re.compile(r"[A-Za-z0-9_]+(?:\[[^\]]*\])?:?[-+=?]")
_SKIPPING = {quote: re.compile(rf"(?:\\.|[^\\{quote}])*", re.DOTALL) for quote in "'`"}
_MARK = re.compile(r"<<(-?)[ \t]*((?:\\.|'[^']*'|\"[^\"]*\"|[^\s\\'\"<>();&|])+)")
_BEFORE_COMMAND = frozenset(["if", "then", "elif", "else", "while", "until", "do", "{", "!", "time"])


class Place(Enum):
    """What a slot stands in."""

    BARE = auto()
    QUOTES = auto()
    DOCUMENT = auto()
    KEPT = auto()


class Slot(NamedTuple):
    """A ``$name`` of the script: its name, its text, its place, and the end mark of the here-document it is in."""

    name: str
    text: str
    place: Place
    mark: str = ""


class Template:
    """A shell script with slots.

    Args:
        text: the script.
        names: what counts as a slot; the longest name that fits is taken, and only whole words.
    """

    def __init__(self, text: str, names: Collection[str]) -> None:
        self._parts = tuple(_parts(text, names))

    def fill(self, values: Mapping[str, str]) -> str:
        """The script with the values of its slots; the empty text is put in everywhere as nothing."""
        return "".join(part if isinstance(part, str) else _filled(part, values[part.name]) for part in self._parts)


def _filled(slot: Slot, value: str) -> str:
    if not value or _PLAIN_VALUE.fullmatch(value):
        # within an unquoted here-document the value must not complete its end mark; the shell expands the slot later
        return slot.text if value and slot.mark and value in slot.mark else value
    if slot.mark and "\n" in value:  # one of its lines may be the end mark
        return slot.text
    if slot.place is Place.BARE:
        return shlex.quote(value)
    if slot.place is Place.QUOTES:
        return re.sub(r'([\\"$`])', r"\\\1", value)
    if slot.place is Place.DOCUMENT:
        return re.sub(r"([\\$`])", r"\\\1", value)
    return slot.text


def _parts(text: str, names: Collection[str]) -> list[str | Slot]:
    lexer = _Lexer(text, names)
    lexer.read()
    parts: list[str | Slot] = []
    at = 0
    for start, found in sorted({**lexer.names, **lexer.slots}.items()):
        parts += [text[at:start], found if isinstance(found, Slot) else f"${{{found}}}"]
        at = start + len(found.text if isinstance(found, Slot) else f"${found}")
    return [*parts, text[at:]]


class _Lexer:
    """Finds the slots of a bash script and the quoting each stands in.

    Every method reads one construct from ``at``, looks no further than ``end``, and returns where it stopped.
    ``doubt`` is set by whatever does not add up; then no slot is quoted, and all are left to the environment.
    ``names`` are the script's own variables that stand right before a slot: they get braces, or they would swallow
    the value.
    """

    def __init__(self, text: str, names: Collection[str]) -> None:
        either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)"
        self._slot = re.compile(rf"\$(?:\{{({either})\}}|({either})(?![A-Za-z0-9_]))")
        self._text = text
        self._kept = 0
        self._mark = ""
        self._doubt = False
        self.slots: dict[int, Slot] = {}
        self.names: dict[int, str] = {}

    def read(self) -> None:
        """Read the whole script."""
        try:
            self._commands(0, len(self._text), inside=False)
        except RecursionError:
            self._doubt = True
            self._keep(0, len(self._text))
        if self._doubt:
            self.names = {}
            self.slots = {at: slot._replace(place=Place.KEPT) for at, slot in self.slots.items()}

    def _add(self, match: re.Match[str], place: Place) -> int:
        place = Place.KEPT if self._kept else place
        self.slots[match.start()] = Slot(match[1] or match[2], match[0], place, self._mark)
        return match.end()

    def _keep(self, at: int, end: int) -> int:
        """Text in which nothing can be quoted."""
        for match in self._slot.finditer(self._text, at, end):
            if self._text[match.start() - 1 : match.start()] != "\\":
                self._add(match, Place.KEPT)
        return end

    def _find(self, wanted: str, at: int, end: int, *, escapes: bool) -> int:
        """Where ``wanted`` is; with escapes, what a backslash precedes does not count."""
        found = _SKIPPING[wanted].match(self._text, at, end) if escapes else None
        place = found.end() if found else self._text.find(wanted, at, end)
        return place if 0 <= place < end and self._text[place] == wanted else self._lost(end)

    def _commands(self, at: int, end: int, *, inside: bool) -> int:
        return _Commands(self, at, end, inside).read()

    def _quoted(self, at: int, end: int, place: Place) -> int:
        """Any construct that begins with a quote, a back quote, a backslash or a dollar; ``place`` is around it."""
        char = self._text[at]
        if char == "\\":
            return min(at + 2, end)
        if char == "$":
            return self._dollar(at, end, place)
        if char == "`":
            return self._keep(at + 1, self._find("`", at + 1, end, escapes=True)) + 1
        if char == '"':
            return self._string(at + 1, end)
        return self._keep(at + 1, self._find("'", at + 1, end, escapes=False)) + 1

    def _lost(self, end: int) -> int:
        self._doubt = True
        return end

    def _string(self, at: int, end: int) -> int:
        """A double-quoted string, from behind its first quote."""
        while at < end and self._text[at] != '"':
            at = self._quoted(at, end, Place.QUOTES) if self._text[at] in "\\$`" else at + 1
        return at + 1 if at < end else self._lost(end)

    def _document(self, at: int, end: int, mark: str) -> None:
        """The body of an unquoted here-document."""
        outer, self._mark = self._mark, mark
        while at < end:
            at = self._quoted(at, end, Place.DOCUMENT) if self._text[at] in "\\$`" else at + 1
        self._mark = outer

    def _dollar(self, at: int, end: int, place: Place) -> int:
        if match := self._slot.match(self._text, at, end):
            return self._add(match, place)
        if self._text.startswith("((", at + 1):
            after = self._arithmetic(at + 3, end, "))")
            if after is not None:
                return after
        after_dollar = self._text[at + 1 : min(at + 2, end)]
        if after_dollar == "(":
            return self._commands(at + 2, end, inside=True)
        if after_dollar == "[":
            return self._arithmetic(at + 2, end, "]") or self._lost(end)
        if after_dollar == "{":
            return self._expansion(at + 2, end, place)
        if place is Place.BARE and after_dollar == "'":
            return self._keep(at + 2, self._find("'", at + 2, end, escapes=True)) + 1
        name = _IDENTIFIER.match(self._text, at + 1, end)
        if name and self._slot.match(self._text, name.end(), end):
            self.names[at] = name[0]
        return name.end() if name else at + 1

    def _arithmetic(self, at: int, end: int, closer: str) -> int | None:
        """An arithmetic expression up to its closer; None when it is a subshell in a substitution after all."""
        before = dict(self.slots)
        depth = 0
        self._kept += 1
        try:
            while at < end:
                char = self._text[at]
                if depth == 0 and char == closer[0]:
                    if self._text.startswith(closer, at):
                        return at + len(closer)
                    break
                depth += (char == "(") - (char == ")")
                at = self._quoted(at, end, Place.BARE) if char in "\\$`'\"" else at + 1
        finally:
            self._kept -= 1
        self.slots = before
        return None

    def _expansion(self, at: int, end: int, place: Place) -> int:
        """``${...}``, from behind the brace."""
        special = '\\$`"'
        if place is Place.BARE or not _LITERAL_QUOTES.match(self._text, at, end):
            special += "'"  # between double quotes, a single quote quotes only the pattern of an operator such as %
        self._kept += 1
        while at < end and self._text[at] != "}":
            at = self._quoted(at, end, place) if self._text[at] in special else at + 1
        self._kept -= 1
        return at + 1 if at < end else self._lost(end)


class _Document(NamedTuple):
    """A here-document whose body is still to come."""

    mark: str
    quoted: bool
    tabs: bool


class _Commands:
    """Reads commands up to the end of the text, or of the substitution they stand in.

    A closing parenthesis ends a substitution unless it belongs to a group or a pattern of ``case``, so both are
    kept on a stack. For that it must be known where a command may begin.
    """

    def __init__(self, lexer: _Lexer, at: int, end: int, inside: bool) -> None:
        self._lexer, self._text = lexer, lexer._text
        self._at, self._end, self._inside = at, end, inside
        self._open: list[str] = []
        self._documents: list[_Document] = []
        self._new_word = self._new_command = True

    def read(self) -> int:
        """Returns where the commands end, behind the closing parenthesis if there is one."""
        while self._at < self._end:
            char = self._text[self._at]
            if char == ")" and self._inside and not self._open:
                return self._at + 1
            if char in "\\'\"`$":
                self._skip_quoted()
            elif char == "#" and self._new_word:
                self._at = self._lexer._keep(self._at, self._line_end())
            elif char in " \t":
                self._skip(1, word=True, command=self._new_command)
            elif char == "\n":
                self._skip(1, word=True, command=True)
                self._read_documents()
            elif char == "<":
                self._input()
            elif char in "();&|>":
                self._operator(char)
            else:
                self._word()
        if self._inside or "case" in self._open or self._documents:
            self._lexer._lost(self._end)
        return self._end

    def _skip(self, count: int, *, word: bool, command: bool) -> None:
        self._at += count
        self._new_word, self._new_command = word, command

    def _line_end(self) -> int:
        found = self._text.find("\n", self._at, self._end)
        return self._end if found < 0 else found

    def _skip_quoted(self) -> None:
        if self._text.startswith("\\\n", self._at):  # a continued line
            self._at += 2
            return
        self._at = self._lexer._quoted(self._at, self._end, Place.BARE)
        self._new_word = self._new_command = False

    def _word(self) -> None:
        match = _WORD.match(self._text, self._at, self._end)
        assert match is not None
        whole = self._new_word and self._text[match.end() : match.end() + 1] in ("", *" \t\n;&|()<>")
        word = match[0] if whole else ""
        command = word in _BEFORE_COMMAND
        if word == "case" and self._new_command:
            self._open.append("case")
        elif self._open and self._open[-1] == "case":
            if word == "esac" and self._new_command:
                self._open.pop()
            command = command or word == "in"
        self._at = match.end()
        self._new_word, self._new_command = False, command

    def _operator(self, char: str) -> None:
        if self._text.startswith("((", self._at):
            after = self._lexer._arithmetic(self._at + 2, self._end, "))")
            if after is not None:
                self._skip(after - self._at, word=True, command=True)
                return
        array = char == "(" and self._text[self._at - 1 : self._at] == "="
        if char == "(":
            self._open.append("(")
        elif char == ")":
            self._close()
        self._skip(1, word=True, command=char != ">" and not array)

    def _close(self) -> None:
        if self._open and self._open[-1] == "(":
            self._open.pop()
        elif not self._open:
            self._lexer._lost(self._end)

    def _input(self) -> None:
        if self._text.startswith("<<<", self._at):
            self._skip(3, word=True, command=False)
        elif self._text.startswith("<<", self._at):
            self._announce()
        else:
            self._skip(1, word=True, command=False)

    def _announce(self) -> None:
        """``<<MARK`` or ``<<-MARK``; the mark may be quoted."""
        found = _MARK.match(self._text, self._at, self._end)
        if found is None or found[2].startswith("$'") or "`" in found[2]:
            self._lexer._lost(self._end)
            self._skip(2, word=True, command=False)
            return
        mark = re.sub(r"\\(.)|['\"]", lambda quote: quote[1] or "", found[2])
        self._documents.append(_Document(mark, mark != found[2], tabs=bool(found[1])))
        self._skip(found.end() - self._at, word=False, command=False)

    def _read_documents(self) -> None:
        for document in self._documents:
            body = self._at
            after = self._find_mark(document)
            if document.quoted:
                self._lexer._keep(body, self._at)
            else:
                self._lexer._document(body, self._at, document.mark)
            self._at = after
        self._documents.clear()

    def _find_mark(self, document: _Document) -> int:
        """Move to the line of the end mark; returns where the next line begins."""
        while self._at < self._end:
            stop = self._line_end()
            line = self._text[self._at : stop]
            if (line.lstrip("\t") if document.tabs else line) == document.mark:
                return min(stop + 1, self._end)
            self._at = min(stop + 1, self._end)
        return self._lexer._lost(self._end)
