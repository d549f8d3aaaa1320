"""Options that commands share: how values are read, and how an experiment is made of them."""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ...backends.measured.records import TIMESTAMPS, EndpointOptions
from ...backends.workload.workload import PADDINGS
from ...datasets.selection import STREAM_KEYS
from ...speech.strategies import OVERLOADS
from ..experiment.experiment import STOOD_IN_FOR, WORD_TIMES, Experiment, Load

STORE = "where transcripts are kept: a folder, s3://, gs:// or az:// (default: yours)"


def comma_list(text: str) -> list[str]:
    """Return the non-empty items of a comma-separated list, each once."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise argparse.ArgumentTypeError("an empty list")
    return list(dict.fromkeys(items))


def seconds_list(text: str) -> list[float]:
    """Return positive seconds from a comma-separated list, ascending."""
    return sorted({positive_seconds(item) for item in comma_list(text)})


def positive_seconds(text: str) -> float:
    """Return a finite number of seconds above zero."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} s; expected more than 0")
    return value


def positive_count(text: str) -> int:
    """Return a whole number from 1 on."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}; expected at least 1")
    return value


def seed(text: str) -> int:
    """Return a whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number, 0 or more")
    return int(text)


# Every option that sets a field of an experiment: flag, how it is read, what it is. `{}` stands for the default.
_FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "model": ("--model", {"help": "an official Whisper, or a checkpoint (default: {})"}),
    "timed_as": ("--timed-as", {"metavar": "SIZE",
                 "help": f"Whisper size that is timed (default: the model; {STOOD_IN_FOR} for tiny.en)"}),
    "dataset": ("--dataset", {"type": comma_list, "metavar": "NAME|PATH,...",
                "help": "what is listened to, see earspan datasets (default: {})"}),
    "backends": ("--backends", {"type": comma_list, "metavar": "A,B,...", "help": "what is timed (default: {})"}),
    "strategy": ("--strategy", {"help": "how live audio is cut, see earspan strategies --list (default: {})"}),
    "overload": ("--overload", {"choices": list(OVERLOADS), "help": "what to do when calls wait (default: {})"}),
    "window_s": ("--window", {"type": positive_seconds, "metavar": "S", "help": "default: the backend's span"}),
    "latency_s": ("--latency", {"type": positive_seconds, "metavar": "S",
                  "help": "latency budget that words must keep (default: none)"}),
    "padding": ("--padding", {"choices": PADDINGS, "help": "timed calls are padded to 30 s, or not (default: {})"}),
    "recordings": ("--recordings", {"type": positive_count, "metavar": "N",
                   "help": "how many recordings are heard, the first of the dataset (default: {})"}),
    "head_s": ("--head", {"type": positive_seconds, "metavar": "S",
               "help": "how much of each is heard, if word times tell where to stop (default: {})"}),
    "longest_s": ("--at-most", {"type": positive_seconds, "metavar": "S", "help": "leave out longer recordings"}),
    "hours": ("--hours", {"type": positive_seconds, "metavar": "H", "help": "a sample of so many hours, by seed"}),
    "join": ("--stream-by", {"choices": STREAM_KEYS, "help": "join the recordings of a speaker or chapter"}),
    "gap_s": ("--gap", {"type": positive_seconds, "metavar": "S", "help": "silence between joined ones (default: {})"}),
    "word_times": ("--word-times", {"choices": WORD_TIMES,
                   "help": "where a dataset has none: aligned by the model, or no latency (default: {})"}),
    "normaliser": ("--normaliser", {"metavar": "NAME|FILE.toml",
                   "help": "scoring rules: whisper, whisper+compounds, none, or a file (default: {})"}),
    "seed": ("--seed", {"type": seed, "help": "seed of the sample and of the bootstrap (default: {})"}),
    "engine": ("--engine", {"metavar": "NAME", "help": "torch, ct2-int8, ..., or auto: the faster (default: {})"}),
    "device": ("--device", {"help": "where it runs: cpu, cuda, cuda:1 or mps (default: {})"}),
    "precision": ("--precision", {"help": "fp32, fp16, bf16; auto: fp32 on cpu, else fp16; fastest (default: {})"}),
    "decoding": ("--decoding", {"help": "transcribe, greedy, beam or cli (default: {}, as openai-whisper)"}),
    "language": ("--language", {"help": "what is spoken, for multilingual models; auto: detect (default: {})"}),
    "task": ("--task", {"choices": ("transcribe", "translate"), "help": "default: {}"}),
    "draft": ("--draft", {"action": "store_true",
              "help": "check the text of the window before instead of decoding it again"}),
    "cache": ("--no-cache", {"action": "store_false", "help": "neither use nor keep transcripts of earlier runs"}),
}  # fmt: skip
HEARD = ("engine", "device", "precision", "decoding", "language", "task", "draft", "cache")


def add_experiment_arguments(parser: argparse.ArgumentParser, preset: Experiment, names: Iterable[str]) -> None:
    """Declare the options that set these fields of an experiment, with the preset's values as defaults."""
    for name in (*names, *HEARD):
        flag, how = _FIELDS[name]
        default = getattr(preset, name)
        shown = ",".join(default) if isinstance(default, tuple) else "all" if default is None else str(default)
        parser.add_argument(flag, dest=name, default=default, **{**how, "help": how["help"].replace("{}", shown)})


def add_load_arguments(parser: argparse.ArgumentParser, preset: Experiment) -> None:
    """Declare `--streams` and `--step`, the load that is played."""
    load = preset.load
    parser.add_argument("--streams", type=positive_count, default=load.streams, metavar="N",
                        help=f"live recordings that share a device (default: {load.streams})")  # fmt: skip
    parser.add_argument("--step", type=positive_seconds, default=load.step_s, metavar="S",
                        help=f"seconds between calls of a stream (default: {load.step_s:g})")  # fmt: skip


def add_output_arguments(parser: argparse.ArgumentParser, folder: str) -> None:
    """Declare where a run goes, and what is printed."""
    parser.add_argument("--out", default=folder, metavar="FOLDER|URL", help="default: %(default)s")
    parser.add_argument("--store", metavar="PLACE", help=STORE)
    parser.add_argument("--json", action="store_true", help="print results.json instead of the table")


# Every option that says how endpoints are asked: the field of `EndpointOptions`, its flag, how it is read, what it is.
_ENDPOINT: dict[str, tuple[str, dict[str, Any]]] = {
    "timestamps": ("--timestamps", {"choices": TIMESTAMPS, "help": "times that are asked for; some models give none"}),
    "prompt": ("--prompt", {"help": "told to the model before each call, for example names that will be said"}),
    "temperature": ("--temperature", {"type": float, "metavar": "T", "help": "default: the endpoint's own"}),
    "timeout_s": ("--timeout", {"type": positive_seconds, "metavar": "S", "help": "for the answer to one request"}),
    "retries": ("--retries", {"type": int, "metavar": "N", "help": "requests more, where one fails that may pass"}),
    "concurrency": ("--concurrency", {"type": positive_count, "metavar": "N", "help": "calls under way at once"}),
    "max_requests": ("--max-requests", {"type": positive_count, "metavar": "N", "help": "stop before one more"}),
    "max_cost_usd": ("--max-cost", {"type": float, "metavar": "USD", "help": "stop before it costs more"}),
    "usd_per_minute": ("--price", {"type": float, "metavar": "USD", "help": "of a minute of audio"}),
    "billed_at_least_s": ("--billed-at-least", {"type": float, "metavar": "S", "help": "billed for shorter audio"}),
}  # fmt: skip


_BUDGET = ("max_requests", "max_cost_usd", "usd_per_minute", "billed_at_least_s")


def add_endpoint_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how the backends `openai:URL` are asked, and what may be spent on them."""
    title = "backends openai:URL[#MODEL] (the key: EARSPAN_API_KEY or OPENAI_API_KEY in the environment)"
    group, preset = parser.add_argument_group(title), EndpointOptions()
    for name in _ENDPOINT:
        _add_endpoint_argument(group, name, f"endpoint_{name}", getattr(preset, name))


def add_budget_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what may be spent on a server, under the names that `EndpointOptions` has for it."""
    group = parser.add_argument_group("what may be spent: a load that may need more is not tried")
    for name in _BUDGET:
        _add_endpoint_argument(group, name, name, getattr(EndpointOptions(), name))


def _add_endpoint_argument(to: "argparse._ActionsContainer", name: str, dest: str, default: Any) -> None:
    flag, how = _ENDPOINT[name]
    told = "" if default in (None, "") else f" (default: {default:g})" if not isinstance(default, str) else ""
    to.add_argument(flag, dest=dest, default=default, **{**how, "help": how["help"] + told})


def experiment_of(args: argparse.Namespace, preset: Experiment, **changes: Any) -> Experiment:
    """Return the preset with what was typed, and then `changes`. Raises `InputError`."""
    typed = {name: getattr(args, name) for name in _FIELDS if hasattr(args, name)}
    if hasattr(args, "step"):
        others = [load for load in preset.loads[1:] if load != Load(args.step, args.streams).name]
        typed["loads"] = (Load(args.step, args.streams).name, *others)
    if hasattr(args, "endpoint_prompt"):
        typed["endpoint"] = EndpointOptions(**{name: getattr(args, f"endpoint_{name}") for name in _ENDPOINT})
    return replace(preset, **{**typed, **changes})
