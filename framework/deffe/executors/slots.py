"""Draws work as slots fall free, from several iterators at once, in threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from deffe.scripts.guard import GRACE_S
from deffe.scripts.process import Stop

ItemT = TypeVar("ItemT")
EndT = TypeVar("EndT")
Slot = Callable[[], AbstractContextManager[Callable[[ItemT], EndT | None]]]
"""Makes what works on one item after another in a thread; it returns None for an item that was stopped."""
FREE: Final = object()
"""Put into the queue of a caller that waits for a slot: one may be free."""


class Slots:
    """So many slots, shared by all callers of ``unordered``; they wait in the order in which they came."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[SimpleQueue[Any]] = deque()

    def take(self, told: SimpleQueue[Any]) -> bool:
        """Take a slot; where none is free, ``told`` gets ``FREE`` once one may be."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            if told not in self._waiting:
                self._waiting.append(told)
            return False

    def give(self) -> None:
        """Give a slot back."""
        with self._lock:
            self._free += 1
        self.tell_next()

    def tell_next(self) -> None:
        """Wake the caller that waits longest, if a slot is free."""
        with self._lock:
            if self._free and self._waiting:
                self._waiting.popleft().put(FREE)

    def leave(self, told: SimpleQueue[Any]) -> None:
        """Wait no more: what this caller was, or would be, told goes to the next one."""
        with self._lock:
            if told in self._waiting:
                self._waiting.remove(told)
        self.tell_next()

    def unordered(self, items: Iterable[ItemT], slot: Slot[ItemT, EndT], stop: Stop) -> Iterator[EndT]:
        """Work on items in threads; yield in order of completion, drawing an item only when a slot is free."""
        yield from _Drawing(self, items, slot, stop).ends()


class _Drawing:
    """One caller's items."""

    def __init__(self, slots: Slots, items: Iterable[Any], slot: Slot[Any, Any], stop: Stop) -> None:
        self._slots, self._items, self._slot, self._stop = slots, iter(items), slot, stop
        self._todo: SimpleQueue[tuple[Any] | None] = SimpleQueue()
        self._done: SimpleQueue[Any] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._running, self._more = 0, True
        self._error: BaseException | None = None

    def ends(self) -> Iterator[Any]:
        """What the items came to. An error ends it, after what had ended by then."""
        try:
            self._draw()
            while self._error is None and (self._running or (self._more and not self._stop.is_set())):
                yield from self._told(self._done.get())
                self._draw()
            while self._error is not None and not self._done.empty():
                yield from self._told(self._done.get())
        finally:
            self._end()
        if self._error is not None:
            raise self._error

    def _told(self, end: Any) -> Iterator[Any]:
        if end is FREE:
            self._draw()
            self._slots.tell_next()  # it was not needed here, or there is another one
            return
        self._running -= 1
        self._slots.give()
        if isinstance(end, BaseException):
            self._error = self._error or end
        elif end is not None:
            yield end

    def _draw(self) -> None:
        """Start as many items as there are free slots."""
        while self._more and self._error is None and not self._stop.is_set() and self._slots.take(self._done):
            try:
                item = next(self._items)
            except StopIteration:
                self._more = False
                self._slots.give()
                return
            except BaseException as error:  # raised once what has ended is told, whatever it is
                self._error = error
                self._slots.give()
                return
            self._todo.put((item,))
            self._running += 1
            if len(self._threads) < self._running:
                serve = (self._slot, self._todo, self._done)
                self._threads.append(threading.Thread(target=_serve, args=serve, daemon=True))
                self._threads[-1].start()

    def _end(self) -> None:
        if self._running:
            self._stop.set()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join(GRACE_S)
        for _ in range(self._running):
            self._slots.give()
        self._slots.leave(self._done)


def _serve(slot: Slot[Any, Any], todo: SimpleQueue[Any], done: SimpleQueue[Any]) -> None:
    """Work on items until there are no more; an error is handed on and ends this slot."""
    try:
        with slot() as work:
            while (item := todo.get()) is not None:
                done.put(work(item[0]))
    except BaseException as error:  # raised in the caller's thread, whatever it is
        done.put(error)
