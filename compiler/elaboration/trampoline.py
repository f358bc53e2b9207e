"""Recursion without Python's stack: a task yields the tasks whose results it needs.

Networks nest as deeply as their text says, so the stages that walk them keep their own stack.
"""

from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")
Task = Generator[Any, Any, T]


def run(task: Task[T]) -> T:
    """Run a task to its end and return its result; an exception of a task arrives where it was yielded.

    >>> def total(n):
    ...     return n + (yield total(n - 1)) if n else 0
    >>> run(total(100_000))
    5000050000
    """
    stack: list[Task[Any]] = [task]
    result: Any = None
    error: BaseException | None = None
    while stack:
        try:
            request = stack[-1].send(result) if error is None else stack[-1].throw(error)
        except StopIteration as stop:
            stack.pop()
            result, error = stop.value, None
        except Exception as raised:
            stack.pop()
            result, error = None, raised
        else:
            stack.append(request)
            result, error = None, None
    if error is not None:
        raise error
    return result
