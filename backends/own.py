"""Backends that are not part of Earspan: found by import path, or by the name under which a package offers them.

`get_backend("package.module:name")` imports the module. A package offers names as entry points in its pyproject.toml:

    [project.entry-points."earspan.backends"]
    fast-card = "package.module:FastCard"

Either way `name` is a `Backend`, or a class or function that makes one without arguments. See docs/adding-a-backend.md.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from .errors import InputError
from .timing import Backend

GROUP = "earspan.backends"
_MEMBERS = ("name", "time", "serve", "describe")


def import_backend(path: str) -> Backend:
    """Return the backend at `package.module:name`.

    Raises `InputError` if it cannot be imported or made, or lacks a member of `Backend`.
    """
    module, _, attribute = path.partition(":")
    if not (module and attribute):
        raise InputError(f"backend {path!r}; expected package.module:name")
    return _make(path, lambda: getattr(import_module(module), attribute))


def offered_names() -> list[str]:
    """Return the names under which installed packages offer backends, sorted."""
    return sorted(_entry_points())


def load_offered(name: str) -> Backend:
    """Return the backend that an installed package offers under this name; errors as of `import_backend`."""
    return _make(name, _entry_points()[name].load)


def _entry_points() -> dict[str, Any]:
    # a tenth of the time in which planning starts, and only for names that Earspan does not know
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def _make(name: str, load: Callable[[], Any]) -> Backend:
    try:
        given: Any = load()
        made: Any = given() if isinstance(given, type) or (callable(given) and _missing(given)) else given
    except Exception as error:  # what runs here is not ours and may fail in any way
        problem = f"{type(error).__name__}: {error}"
        raise InputError(
            f"backend {name!r} cannot be loaded: {problem}; is its folder on PYTHONPATH or its package installed?"
        ) from error
    if missing := _missing(made):
        kind = f"{type(made).__name__} without {', '.join(missing)}"
        raise InputError(
            f"backend {name!r}: {kind} given; expected {', '.join(_MEMBERS)}, see docs/adding-a-backend.md"
        )
    return made


def _missing(found: object) -> list[str]:
    return [member for member in _MEMBERS if not hasattr(found, member)]
