"""The agent in one file that Python runs and imports from: every module compiled, and a finder of a few lines.

One file is read and checked at a contact instead of sixty, and nothing is compiled twice. The controller makes it for
its own version of Python; for every other one the first stage does, on the computer itself, out of the same archive.
"""

from __future__ import annotations
import __future__

import marshal
import sys
import zipimport
from _frozen_importlib_external import MAGIC_NUMBER
from _imp import source_hash

UNCHECKED = (1).to_bytes(4, "little")
"""The flags of a compiled file that stands for itself, not for a source beside it. Source: PEP 552."""
HASH_KEY = 0
"""Of the eight bytes where PEP 552 has the hash of a source. Here it is that of what follows, by the same function: it
tells a file that is not whole, at a tenth of what SHA-256 takes; what came over the line was held to its SHA-256."""
FUTURE = b"from __future__ import annotations\n"
"""Said to the compiler instead: as a line it would be imported by every process of the agent."""

FINDER = """
import _frozen_importlib, marshal, sys

class Finder:
    def find_spec(name, path=None, target=None):
        if name in MODULES:
            return _frozen_importlib.ModuleSpec(name, Finder, origin=__file__, is_package=MODULES[name][0])

    def create_module(spec):
        return None

    def exec_module(module):
        exec(marshal.loads(MODULES[module.__name__][1]), module.__dict__)

sys.meta_path.insert(0, Finder)
if __name__ == "__main__":
    from agent.__main__ import main

    main()
"""


def bundle(archive: str) -> bytes:
    """All modules of the agent's archive as one compiled file for the Python that runs this.

    Args:
        archive: the zip file; ``FILES`` in it lists its modules, by path and sorted.
    """
    source = zipimport.zipimporter(archive)
    modules = {}
    for path in source.get_data("FILES").decode().split():
        *folders, file = path.split("/")
        if not folders:
            continue  # what runs the archive itself
        is_package = file == "__init__.py"
        name = ".".join(folders if is_package else [*folders, file[: -len(".py")]])
        text = source.get_data(path).replace(FUTURE, b"\n", 1)
        code = compile(text, path, "exec", __future__.annotations.compiler_flag, dont_inherit=True, optimize=2)
        modules[name] = (is_package, marshal.dumps(code))
    body = marshal.dumps(compile(f"MODULES = {modules!r}\n{FINDER}", "pasang", "exec", dont_inherit=True))
    return bytes(MAGIC_NUMBER + UNCHECKED + source_hash(HASH_KEY, body) + body)


if __name__ == "__main__":
    sys.stdout.buffer.write(bundle(sys.argv[1]))
