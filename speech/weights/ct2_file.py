"""CTranslate2's `model.bin`: its variables by name, views into the file, nothing of which is believed unchecked."""

import math
import struct
from pathlib import Path

import numpy as np

from ...backends.errors import InputError

# CTranslate2's python/ctranslate2/specs/model_spec.py, `_serialize`, and `DataType` of include/ctranslate2/types.h
_VERSION = 6
_DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)  # bfloat16, which is 5, has no equal in numpy
_MOST_DIMENSIONS = 8


def read_variables(path: Path) -> dict[str, np.ndarray]:
    """Return the variables of a `model.bin` of CTranslate2, read-only and not copied.

    Raises `InputError` for a file that is anything else, of another version, or truncated.
    """
    try:
        content = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return _Reader(path, content.data).variables()


class _Reader:
    def __init__(self, path: Path, content: memoryview) -> None:
        self._path, self._content, self._at = path, content, 0

    def variables(self) -> dict[str, np.ndarray]:
        version = self._number("I")
        if version != _VERSION:
            raise self._error(f"version {version}, expected {_VERSION}")
        if (kind := self._text()) != "WhisperSpec":
            raise self._error(f"a model of kind {kind[:40]!r}, expected WhisperSpec")
        self._number("I")  # the specification's revision; what it changes shows in the names
        found: dict[str, np.ndarray] = {}
        for _ in range(self._number("I")):
            name = self._new_name(found)
            found[name] = self._array(name)
        for _ in range(self._number("I")):  # what is equal is written once
            name, original = self._new_name(found), self._text()
            if original not in found:
                raise self._error(f"{name} is {original}, which is not there")
            found[name] = found[original]
        if self._at != len(self._content):
            raise self._error(f"{len(self._content) - self._at:,} bytes too many")
        return found

    def _new_name(self, found: dict[str, np.ndarray]) -> str:
        if (name := self._text()) in found:
            raise self._error(f"{name} twice")
        return name

    def _array(self, name: str) -> np.ndarray:
        rank = self._number("B")
        if rank > _MOST_DIMENSIONS:
            raise self._error(f"{name} of {rank} dimensions")
        shape = tuple(self._number("I") for _ in range(rank))
        kind = self._number("B")
        if kind >= len(_DTYPES):
            raise self._error(f"{name} holds numbers of kind {kind}, expected float16 or float32")
        dtype = np.dtype(_DTYPES[kind])
        size_bytes = self._number("I")
        if 0 in shape or math.prod(shape) * dtype.itemsize != size_bytes:
            raise self._error(f"{name} of shape {shape} in {size_bytes:,} bytes")
        return np.frombuffer(self._take(size_bytes), dtype.newbyteorder("<")).reshape(shape)

    def _text(self) -> str:
        raw = bytes(self._take(self._number("H")))
        try:
            if raw[-1:] != b"\0":
                raise self._error("a name without its end")
            return raw[:-1].decode()
        except UnicodeDecodeError as error:
            raise self._error("a name that is no text") from error

    def _number(self, kind: str) -> int:
        return struct.unpack("<" + kind, self._take(struct.calcsize(kind)))[0]

    def _take(self, size_bytes: int) -> memoryview:
        start, self._at = self._at, self._at + size_bytes
        if self._at > len(self._content):
            raise self._error(f"truncated, or no such file: it ends at byte {len(self._content):,}")
        return self._content[start : self._at]

    def _error(self, problem: str) -> InputError:
        return InputError(
            f"{self._path}: not a Whisper in CTranslate2's format ({problem}); expected a converter's model.bin"
        )
