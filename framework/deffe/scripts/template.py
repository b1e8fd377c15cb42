"""Puts values into a shell script where it says ``$name`` or ``${name}``, safely quoted for the place they stand in.

The script is read once, into text and slots; filling it for a point is a join. A value of plain word
characters is put in as it is. Any other value is quoted for its place; where no quoting can hold it
(comments, arithmetic, ``${...}``, the commands of an inner shell) the slot stays as it is, and the shell
takes the value from the environment, which never runs it. A literal default, ``name=64`` on a line of its own,
is a slot too.
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
_KEYWORDS = r"\s*(?:(?:if|then|elif|else|while|until|do|\{|!|time|command|builtin)\s+)*"
_ONLY_KEYWORDS = re.compile(_KEYWORDS)
_LITERAL = r"(?:'[^'$]*'|\"[^\"$`\\]*\"|[^\s\\'\"`$<>();&|])*"
_DEFAULTS = re.compile(
    rf"(?:(?:export|readonly|declare|typeset|local)[ \t]+(?:-[A-Za-z]+[ \t]+)*)?"
    rf"(?P<all>[A-Za-z_]\w*={_LITERAL}(?:[ \t]+[A-Za-z_]\w*={_LITERAL})*)(?=[ \t]*(?:[;\n]|&&|\|\||\Z)|[ \t]+#)",
    re.ASCII,
)
_DEFAULT = re.compile(rf"(\w+)=({_LITERAL})", re.ASCII)
_SHELL = r"(?:ba|da|a|k|z)?sh"
_READS_COMMANDS = re.compile(
    rf"(?:.*[\s/])?{_SHELL}(?:\s+(?:[-+][oO]\s+\w+|[-+]\S+|[0-9&]*[<>]+&?\s*\S+))*(?:\s+-s\s.*)?\s*", re.DOTALL
)
_TO_SHELL = re.compile(rf".*\|&?\s*(?:[^|]*[\s/])?{_SHELL}(?:\s+[-+>0-9].*)?\s*")
_INNER_COMMANDS = re.compile(
    rf"(?:.*[\s/])?(?:{_SHELL}|su|runuser)\s(?:.*\s)?-[A-Za-z]*c\s+|{_KEYWORDS}(?:eval\s.*|trap\s+(?:--\s+)?)",
    re.DOTALL,
)

SHELL_VARIABLES = frozenset({"PATH", "HOME", "SHELL", "IFS", "ENV", "BASH_ENV"})
"""Variables that govern the shell itself; a knob of such a name reaches scripts by its slots alone."""


class Place(Enum):
    """What a slot stands in."""

    BARE = auto()
    QUOTES = auto()
    SINGLE = auto()
    ANSI = auto()
    DOCUMENT = auto()
    VERBATIM = auto()
    DEFAULT = auto()
    KEPT = auto()


class Mark(NamedTuple):
    """The end mark of a here-document; in ``$(...)`` also a line that only begins with it may end the document."""

    text: str
    inside: bool

    def ended_by(self, line: str) -> bool:
        line = line.lstrip("\t")
        return line == self.text or (self.inside and line.startswith(self.text) and ")" in line)

    def threatened_by(self, value: str) -> bool:
        """Whether a value might complete the mark, with what stands around it."""
        if "\n" in value or value.lstrip("\t") in self.text:
            return True
        return self.inside and (")" in value or self.text[-1:] in value)


class Slot(NamedTuple):
    """A place for a value: its name, its text, its place, the end marks of the here-documents around it, innermost
    last, and whether back quotes are around it."""

    name: str
    text: str
    place: Place
    marks: tuple[Mark, ...] = ()
    ticks: bool = False


class Document(NamedTuple):
    """The body of a here-document with a quoted end mark, which takes values verbatim."""

    text: str
    parts: tuple[str | Slot, ...]
    marks: tuple[Mark, ...]

    def fill(self, values: Mapping[str, str]) -> str:
        body = "".join(part if isinstance(part, str) else values[part.name] for part in self.parts)
        for mark in self.marks:
            if any(mark.ended_by(line) for line in body.split("\n")):
                raise ValueError(f"a value holds the line {mark.text!r}, which ends the here-document it is put in")
        return body


class Template:
    """A shell script with slots.

    Args:
        text: the script.
        names: what counts as a slot; the longest name that fits is taken, and only whole words.
    """

    def __init__(self, text: str, names: Collection[str]) -> None:
        self._parts = tuple(_parts(text, names))

    def fill(self, values: Mapping[str, str]) -> str:
        """The script with the values of its slots; the empty text is put in everywhere as nothing.

        Raises:
            ValueError: a value would end the here-document it is put in.
        """
        return "".join(_part(part, values) for part in self._parts)


def _part(part: str | Slot | Document, values: Mapping[str, str]) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Document):
        return part.fill(values)
    filled = _filled(part, values[part.name])
    return re.sub(r"([\\`$])", r"\\\1", filled) if part.ticks and filled != part.text else filled


def _filled(slot: Slot, value: str) -> str:
    if not value:
        return value
    threat = any(mark.threatened_by(value) for mark in slot.marks)
    if threat:  # the shell expands the slot later, where it can
        octal = "".join(f"\\{byte:03o}" for byte in value.encode("utf-8", "surrogateescape"))
        hidden = {Place.SINGLE: f"'$'{octal}''", Place.DEFAULT: f"$'{octal}'", Place.ANSI: octal}
        return hidden.get(slot.place, slot.text)
    if _PLAIN_VALUE.fullmatch(value):
        return value
    if slot.place in (Place.BARE, Place.DEFAULT):
        return shlex.quote(value)
    if slot.place is Place.SINGLE:
        return value.replace("'", "'\\''")
    escaped = {Place.QUOTES: r'([\\"$`])', Place.DOCUMENT: r"([\\$`])", Place.ANSI: r"([\\'])"}.get(slot.place)
    return re.sub(escaped, r"\\\1", value) if escaped else slot.text


def _parts(text: str, names: Collection[str]) -> list[str | Slot | Document]:
    lexer = _Lexer(text, names)
    lexer.read()
    found: dict[int, str | Slot | Document] = {**lexer.names, **lexer.slots, **lexer.documents}
    return _cut(text, found, 0, len(text))


def _cut(text: str, found: Mapping[int, str | Slot | Document], at: int, end: int) -> list[str | Slot | Document]:
    """The text between two places, with what was found in it."""
    parts: list[str | Slot | Document] = []
    for start, part in sorted(found.items()):
        parts += [text[at:start], f"${{{part}}}" if isinstance(part, str) else part]
        at = start + len(f"${part}" if isinstance(part, str) else part.text)
    return [*parts, text[at:end]]


class _Lexer:
    """Finds the slots of a bash script and the quoting each stands in.

    Every method reads one construct from ``at``, looks no further than ``end``, and returns where it stopped.
    ``doubt`` is set by whatever does not add up; then no slot is quoted, and all are left to the environment.
    ``names`` are the script's own variables that stand right before a slot: they get braces, or they would swallow
    the value.
    """

    def __init__(self, text: str, names: Collection[str]) -> None:
        self._names = frozenset(names) - SHELL_VARIABLES
        either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)"
        self._slot = re.compile(rf"\$(?:\{{({either})\}}|({either})(?![A-Za-z0-9_]))")
        self._text = text
        self._kept = self._sums = 0
        self._ticks = False
        self._marks: tuple[Mark, ...] = ()
        self._doubt = False
        self.slots: dict[int, Slot] = {}
        self.documents: dict[int, Document] = {}
        self.names: dict[int, str] = {}

    def read(self) -> None:
        """Read the whole script."""
        try:
            self._commands(0, len(self._text), inside=False)
        except RecursionError:
            self._doubt = True
            self._keep(0, len(self._text))
        if self._doubt:
            self.names, self.documents = {}, {}
            self.slots = {at: slot._replace(place=Place.KEPT) for at, slot in self.slots.items()}
        else:
            self.slots = {at: slot for at, slot in self.slots.items() if slot.place is not Place.VERBATIM}

    def _add(self, match: re.Match[str], place: Place) -> int:
        place = Place.KEPT if self._kept and place is not Place.SINGLE else place
        self.slots[match.start()] = Slot(match[1] or match[2], match[0], place, self._marks, self._ticks)
        return match.end()

    def _keep(self, at: int, end: int, place: Place = Place.KEPT) -> int:
        """Text in which the shell sees no variables, or in which nothing can be quoted."""
        for match in self._slot.finditer(self._text, at, end):
            if self._text[match.start() - 1 : match.start()] != "\\":
                self._add(match, place)
        return end

    def _verbatim(self, at: int, end: int, mark: Mark) -> None:
        """The body of a here-document with a quoted end mark."""
        outer, self._marks = self._marks, (*self._marks, mark)
        self._keep(at, end, Place.VERBATIM)
        slots = {place: slot for place, slot in self.slots.items() if at <= place < end}
        if slots:
            parts = tuple(part for part in _cut(self._text, slots, at, end) if not isinstance(part, Document))
            self.documents[at] = Document(self._text[at:end], parts, self._marks)
        self._marks = outer

    def _default(self, at: int, name: str, text: str) -> None:
        """The literal right side of an assignment; one of no characters stands before what is at its place."""
        if name in self._names:
            self.slots[at] = Slot(name, text, Place.DEFAULT, self._marks, self._ticks)

    def _find(self, wanted: str, at: int, end: int, *, escapes: bool) -> int:
        """Where ``wanted`` is; with escapes, what a backslash precedes does not count."""
        found = _SKIPPING[wanted].match(self._text, at, end) if escapes else None
        place = found.end() if found else self._text.find(wanted, at, end)
        return place if 0 <= place < end and self._text[place] == wanted else self._lost(end)

    def _commands(self, at: int, end: int, *, inside: bool) -> int:
        outer = self._kept, self._sums
        self._kept = self._sums = 0  # quoting begins anew
        after = _Commands(self, at, end, inside).read()
        self._kept, self._sums = outer
        return after

    def _back_quoted(self, at: int, end: int, place: Place) -> int:
        """``...`` from behind the first back quote; commands without a backslash can be read as they stand."""
        stop = self._find("`", at, end, escapes=True)
        inner = self._text[at:stop]
        if self._doubt or place is not Place.BARE or self._sums or "\\" in inner or "<<" in inner:
            return self._keep(at, stop) + 1
        outer, self._ticks = self._ticks, True
        self._commands(at, stop, inside=False)
        self._ticks = outer
        return stop + 1

    def _quoted(self, at: int, end: int, place: Place) -> int:
        """Any construct that begins with a quote, a back quote, a backslash or a dollar; ``place`` is around it."""
        char = self._text[at]
        if char == "\\":
            return min(at + 2, end)
        if char == "$":
            return self._dollar(at, end, place)
        if char == "`":
            return self._back_quoted(at + 1, end, place)
        if char == '"':
            return self._string(at + 1, end)
        inner = Place.SINGLE if place is Place.BARE and not self._sums else Place.KEPT
        return self._keep(at + 1, self._find("'", at + 1, end, escapes=False), inner) + 1

    def _lost(self, end: int) -> int:
        self._doubt = True
        return end

    def _string(self, at: int, end: int) -> int:
        """A double-quoted string, from behind its first quote."""
        while at < end and self._text[at] != '"':
            at = self._quoted(at, end, Place.QUOTES) if self._text[at] in "\\$`" else at + 1
        return at + 1 if at < end else self._lost(end)

    def _document(self, at: int, end: int, mark: Mark) -> None:
        """The body of an unquoted here-document."""
        outer, self._marks = self._marks, (*self._marks, mark)
        while at < end:
            at = self._quoted(at, end, Place.DOCUMENT) if self._text[at] in "\\$`" else at + 1
        self._marks = outer

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
            return self._keep(at + 2, self._find("'", at + 2, end, escapes=True), Place.ANSI) + 1
        name = _IDENTIFIER.match(self._text, at + 1, end)
        if name and self._slot.match(self._text, name.end(), end):
            self.names[at] = name[0]
        return name.end() if name else at + 1

    def _arithmetic(self, at: int, end: int, closer: str) -> int | None:
        """An arithmetic expression up to its closer; None when it is a subshell in a substitution after all."""
        before = dict(self.slots), dict(self.documents)
        depth = 0
        self._kept += 1
        self._sums += 1
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
            self._sums -= 1
        self.slots, self.documents = before
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


class _Coming(NamedTuple):
    """A here-document whose body is still to come; ``commands`` says that a shell reads it."""

    mark: Mark
    quoted: bool
    tabs: bool
    commands: bool


class _Commands:
    """Reads commands up to the end of the text, or of the substitution they stand in.

    A closing parenthesis ends a substitution unless it belongs to a group or a pattern of ``case``, so both are
    kept on a stack. For that it must be known where a command may begin.
    """

    def __init__(self, lexer: _Lexer, at: int, end: int, inside: bool) -> None:
        self._lexer, self._text = lexer, lexer._text
        self._at, self._end, self._inside = at, end, inside
        self._open: list[str] = []
        self._documents: list[_Coming] = []
        self._new_word = self._new_command = True
        self._command_at = self._word_at = at

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
                self._command_at = self._at
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
        self._word_at = self._at

    def _line_end(self) -> int:
        found = self._text.find("\n", self._at, self._end)
        return self._end if found < 0 else found

    def _skip_quoted(self) -> None:
        if self._text.startswith("\\\n", self._at):  # a continued line
            self._at += 2
            return
        char = self._text[self._at]
        if char == "'" and _INNER_COMMANDS.fullmatch(self._text, self._command_at, self._word_at):
            stop = self._lexer._find("'", self._at + 1, self._end, escapes=False)
            self._at = self._lexer._keep(self._at + 1, stop) + 1
        else:
            self._at = self._lexer._quoted(self._at, self._end, Place.BARE)
        self._new_word = self._new_command = False

    def _defaults(self) -> bool:
        """Read assignments of literal words that stand on their own, if there are any here."""
        if not (self._new_word and self._new_command) or self._open[-1:] == ["array"]:
            return False
        if not _ONLY_KEYWORDS.fullmatch(self._text, self._command_at, self._at):
            return False
        found = _DEFAULTS.match(self._text, self._at, self._end)
        if found is None:
            return False
        for default in _DEFAULT.finditer(self._text, found.start("all"), found.end()):
            self._lexer._default(default.start(2), default[1], default[2])
        self._at = found.end()
        self._new_word = self._new_command = False
        return True

    def _word(self) -> None:
        if self._defaults():
            return
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
                self._command_at = self._at
                return
        before, after_char = self._text[self._at - 1 : self._at], self._text[self._at + 1 : self._at + 2]
        if char == "&" and (after_char == ">" or before in ("<", ">")):  # of a redirection
            self._skip(1, word=False, command=False)
            return
        array = char == "(" and before == "="
        if char == "(":
            self._open.append("array" if array else "(")
        elif char == ")":
            self._close()
        self._skip(1, word=True, command=char != ">" and not array)
        if self._new_command:
            self._command_at = self._at

    def _close(self) -> None:
        if self._open and self._open[-1] in ("(", "array"):
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
        reads = _READS_COMMANDS.fullmatch(self._text, self._command_at, self._at)
        commands = bool(reads or _TO_SHELL.fullmatch(self._text, found.end(), self._line_end()))
        self._documents.append(_Coming(Mark(mark, self._inside), mark != found[2], bool(found[1]), commands))
        self._skip(found.end() - self._at, word=False, command=False)

    def _read_documents(self) -> None:
        for document in self._documents:
            body = self._at
            after = self._find_mark(document)
            if document.quoted and not document.commands:
                self._lexer._verbatim(body, self._at, document.mark)
            elif document.quoted:
                self._lexer._keep(body, self._at)
            else:
                self._lexer._document(body, self._at, document.mark)
            self._at = after
        self._documents.clear()

    def _find_mark(self, document: _Coming) -> int:
        """Move to the line of the end mark; returns where the next line begins."""
        while self._at < self._end:
            stop = self._line_end()
            line = self._text[self._at : stop]
            if (line.lstrip("\t") if document.tabs else line) == document.mark.text:
                return min(stop + 1, self._end)
            self._at = min(stop + 1, self._end)
        return self._lexer._lost(self._end)
