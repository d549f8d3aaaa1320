"""Whisper's output layer: the most probable token at each place, without a sum that is made twice."""

import hashlib
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LOGIT_ROWS = 256  # logits of 256 tokens: 53 MB at Whisper's vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Greedy decoding's token at some places, each shape = (places,).

    `margin` is how far its logit is above the next; `log_probability` that of the token among all.
    """

    token: Tensor
    margin: Tensor
    log_probability: Tensor


class TokenTable:
    """The output layer, with equal rows computed once."""

    def __init__(self, weight: Tensor) -> None:
        entries: dict[bytes, int] = {}
        digests = (hashlib.sha256(row).digest() for row in weight.detach().cpu().view(torch.uint8).numpy())
        self._entry = torch.tensor([entries.setdefault(digest, len(entries)) for digest in digests])
        times = self._entry.bincount()
        first = torch.full_like(times, len(weight)).scatter_reduce(0, self._entry, torch.arange(len(weight)), "amin")
        self._first = first.to(weight.device)
        repeated = len(entries) < len(weight)
        self._rows = weight[self._first].contiguous() if repeated else weight
        self._times = times.to(weight.device, torch.float32)

    def choose(self, hidden: Tensor) -> Choice:
        """The token with the highest logit at each place; `hidden` shape = (places, state).

        Of tokens with equal rows it is the lowest; of others that tie, any: `margin` says so.
        """
        parts = [self._choose(part) for part in hidden.split(_LOGIT_ROWS)]
        return Choice(*(torch.cat(columns) for columns in zip(*parts, strict=True)))

    def lowest_equal(self, token: int) -> int:
        """The first token whose row is that of `token`: such tokens are always equally probable."""
        return int(self._first[self._entry[token]])

    def _choose(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = F.linear(hidden, self._rows).float()
        highest, entry = logits.topk(2)
        shares = (logits - highest[:, :1]).exp_()  # of the token chosen
        log_probability = -(shares @ self._times).log_()
        return self._first[entry[:, 0]], highest[:, 0] - highest[:, 1], log_probability


_tables: WeakKeyDictionary[nn.Embedding, tuple[tuple[int, int], TokenTable]] = WeakKeyDictionary()


def table_of(embedding: nn.Embedding) -> TokenTable:
    """The output layer of a model, shared by all its decoders: finding equal rows takes as long as two calls."""
    weight = embedding.weight
    if weight.is_inference():
        return TokenTable(weight)
    state = weight.data_ptr(), weight._version  # the latter counts changes in place
    if embedding not in _tables or _tables[embedding][0] != state:
        _tables[embedding] = state, TokenTable(weight)
    return _tables[embedding][1]
