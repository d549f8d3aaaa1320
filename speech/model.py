"""Whisper models: openai-whisper's classes, run on as much audio as there is instead of always 30 s."""

from whisper.model import AudioEncoder, Whisper  # noqa: F401
import torch.nn.functional as F
from torch import Tensor


def encode(encoder: AudioEncoder, mel: Tensor) -> Tensor:
    """The encoder's output for `mel`, shape = (batch, n_mels, frames), frames even and at most 2 * n_audio_ctx.

    Returns shape = (batch, frames // 2, n_audio_state). For 30 s it is `encoder(mel)`, which refuses other lengths;
    for less, the same layers see the first positions only.
    """
    x = F.gelu(encoder.conv1(mel))
    x = F.gelu(encoder.conv2(x)).permute(0, 2, 1)
    x = x + encoder.positional_embedding[: x.shape[1]].to(x.dtype)
    for block in encoder.blocks:
        x = block(x)
    return encoder.ln_post(x)
