"""What the agent needs of the standard library at every start, without what that brings along.

``json``, ``signal``, ``socket`` and ``contextlib`` load enum, re, functools and collections: 9 ms of CPU in each of
the two processes of a run, on a computer that has other work. The C parts beneath them load nothing. Everything in here
behaves as the module of the same name does; a test holds each against it (``docs/decisions/0044-a-light-start.md``).
"""
