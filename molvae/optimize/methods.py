"""The searches by name.

`screen` and `random` are baselines: a Gaussian process on fingerprints that chooses among draws from the prior, and all
such draws.
"""

import copy
import difflib
from collections.abc import Callable

from torch import Tensor

from molvae.errors import ConfigError
from molvae.inference.loaded import LoadedModel
from molvae.optimize.evolution import Evolution
from molvae.optimize.finetune import Finetuning
from molvae.optimize.moves import Moves, moves_of
from molvae.optimize.objective import Objective
from molvae.optimize.random_draws import RandomDraws
from molvae.optimize.search import Search
from molvae.optimize.tanimoto_bo import TanimotoBO

Builder = Callable[[Moves, Objective, Finetuning | None], Search]

METHODS: dict[str, Builder] = {
    "tanimoto-bo": lambda moves, objective, finetuning: TanimotoBO(moves, finetuning=finetuning),
    "evolution": lambda moves, objective, finetuning: Evolution(moves, finetuning=finetuning),
    "cmaes": lambda moves, objective, finetuning: _cmaes(moves),
    "bo": lambda moves, objective, finetuning: _bo(moves),
    "gradient": lambda moves, objective, finetuning: _gradient(moves, objective),
    "screen": lambda moves, objective, finetuning: TanimotoBO(
        moves.weighted({"prior": 1.0}), generations=1, children=400
    ),
    "random": lambda moves, objective, finetuning: RandomDraws(moves),
}
DEFAULT = "tanimoto-bo"
WITH_FINETUNING = ("tanimoto-bo", "evolution")
FINETUNED = ("evolution",)
"""Methods that fine-tune by default: those that it helped when it was measured."""


def build_search(
    method: str,
    vae: LoadedModel,
    objective: Objective,
    *,
    finetune: bool = False,
    condition: Tensor | None = None,
) -> Search:
    """The search called `method`.

    Args:
        method: one of `METHODS`.
        vae: the model; it is never changed.
        objective: what is wanted; only `gradient` looks into it.
        finetune: tune a copy of the model on the best molecules as the run goes on.
        condition: `(1, C)`, given to the prior and the decoder; by default no property is asked for.

    Raises:
        ConfigError: for an unknown method, and for one that cannot be fine-tuned.
        MissingExtraError: when the method needs a package that is not installed.
    """
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"unknown method {method!r}{hint}; expected one of: {', '.join(METHODS)}")
    if finetune and method not in WITH_FINETUNING:
        raise ConfigError(f"method {method!r} does not fine-tune; these do: {', '.join(WITH_FINETUNING)}")
    own = copy.copy(vae)  # fine-tuning replaces the model of this copy
    moves = moves_of(own, condition=condition, keep=objective.constraints.kept)
    return METHODS[method](moves, objective, Finetuning(own) if finetune else None)


def _cmaes(moves: Moves) -> Search:
    from molvae.optimize.cmaes import CMAES

    return CMAES(moves)


def _bo(moves: Moves) -> Search:
    from molvae.optimize.turbo import TuRBO

    return TuRBO(moves)


def _gradient(moves: Moves, objective: Objective) -> Search:
    from molvae.optimize.gradient import GradientAscent

    return GradientAscent(moves, objective)
