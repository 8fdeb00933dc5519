"""Values that an object forms when they are asked for, once."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


class lazy(Generic[Value]):  # noqa: N801 (a decorator)
    """As `functools.cached_property`, without its lock.

    Python 3.11 holds one lock for all objects of a class: a child forked while another thread reads one waits for good.
    Two threads at once may form a value twice; they form the same.
    """

    def __init__(self, form: Callable[[Any], Value]) -> None:
        self._form = form
        self._name = form.__name__
        self.__doc__ = form.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "lazy[Value]": ...

    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...

    def __get__(self, instance: object | None, owner: type) -> "lazy[Value] | Value":
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._form(instance)
        return value
