"""Loading: a GGUF file to a model in memory, and a context to decode in.

Owns the C pointers of model and context and frees them in the right order. Says in words why a
file cannot be used, and on which devices the layers ended up.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptwrite import gguf_file, machine
from gptwrite.engines import devices, flash, library
from gptwrite.engines.drafting import DRAFT_TOKENS
from gptwrite.engines.sequences import Layout
from gptwrite.engines.vocabulary import Vocabulary
from gptwrite.errors import ModelError
from gptwrite.language import say
from gptwrite.promptcache import context_key, file_identity

BATCH_TOKENS = 512
PAD = 256  # the library rounds context lengths up to this many tokens
# Architectures that give vectors, or need an encoder, and cannot continue a text.
NOT_WRITERS = (
    "bert",
    "t5",
    "clip",
    "jina",
    "nomic-bert",
    "eurobert",
    "wavtokenizer",
    "gemma-embedding",
)
RESERVED_BYTES = 256 * 2**20
KV_TYPE = 1  # F16
FLASH = {"auto": -1, "off": 0, "on": 1}
SPLIT_CELLS = 512  # of a context whose keys flash attention shares out among threads
TRIAL_CELLS = 512  # of the contexts that flash attention is measured in


@dataclass(frozen=True)
class LoadOptions:
    """How to load. `gpu_layers` -1 offloads everything that a device has room for.

    `flash_attention` `measure` needs a file for what was measured; without one it is off.
    """

    gpu_layers: int = -1
    threads: int = 0
    context_length: int = 0
    flash_attention: str = "measure"
    flash_record: Path | None = None
    use_mmap: bool = True
    drafting: bool = True


class LoadedModel:
    """A model in memory. One context at a time; `close` frees everything."""

    def __init__(self, path: Path, options: LoadOptions) -> None:
        self.path = path
        self.options = options
        self.header = gguf_file.read_header(path)
        gguf_file.check_complete(self.header)
        _check_architecture(self.header)
        self.api = library.load()
        self.notes: list[str] = []
        self.gpu_layers = 0
        self.flash_attention = ""  # decided when the first context opens
        self.context: Any = None
        self.cells = 0  # that a token of the open context may be held against
        self.streams = 1
        self._identity = ""
        self._abort = ctypes.create_string_buffer(b"", 2)
        self.model = self._load()
        self.n_layers: int = self.api.llama_model_n_layer(self.model)
        self.vocab = self.api.llama_model_get_vocab(self.model)
        self.vocabulary = Vocabulary(self.api, self.vocab)
        if self.vocabulary.size == 0:
            self.close()
            raise ModelError(
                say(f"{path} has no vocabulary.", f"{path} 没有词表。"),
                say("Choose another model.", "请换一个模型。"),
            )
        trained = self.api.llama_model_n_ctx_train(self.model) or self.header.context_length
        wanted = options.context_length or trained
        self.context_length = min(wanted, trained)
        if wanted > trained:
            self.notes.append(
                say(
                    f"context length {wanted} is more than the model was trained for: "
                    f"using {trained}",
                    f"上下文长度 {wanted} 超过模型训练时的长度：改用 {trained}",
                )
            )

    @property
    def chat_template(self) -> str:
        return self.header.chat_template

    @property
    def can_go_back(self) -> bool:
        """Whether tokens can be taken off the end of a sequence, as drafting must."""
        api, model = self.api, self.model
        fixed = api.llama_model_is_recurrent(model) or api.llama_model_is_hybrid(model)
        return self.options.drafting and not fixed and not api.llama_model_n_swa(model)

    @property
    def has_flash_attention(self) -> bool:
        """Whether the open context has flash attention, or may have."""
        return self.flash_attention != flash.OFF

    @property
    def sums_follow_threads(self) -> bool:
        """Whether the processor shares the sums of one token's attention out among its threads.

        With flash attention it does from 512 cells on (ggml-cpu's path of split keys): another
        thread count gives results that differ in the last bits, and with them another text.
        """
        return self.has_flash_attention and self.cells >= SPLIT_CELLS

    @property
    def device(self) -> str:
        """Where the layers are: `cpu`, or the device's name and how many layers it holds."""
        if not self.gpu_layers:
            return "cpu"
        gpus = devices.gpus()
        return (
            f"{gpus[0].name if gpus else 'gpu'} ({min(self.gpu_layers, self.n_layers + 1)} layers)"
        )

    @library.undisturbed()
    def _load(self) -> Any:
        has_gpu = bool(self.api.llama_supports_gpu_offload())
        layers = self.options.gpu_layers if has_gpu else 0
        total = self.header.layers + 1
        for attempt in offload_steps(layers, total):
            library.clear_log()
            params = self.api.llama_model_default_params()
            params.n_gpu_layers = attempt
            if not self.options.use_mmap:
                params.load_mode = self.api.LLAMA_LOAD_MODE_NONE
            model = self.api.llama_model_load_from_file(str(self.path).encode("utf-8"), params)
            if model:
                self.gpu_layers = total if attempt < 0 else attempt
                return model
            if attempt:
                count = total if attempt < 0 else attempt
                self.notes.append(
                    say(f"no room for {count} layers on the GPU", f"GPU 放不下 {count} 层")
                )
        reason = library.reason() or say("the library gives no reason", "库未说明原因")
        if "unknown model architecture" in reason:
            raise ModelError(
                say(
                    f"{self.path}: llama.cpp does not know the architecture "
                    f"{self.header.architecture!r}.",
                    f"{self.path}：llama.cpp 不认识架构“{self.header.architecture}”。",
                ),
                say(
                    "Choose another model, or upgrade gptwrite.", "请换一个模型，或升级 gptwrite。"
                ),
            )
        raise ModelError(
            say(f"Cannot load {self.path}: {reason}.", f"无法加载 {self.path}：{reason}。"),
            say("Download the model again.", "请重新下载模型。"),
        )

    def kv_bytes(self, cells: int) -> int:
        """Return about how many bytes the cache of `cells` tokens takes."""
        return cells * self.header.kv_bytes_per_token()

    @library.undisturbed()
    def open_context(self, each: int, layout: Layout, threads: int) -> Any:
        """Return a context with `each` cells a sequence, a multiple of PAD; frees the one before."""
        cells = each * layout.sequences
        self.close_context()
        self._check_memory(cells)
        self.flash_attention = self.flash_attention or self._choose_flash(threads)
        params = self._context_params(each, layout, threads, self.flash_attention)
        library.clear_log()
        context = self.api.llama_init_from_model(self.model, params)
        while not context and self.gpu_layers:
            self._reload_with_fewer_layers()
            context = self.api.llama_init_from_model(self.model, params)
        if not context:
            raise ModelError(
                say(
                    f"Cannot open a context of {cells} tokens: "
                    f"{library.reason() or 'not enough memory'}.",
                    f"无法打开 {cells} 词元的上下文：{library.reason() or '内存不足'}。",
                ),
                say(
                    "Lower it with --context, or choose a smaller model.",
                    "请用 --context 调低，或换用更小的模型。",
                ),
            )
        self.context, self.cells = context, self.api.llama_n_ctx_seq(context)
        self.streams = layout.streams
        return context

    def _library_identity(self) -> str:
        """Return what tells builds apart; asking for the version would take longer."""
        binary = Path(self.api._lib._name).stat()
        return f"{binary.st_size} {binary.st_mtime_ns}"

    def _context_params(self, each: int, layout: Layout, threads: int, attention: str) -> Any:
        params = self.api.llama_context_default_params()
        params.n_ctx = each * layout.sequences
        params.n_batch = params.n_ubatch = min(BATCH_TOKENS, each)
        params.n_seq_max = layout.sequences
        params.n_outputs_max = max(layout.sequences, 1 + DRAFT_TOKENS)
        params.kv_unified = layout.is_pool
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = FLASH[attention]
        params.no_perf = True
        params.abort_callback, self._abort_keep = _abort_function(self.api)
        params.abort_callback_data = ctypes.cast(self._abort, ctypes.c_void_p)
        return params

    def _choose_flash(self, threads: int) -> str:
        wanted = self.options.flash_attention
        if wanted != "measure":
            return wanted
        record = self.options.flash_record
        if record is None:
            return flash.OFF
        # The choice saves time and nothing else: whatever goes wrong, the text is written.
        with contextlib.suppress(OSError):
            key = flash.key_of(self.path, self._library_identity(), threads, self.device)
            measure = functools.partial(self._measure_flash, threads)
            return flash.choose(record, key, measure)
        return flash.OFF

    def _measure_flash(self, threads: int) -> str | None:
        """Return whether tokens come sooner with flash attention, if that can be told quickly."""
        is_hopeless = not self.gpu_layers and flash.is_hopeless(self.path.stat().st_size)
        if is_hopeless or self.context_length < TRIAL_CELLS:
            return None
        contexts: dict[str, Any] = {}
        try:
            for attention in (flash.OFF, flash.ON):
                params = self._context_params(TRIAL_CELLS, Layout(), threads, attention)
                context = self.api.llama_init_from_model(self.model, params)
                if not context:
                    return None
                contexts[attention] = context
            return flash.faster(
                {name: functools.partial(self._decode_any, c) for name, c in contexts.items()}
            )
        finally:
            for context in contexts.values():
                self.api.llama_free(context)

    def _decode_any(self, context: Any, count: int) -> bool:
        tokens = (self.api.llama_token * count)()
        rc = self.api.llama_decode(context, self.api.llama_batch_get_one(tokens, count))
        self.api.llama_synchronize(context)
        return not rc

    def state_key(self) -> str:
        """Return a hash of all that the state of given tokens depends on in the open context."""
        if not self._identity:
            self._identity = f"{file_identity(self.path)} {self._library_identity()}"
        scaling = f"{self.header.architecture}.rope.scaling.original_context_length"
        # Where positions are scaled by the context's size, the size is part of the state.
        cells = self.cells if scaling in self.header.metadata else 0
        return context_key(
            self._identity, self.gpu_layers, self.flash_attention, KV_TYPE, cells, self.streams
        )

    def _reload_with_fewer_layers(self) -> None:
        fewer = self.gpu_layers // 2
        self.notes.append(
            say(
                f"no GPU memory for the context with {self.gpu_layers} layers: {fewer}",
                f"{self.gpu_layers} 层时 GPU 内存放不下上下文：改为 {fewer} 层",
            )
        )
        self.api.llama_model_free(self.model)
        params = self.api.llama_model_default_params()
        params.n_gpu_layers = fewer
        self.model = self.api.llama_model_load_from_file(str(self.path).encode("utf-8"), params)
        if not self.model:
            raise ModelError(
                say(f"Cannot load {self.path} again.", f"无法重新加载 {self.path}。"),
                say("Try --gpu-layers 0.", "请试试 --gpu-layers 0。"),
            )
        self.gpu_layers = fewer
        self.vocab = self.api.llama_model_get_vocab(self.model)
        self.vocabulary = Vocabulary(self.api, self.vocab)

    def _check_memory(self, cells: int) -> None:
        available = machine.available_memory_bytes()
        needed = self.kv_bytes(cells)
        if available is not None and not self.gpu_layers and needed + RESERVED_BYTES > available:
            raise ModelError(
                say(
                    f"A context of {cells} tokens needs {needed / 2**30:.1f} GiB of memory; "
                    f"{available / 2**30:.1f} GiB are free.",
                    f"{cells} 词元的上下文需要 {needed / 2**30:.1f} GiB 内存；"
                    f"可用 {available / 2**30:.1f} GiB。",
                ),
                say(
                    "Lower it with --context, or shorten the text.",
                    "请用 --context 调低，或缩短文字。",
                ),
            )

    def abort(self) -> None:
        """Make the running decode return soon; callable from any thread."""
        self._abort.value = b"x"

    def clear_abort(self) -> None:
        self._abort.value = b""

    @property
    def is_aborted(self) -> bool:
        return bool(self._abort.value)

    @library.undisturbed()
    def close_context(self) -> None:
        if self.context:
            self.api.llama_free(self.context)
            self.context, self.cells = None, 0

    @library.undisturbed()
    def close(self) -> None:
        self.close_context()
        if self.model:
            self.api.llama_model_free(self.model)
            self.model = None


def offload_steps(layers: int, total: int) -> list[int]:
    """Return the layer counts to try on the GPU, most first, ending with the CPU alone."""
    if not layers:
        return [0]
    steps = [layers]
    left = (total if layers < 0 else layers) // 2
    while left > 0:
        steps.append(left)
        left //= 2
    return [*steps, 0]


def _abort_function(api: Any) -> tuple[Any, Callable[..., Any]]:
    """Return the C library's strlen as an abort callback, and an object that keeps it alive.

    The callback is asked before every node of the graph, some hundred times a token: Python there
    would cost more than a small model's arithmetic. strlen of a one-byte buffer answers
    "is the flag set" in C: 0 for an empty string, 1 otherwise.
    """
    libc = ctypes.CDLL("msvcrt") if sys.platform == "win32" else ctypes.CDLL(None)
    strlen = libc.strlen
    address = ctypes.cast(strlen, ctypes.c_void_p).value
    return api.ggml_abort_callback(address), strlen


def _check_architecture(header: gguf_file.Header) -> None:
    arch = header.architecture
    causal = header.metadata.get(f"{arch}.attention.causal", True)
    if not causal or any(name in arch for name in NOT_WRITERS):
        raise ModelError(
            say(
                f"{header.path} is an embedding model ({arch}): it cannot write.",
                f"{header.path} 是嵌入模型（{arch}），不能写作。",
            ),
            say(
                "Choose a text-generation model; see `gptwrite models recommend`.",
                "请选择文本生成模型；见 `gptwrite models recommend`。",
            ),
        )
