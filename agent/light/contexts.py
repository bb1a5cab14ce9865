"""``contextmanager`` and ``suppress``, for ``with`` alone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import contextmanager as contextmanager
    from contextlib import suppress as suppress
else:

    class _Block:
        """One block around the one ``yield`` of a generator."""

        __slots__ = ("around",)

        def __init__(self, around):
            self.around = around

        def __enter__(self):
            return next(self.around)

        def __exit__(self, kind, error, trace):
            if error is None:
                for _ in self.around:
                    raise RuntimeError("it yields more than once")
                return False
            try:
                self.around.throw(error)
            except StopIteration as ended:
                return ended is not error  # it took the error in
            except BaseException as raised:
                if raised is error or (isinstance(error, StopIteration) and raised.__cause__ is error):
                    error.__traceback__ = trace
                    return False
                raise
            raise RuntimeError("it goes on after an error")

    def contextmanager(function):
        """Make a generator that yields once the frame of a block."""

        def entered(*words, **named):
            return _Block(function(*words, **named))

        entered.__doc__, entered.__name__ = function.__doc__, function.__name__
        return entered

    class suppress:
        """A block whose errors of these kinds do not matter."""

        __slots__ = ("kinds",)

        def __init__(self, *kinds):
            self.kinds = kinds

        def __enter__(self):
            return self

        def __exit__(self, kind, error, trace):
            return kind is not None and issubclass(kind, self.kinds)
