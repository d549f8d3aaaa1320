import pytest
from earspan.backends.errors import InputError
from earspan.backends.workload.models import DIMENSIONS, PUBLISHED_MPARAMS, Dimensions, resolve_dims
from whisper import available_models
from whisper.model import ModelDimensions

from .trace import MetaWhisper

UNEVEN = Dimensions(80, 1500, 192, 6, 4, 51864, 448, 192, 6, 2)  # fewer layers in the decoder than in the encoder


def test_every_official_name_has_dimensions():
    # and a distilled size; its card counts 756 million parameters, with the sinusoids of the encoder
    assert set(DIMENSIONS) - {"distil-large-v3"} == set(available_models())
    assert round((DIMENSIONS["distil-large-v3"].parameters + 1500 * 1280) / 1e6) == 756


@pytest.mark.parametrize("name", [*DIMENSIONS, "uneven"])
def test_parameters_equal_those_of_the_modules(name):
    dims = DIMENSIONS.get(name, UNEVEN)
    model = MetaWhisper(dims)
    assert dims.parameters == sum(p.numel() for p in model.parameters())
    assert dims.encoder_parameters == sum(p.numel() for p in model.encoder.parameters())


@pytest.mark.parametrize(("name", "millions"), PUBLISHED_MPARAMS.items())
def test_parameters_match_the_published_size(name, millions):
    # the README's figure for tiny is 5 % above its own checkpoint
    assert DIMENSIONS[name].parameters / 1e6 == pytest.approx(millions, rel=0.05)


def test_prompt_is_two_tokens_for_english_models_and_four_for_others():
    assert DIMENSIONS["tiny.en"].prompt_tokens == 2
    assert DIMENSIONS["tiny"].prompt_tokens == DIMENSIONS["turbo"].prompt_tokens == 4


def test_unknown_model_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'large-v3'"):
        resolve_dims("largev3")


def test_checkpoint_reader_is_asked_for_other_names():
    dims = ModelDimensions(**UNEVEN.to_dict())
    assert resolve_dims("my.pt", {"my.pt": dims}.get) == UNEVEN
    with pytest.raises(InputError, match="unknown model"):
        resolve_dims("other.pt", {"my.pt": dims}.get)
