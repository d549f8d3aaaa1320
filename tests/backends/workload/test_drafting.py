"""Calls decoded with drafts, as workloads: where they cost as much, and where less."""

import pytest
from earspan.backends.registry import get_backend
from earspan.backends.span import span
from earspan.backends.workload.drafting import apply_draft, plan_proposals
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from hypothesis import example, given
from hypothesis import strategies as st

CALL = Workload(DIMENSIONS["large-v3"], decode_tokens=50)


def test_no_draft_at_any_pass_is_plain_decoding():
    assert apply_draft(CALL, ()) == CALL
    assert apply_draft(CALL, (0,) * 51) == CALL


@pytest.mark.parametrize("name", ["h100", "l4-eager", "groq-v1x16", "h100+groq-v1x16"])
def test_a_draft_that_is_right_saves_time_on_every_backend(name: str):
    backend = get_backend(name)
    plain, draft = (backend.serve(work, 4).seconds for work in (CALL, apply_draft(CALL, (50, 20, 8))))
    assert draft < plain
    one = backend.serve(apply_draft(CALL, (50,)), 4)  # the prefill alone
    assert one.phases["decode"] == 0
    assert one.seconds < draft


@given(st.lists(st.integers(0, 223), max_size=224))
@example([271, 270])
def test_any_passes_fit_the_text_context(proposals: list[int]):
    work = apply_draft(Workload(DIMENSIONS["large-v3"], prompt_tokens=200, decode_tokens=20), proposals)
    assert work.decode_tokens == (len(proposals) - 1 if proposals else 20)
    assert work.prompt_tokens >= 1
    assert get_backend("h100").time(work).seconds > 0  # also where there is no room for one step more


@given(st.integers(0, 224), st.floats(1, 20))
def test_planned_passes(tokens: int, tokens_per_pass: float):
    sizes = plan_proposals(tokens, tokens_per_pass)
    assert sizes[0] == tokens
    assert len(sizes) == max(1, round((tokens + 1) / tokens_per_pass))
    assert list(sizes) == sorted(sizes, reverse=True)


def test_the_planner_affords_longer_windows_with_drafts():
    backend, dims = get_backend("l4"), DIMENSIONS["large-v3"]
    plain = span(backend, dims, streams=1, step_s=0.25)
    draft = span(backend, dims, streams=1, step_s=0.25, draft=True)
    assert plain.span_s is not None
    assert draft.span_s is not None
    assert draft.span_s > plain.span_s
    assert span(backend, dims, strategy="disjoint", draft=True) == span(backend, dims, strategy="disjoint")
