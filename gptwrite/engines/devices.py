"""The devices that the installed llama.cpp build can compute on, asked of the library itself."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptwrite.engines import library

GPU, INTEGRATED_GPU = 1, 2  # of ggml_backend_dev_type; 0 is the processor itself


@dataclass(frozen=True)
class Device:
    """A device. Sizes are in bytes."""

    name: str
    description: str
    is_gpu: bool
    free_bytes: int
    total_bytes: int


def devices() -> list[Device]:
    """Return the devices of the build, the processor among them; empty if it cannot say."""
    library.load()
    try:
        count = _function("ggml_backend_dev_count", ctypes.c_size_t)()
        get = _function("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
        return [_describe(get(index)) for index in range(count)]
    except AttributeError:
        return []


def gpus() -> list[Device]:
    """Return the GPUs that layers can be put on."""
    return [device for device in devices() if device.is_gpu]


def backends() -> list[str]:
    """Return the names of the backends in the build, such as CPU and CUDA."""
    library.load()
    try:
        count = _function("ggml_backend_reg_count", ctypes.c_size_t)()
        get = _function("ggml_backend_reg_get", ctypes.c_void_p, ctypes.c_size_t)
        name = _function("ggml_backend_reg_name", ctypes.c_char_p, ctypes.c_void_p)
        return [name(get(index)).decode("utf-8", "replace") for index in range(count)]
    except AttributeError:
        return []


def processor_features() -> list[str]:
    """Return the features of the processor that the build uses, such as AVX2."""
    text = library.load().llama_print_system_info().decode("utf-8", "replace")
    pairs = (part.rpartition(":")[2].split("=") for part in text.split("|"))
    return [pair[0].strip() for pair in pairs if len(pair) == 2 and pair[1].strip() != "0"]


def _describe(device: int) -> Device:
    name = _function("ggml_backend_dev_name", ctypes.c_char_p, ctypes.c_void_p)
    description = _function("ggml_backend_dev_description", ctypes.c_char_p, ctypes.c_void_p)
    kind = _function("ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)
    sizes = ctypes.POINTER(ctypes.c_size_t)
    memory = _function("ggml_backend_dev_memory", None, ctypes.c_void_p, sizes, sizes)
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    memory(device, ctypes.byref(free), ctypes.byref(total))
    return Device(
        name(device).decode("utf-8", "replace"),
        description(device).decode("utf-8", "replace"),
        kind(device) in (GPU, INTEGRATED_GPU),
        free.value,
        total.value,
    )


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Return a C function of ggml, with its types; raises `AttributeError` where there is none."""
    for loaded in _libraries():
        function = getattr(loaded, name, None)
        if function is not None:
            function.restype, function.argtypes = result, list(arguments)
            return function  # type: ignore[no-any-return]
    raise AttributeError(name)


@functools.cache
def _libraries() -> list[ctypes.CDLL]:
    """Return the loaded libraries ggml's functions may be in.

    Windows looks for a function in one library only, not in those that it needs. Elsewhere the
    files beside it must not be opened: they are second copies, with devices of their own.
    """
    path = Path(library.load()._lib._name)
    names = [path.name]
    if sys.platform == "win32":
        names += [path.name.replace("llama", part) for part in ("ggml", "ggml-base")]
    return [ctypes.CDLL(str(path.with_name(name))) for name in names]
