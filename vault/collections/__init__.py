"""The collections, one file each. Adding a file here adds a collection: pages, forms, consent words and API follow."""

from __future__ import annotations

import pkgutil
from importlib import import_module

for _module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
    import_module(f"{__name__}.{_module.name}")
