"""The sources there are: one module of this package is one connector, and listing the package finds it."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import cast

from connectors.connector import Connector


def sources() -> tuple[Connector, ...]:
    """Every connector, in the order of their file names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(cast(Connector, import_module(f"{__name__}.{name}")) for name in names)
