"""A demand is answered: the choices, whether the first is settled, what would change it, or why there is none."""

from pathlib import Path

from ..experiment import store
from .change import find_changes
from .demand import Demand
from .records import Recommendation, write_recommendation
from .refuse import refuse
from .search import list_unpriced, open_search
from .settle import find_turns


def recommend(demand: Demand | None = None, *, out: str | Path | None = None, **keywords: object) -> Recommendation:
    """Return the servers that carry a demand at the least cost, ranked, and whether the first is settled.

    demand: what is asked; or its keywords, as for `Demand`: streams, latency_s, quantile, wer_within, model, backends,
        prices, budget_usd_per_h, measure, headroom, padding, run, seed.
    out: a folder for `results.json`, which holds all of it, and `report.html`, its page; None for neither.
    Word error rates are measured, times are simulated, and every choice was confirmed by the simulation of its servers.
    Raises `InputError` for what does not exist; a demand that cannot be kept comes back with `refusal`.
    """
    asked = demand or Demand(**keywords)  # pyright: ignore[reportArgumentType]
    if out is not None:
        store.check_folder(Path(out))
    search = open_search(asked)
    accuracy = search.accuracy
    choices = search.rank()
    turns = tuple(find_turns(search, choices))
    found = Recommendation(
        demand=asked,
        model=accuracy.model,
        data=accuracy.data,
        best_wer=accuracy.best.wer,
        unheard=accuracy.missing,
        choices=tuple(choices),
        settled=bool(choices) and not turns,
        turns=turns,
        changes=find_changes(search, choices) if choices else None,
        unpriced=list_unpriced(search) if asked.measure == "usd" else (),
        refusal=None if choices else refuse(search),
    )
    if out is not None:
        from .page import write_recommendation_page  # charts take a second

        write_recommendation(Path(out), found)
        write_recommendation_page(Path(out), found)
    return found
