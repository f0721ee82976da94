"""Opens an engine by name. The table holds module names, so that nothing is loaded too early.

A new engine is one module with a function `open_engine(spec, settings)` and one row here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptwrite.engines.base import Engine
    from gptwrite.models import ModelSpec
    from gptwrite.settings import Settings

ENGINES = {
    "llama": "gptwrite.engines.llama",
    "remote": "gptwrite.engines.remote",
    "echo": "gptwrite.engines.echo",
}


def open_engine(spec: ModelSpec, settings: Settings) -> Engine:
    """Return the engine that `spec` names, with its model loaded; the caller closes it."""
    module = importlib.import_module(ENGINES[spec.engine])
    engine: Engine = module.open_engine(spec, settings)
    return engine
