"""A tiny Whisper with random weights, written as CTranslate2 writes it and packed into wheels, by code of its own."""

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from whisper.model import ModelDimensions, Whisper

SIZES = {
    "n_mels": 5, "n_audio_ctx": 7, "n_audio_state": 8, "n_audio_head": 2, "n_audio_layer": 1,
    "n_vocab": 11, "n_text_ctx": 6, "n_text_state": 8, "n_text_head": 4, "n_text_layer": 2,
}  # fmt: skip
SETTINGS = {"decoder/activation": np.int8(3), "decoder/pre_norm": np.int8(1), "decoder/alignment_layer": np.int16(-1)}
ALIAS = ("decoder/projection/weight", "decoder/embeddings/weight")
KINDS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def whisper_of(seed: int = 1, **sizes: int) -> Whisper:
    torch.manual_seed(seed)
    model = Whisper(ModelDimensions(**SIZES | sizes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model.half()


def variables_of(model: Whisper, dtype: str = "float16") -> dict[str, np.ndarray]:
    """openai-whisper's tensors by CTranslate2's names, as facts about its layout have them."""
    state = {name: tensor.numpy().astype(dtype) for name, tensor in model.state_dict().items()}
    found: dict[str, np.ndarray] = {
        "encoder/num_heads": np.array(model.dims.n_audio_head, np.int16),
        "decoder/num_heads": np.array(model.dims.n_text_head, np.int16),
        "decoder/embeddings/weight": state["decoder.token_embedding.weight"],
    }
    for part, last in (("encoder", "ln_post"), ("decoder", "ln")):
        found[f"{part}/position_encodings/encodings"] = state[f"{part}.positional_embedding"]
        found[f"{part}/layer_norm/gamma"] = state[f"{part}.{last}.weight"]
        found[f"{part}/layer_norm/beta"] = state[f"{part}.{last}.bias"]
    for conv in ("conv1", "conv2"):
        found[f"encoder/{conv}/weight"] = state[f"encoder.{conv}.weight"]
        found[f"encoder/{conv}/bias"] = state[f"encoder.{conv}.bias"]
    stacks = {
        "attn": {"self_attention/linear_0": "query key value", "self_attention/linear_1": "out"},
        "cross_attn": {"attention/linear_0": "query", "attention/linear_1": "key value", "attention/linear_2": "out"},
        "mlp": {"ffn/linear_0": "0", "ffn/linear_1": "2"},
    }
    norms = {"attn": "self_attention", "cross_attn": "attention", "mlp": "ffn"}
    blocks = {name.rsplit(".", 2)[0] for name in state if name.endswith("_ln.weight")}
    for block in blocks:
        part, _, layer = block.split(".")
        for group, stacked in stacks.items():
            if f"{block}.{group}_ln.weight" not in state:
                continue
            prefix = f"{part}/layer_{layer}"
            found[f"{prefix}/{norms[group]}/layer_norm/gamma"] = state[f"{block}.{group}_ln.weight"]
            found[f"{prefix}/{norms[group]}/layer_norm/beta"] = state[f"{block}.{group}_ln.bias"]
            for theirs, ours in stacked.items():
                names = [f"{block}.{group}.{name}" for name in ours.split()]
                zeros = np.zeros(model.dims.n_audio_state, dtype)
                found[f"{prefix}/{theirs}/weight"] = np.concatenate([state[f"{n}.weight"] for n in names])
                found[f"{prefix}/{theirs}/bias"] = np.concatenate([state.get(f"{n}.bias", zeros) for n in names])
    return found


def text_bytes(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def model_bin(
    variables: Mapping[str, np.ndarray | np.generic],
    version: int = 6,
    spec: str = "WhisperSpec",
    aliases: tuple[tuple[str, str], ...] = (ALIAS,),
) -> bytes:
    """The bytes of a `model.bin` with these variables."""
    out = io.BytesIO()
    out.write(struct.pack("<I", version) + text_bytes(spec) + struct.pack("<II", 3, len(variables)))
    for name, value in sorted(variables.items()):
        array = np.asarray(value)
        raw = array.tobytes()
        out.write(text_bytes(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape))
        out.write(struct.pack("<BI", KINDS[array.dtype.name], len(raw)) + raw)
    out.write(struct.pack("<I", len(aliases)) + b"".join(text_bytes(a) + text_bytes(b) for a, b in aliases))
    return out.getvalue()


@dataclass(frozen=True)
class Package:
    """A wheel on disk and what `sources.toml` has to say of it."""

    path: Path
    entry: str


def wheel(folder: Path, name: str, part: str, content: bytes, files: Mapping[str, bytes]) -> Package:
    """A wheel of package `name` that pip accepts. If it were ever imported, it would say so with a file."""
    module = name.replace("-", "_")
    path = folder / f"{module}-1.0.0-py3-none-any.whl"
    info = f"{module}-1.0.0.dist-info"
    members = {
        f"{module}/__init__.py": f"open({str(folder / 'imported')!r}, 'w').close()\n".encode(),
        f"{module}/data/{part}": content,
        **{f"{module}/data/{file}": raw for file, raw in files.items()},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for member, raw in members.items():
            archive.writestr(member, raw)
        archive.writestr(f"{info}/RECORD", "".join(f"{member},,\n" for member in [*members, f"{info}/RECORD"]))
    raw = path.read_bytes()
    return Package(
        path,
        f'[[source.wheel]]\npackage = "{name}"\nversion = "1.0.0"\nbytes = {len(raw)}\n'
        f'sha256 = "{hashlib.sha256(raw).hexdigest()}"\nfolder = "{module}/data"\npart = "{part}"\n'
        f"files = {list(files)}\n",
    )


def source(name: str, model: str, content: bytes, packages: list[Package]) -> str:
    """An entry of `sources.toml`."""
    sha256 = hashlib.sha256(content).hexdigest()
    head = f'[[source]]\nname = "{name}"\nkind = "wheels"\nmodel = "{model}"\nsha256 = "{sha256}"\n'
    return head + "".join(package.entry for package in packages)
