"""What `meta.json` of a prepared folder has to hold before anything of it is used."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from molvae.chem.standard_form import StandardForm
from molvae.documents import DocumentError

_Count = Annotated[int, Field(ge=0, le=2**53)]
_Mean = Annotated[float, Field(ge=0, le=2**53)]
_Name = Annotated[str, Field(min_length=1, max_length=1000)]


class _Part(BaseModel):
    """What is read of a part; later and earlier versions may write more."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Source(_Part):
    path: str


class _Rows(_Part):
    read: _Count
    kept: _Count
    rejected: dict[str, _Count]
    without_split: _Count = 0
    in_other_split: _Count = 0


class _Stripped(_Part):
    rows: _Count
    most_common: dict[str, _Count]


class _Notation(_Part):
    name: Literal["selfies", "smiles"]


class _Tokens(_Part):
    vocabulary: _Count
    mean_length: _Mean
    max_length: _Count
    max_symbols: _Count


class _Labels(_Part):
    labeled: _Count
    missing: _Count
    unreadable: _Count
    censored: _Count
    limits: _Count
    replicates: _Count
    conflicts: _Count
    examples: list[str]


class _Properties(_Part):
    names: list[_Name]
    mean: list[float]
    std: list[Annotated[float, Field(gt=0)]]
    labeled: list[_Count] = []
    varies: list[bool] = []
    clipped: list[_Count] = []
    labels: dict[str, _Labels] = {}

    @model_validator(mode="after")
    def _one_value_for_each(self) -> Self:
        for name in self.model_fields_set & {"mean", "std", "labeled", "varies", "clipped"}:
            if (n := len(getattr(self, name))) != len(self.names):
                raise ValueError(f"{len(self.names)} names and {n} values of {name}")
        return self


class _Fingerprints(_Part):
    bits: _Count


class _Randomized(_Part):
    each: Annotated[int, Field(ge=1, le=1000)]
    mean_length: _Mean
    canonical_instead: _Count
    folder: Literal["randomized", "randomized-2", "variants"] = "randomized"


class _Meta(_Part):
    sources: list[_Source]
    rows: _Rows
    stripped: dict[Literal["counterion", "solvent", "copy", "molecule"], _Stripped] = {}
    splits: Annotated[dict[_Name, _Count], Field(min_length=1, max_length=256)]
    notation: _Notation
    tokens: _Tokens
    properties: _Properties
    options: dict[str, Any]
    fingerprints: _Fingerprints = _Fingerprints(bits=0)
    randomized_smiles: _Randomized = _Randomized(each=1, mean_length=0.0, canonical_instead=0)

    @field_validator("options")
    @classmethod
    def _have_a_standard_form(cls, value: dict[str, Any]) -> dict[str, Any]:
        StandardForm.model_validate({name: part for name, part in value.items() if name in StandardForm.model_fields})
        return value


def check_meta(meta: Any) -> None:
    """Raise `DocumentError` unless the content of `meta.json`, of the present format version, can be used.

    Parts that earlier versions did not write may be missing.
    """
    try:
        _Meta.model_validate(meta)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "its content"
        raise DocumentError(f"meta.json: {place}: {first['msg'].removeprefix('Value error, ')}") from error
