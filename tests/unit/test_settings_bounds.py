"""Every number of every settings class: nan, infinity and what no memory holds are refused by the name of the field."""

import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

import molvae
from molvae.config import BatchSize, Jobs, Section, Seed, Temperature, TopP, checked
from molvae.errors import ConfigError
from molvae.generator import MoleculeGenerator

for module in pkgutil.walk_packages(molvae.__path__, "molvae."):
    if module.name != "molvae.app.page":  # which needs its extra
        importlib.import_module(module.name)

NEVER = (float("nan"), float("inf"), -float("inf"), 2**64, -(2**64), "9" * 5000, "nan", "x", [], {})


def sections(base: type[Section] = Section) -> Iterator[type[Section]]:
    for section in base.__subclasses__():
        yield section
        yield from sections(section)


def scalar(annotation: Any) -> bool:
    """Whether a field is a number, or a number or nothing."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return any(scalar(part) for part in typing.get_args(annotation))
    if typing.get_origin(annotation) is typing.Annotated:
        return scalar(typing.get_args(annotation)[0])
    return annotation in (int, float)


NUMBERS = sorted(
    {
        (s.__module__, s.__qualname__, n): s
        for s in sections()
        for n, f in s.model_fields.items()
        if scalar(f.annotation)
    }.items(),
    key=lambda item: item[0],
)


def test_the_numbers_are_found() -> None:
    found = {f"{section}.{field}" for (_, section, field), _ in NUMBERS}
    assert {"TrainingConfig.seed", "PrepareConfig.n_jobs", "SamplingConfig.top_p", "Gaussian.sigma"} <= found
    assert len(found) > 90


@pytest.mark.parametrize(("where", "section"), NUMBERS, ids=lambda x: ".".join(x[1:]) if isinstance(x, tuple) else "")
def test_a_number_out_of_all_bounds_is_refused(where: tuple[str, str, str], section: type[Section]) -> None:
    for value in NEVER:
        with pytest.raises(ValidationError) as caught:
            section.model_validate({where[2]: value})
        assert where[2] in {str(error["loc"][0]) for error in caught.value.errors() if error["loc"]}, value


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Seed, (0, 2**32 - 1), (-1, 2**32, 0.5, None)),
        (Jobs, (-1, 1, -2, 1024), (0, 10**6)),
        (BatchSize, (1, 512), (0, -1, 10**9)),
        (Temperature, (0.01, 1, 100), (0, -1, 1e-300, 1e300, True and float("nan"))),
        (TopP, (1, 0.5), (0, 1e-300, 1.1)),
    ],
)
def test_bounds(kind: Any, good: tuple[Any, ...], bad: tuple[Any, ...]) -> None:
    for value in good:
        assert checked(kind, value, "x") == value
    for value in bad:
        with pytest.raises(ConfigError, match="got x"):
            checked(kind, value, "x")


@pytest.mark.parametrize(
    "how",
    [
        {"temperature": float("nan")},
        {"temperature": 1e-300},
        {"top_p": 1e-300},
        {"top_p": float("nan")},
        {"latent_temperature": float("inf")},
        {"guidance": float("nan")},
        {"condition": {"logp": float("nan")}},
        {"seed": 2**64},
        {"seed": -1},
        {"batch_size": 0},
        {"n": 0},
        {"n": float("nan")},
    ],
    ids=str,
)
def test_the_python_interface_has_the_same_bounds(vae: MoleculeGenerator, how: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        vae.draw(**({"n": 1} | how))


def test_other_python_doors_have_bounds_too(vae: MoleculeGenerator) -> None:
    calls = [
        lambda: vae.interpolate("CCO", "CCN", steps=10**9),
        lambda: vae.neighbors("CCO", walks=0),
        lambda: vae.neighbors("CCO", reach=float("nan")),
        lambda: vae.neighbors("CCO", seed=2**64),
        lambda: vae.decode(vae.encode(["CCO"]), seed=2**64),
        lambda: vae.decode(vae.encode(["CCO"]), batch_size=0),
        lambda: vae.optimize("qed", n_calls=0),
        lambda: vae.optimize(lambda s: [0.0] * len(s), n_calls=5, target=float("nan")),
        lambda: vae.optimize(lambda s: [0.0] * len(s), n_calls=5, seed=-1),
    ]
    for call in calls:
        with pytest.raises(ConfigError):
            call()
