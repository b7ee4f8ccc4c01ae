"""The 20 tasks of the PMO benchmark that RDKit alone can score (Gao et al. 2022), by name.

They are GuacaMol's (Brown et al. 2019) as the Therapeutics Data Commons computes them for PMO, and QED. The two agree
on all twenty since TDC counts hydrogens in the isomer tasks as GuacaMol does; older releases of TDC took the number of
atoms from the text of the SMILES there (it keeps that as `…_prev`), so isomer, sitagliptin and zaleplon scores differ.
"""

import difflib
from typing import Any

from rdkit import Chem
from rdkit.Chem import GraphDescriptors, rdMolDescriptors

from molvae.chem.descriptors import logp
from molvae.errors import ConfigError
from molvae.optimize.objective import Objective, parse_objective

OSIMERTINIB = "COc1cc(N(C)CCN(C)C)c(NC(=O)C=C)cc1Nc2nccc(n2)c3cn(C)c4ccccc34"
FEXOFENADINE = "CC(C)(C(=O)O)c1ccc(cc1)C(O)CCCN2CCC(CC2)C(O)(c3ccccc3)c4ccccc4"
RANOLAZINE = "COc1ccccc1OCC(O)CN2CCN(CC(=O)Nc3c(C)cccc3C)CC2"
PERINDOPRIL = "O=C(OCC)C(NC(C(=O)N1C(C(=O)O)CC2CCCCC12)C)CCC"
AMLODIPINE = r"Clc1ccccc1C2C(=C(/N/C(=C2/C(=O)OCC)COCCN)C)\C(=O)OC"
SITAGLIPTIN = "Fc1cc(c(F)cc1F)CC(N)CC(=O)N3Cc2nnc(n2CC3)C(F)(F)F"
ZALEPLON = "O=C(C)N(CC)C1=CC=CC(C2=CC=NC3=C(C=NN23)C#N)=C1"
CELECOXIB = "CC1=CC=C(C=C1)C1=CC(=NN1C1=CC=C(C=C1)S(N)(=O)=O)C(F)(F)F"
TROGLITAZONE = "Cc1c(C)c2OC(C)(COc3ccc(CC4SC(=O)NC4=O)cc3)CCc2c(C)c1O"
THIOTHIXENE = "CN(C)S(=O)(=O)c1ccc2Sc3ccccc3C(=CCCN4CCN(C)CC4)c2c1"
ALBUTEROL = "CC(C)(C)NCC(O)c1ccc(O)c(CO)c1"
MESTRANOL = "COc1ccc2[C@H]3CC[C@@]4(C)[C@@H](CC[C@@]4(O)C#C)[C@@H]3CCc2c1"
CAMPHOR = "CC1(C)C2CCC1(C)C(=O)C2"
MENTHOL = "CC(C)C1CCC(C)CC1O"
TADALAFIL = "O=C1N(CC(N2C1CC3=C(C2C4=CC5=C(OCO5)C=C4)NC6=C3C=CC=C6)=O)C"
SILDENAFIL = "CCCC1=NN(C2=C1N=C(NC2=O)C3=C(C=CC(=C3)S(=O)(=O)N4CCN(CC4)C)OCC)C"
HOP_START = "CCCOc1cc2ncnc(Nc3ccc4ncsc4c3)c2cc1S(=O)(=O)C(C)(C)C"
HOP_SCAFFOLD = "[#7]-c1n[c;h1]nc2[c;h1]c(-[#8])[c;h0][c;h1]c12"


def _score(kind: str, transform: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    return {"kind": kind, **parameters} | ({"transform": transform} if transform else {})


def _gaussian(mu: float, sigma: float) -> dict[str, Any]:
    return {"kind": "gaussian", "mu": mu, "sigma": sigma}


def _at_most(mu: float, sigma: float) -> dict[str, Any]:
    return {"kind": "min_gaussian", "mu": mu, "sigma": sigma}


def _at_least(mu: float, sigma: float) -> dict[str, Any]:
    return {"kind": "max_gaussian", "mu": mu, "sigma": sigma}


def _up_to(upper: float) -> dict[str, Any]:
    return {"kind": "clipped", "upper": upper}


def _like_sitagliptin() -> tuple[dict[str, Any], ...]:
    mol = Chem.MolFromSmiles(SITAGLIPTIN)
    return (
        _score("logp", _gaussian(logp(mol), 0.2)),
        _score("tpsa", _gaussian(rdMolDescriptors.CalcTPSA(mol), 5)),
    )


def _valsartan_smarts() -> list[dict[str, Any]]:
    complexity = GraphDescriptors.BertzCT(Chem.MolFromSmiles(SITAGLIPTIN))
    pattern = "CN(C=O)Cc1ccc(c2ccccc2)cc1"
    return [_score("smarts", pattern=pattern), *_like_sitagliptin(), _score("bertz", _gaussian(complexity, 30))]


def _similar(smiles: str, fingerprint: str, transform: dict[str, Any] | None = None) -> dict[str, Any]:
    return _score("similarity", transform, to=smiles, fingerprint=fingerprint)


def _tasks() -> dict[str, dict[str, Any]]:
    """Every task as plain values of an `ObjectiveConfig`."""
    return {
        "albuterol_similarity": {"scores": [_similar(ALBUTEROL, "fcfp4", _up_to(0.75))]},
        "amlodipine_mpo": {"scores": [_similar(AMLODIPINE, "ecfp4"), _score("rings", _gaussian(3, 0.5))]},
        "celecoxib_rediscovery": {"scores": [_score("rediscovery", to=CELECOXIB)]},
        "deco_hop": {
            "mean": "arithmetic",
            "scores": [
                _similar(HOP_START, "pharmacophore", _up_to(0.85)),
                _score("smarts", pattern="CS([#6])(=O)=O", present=False, name="no_sulfone"),
                _score("smarts", pattern="[#7]-c1ccc2ncsc2c1", present=False, name="no_benzothiazole"),
                _score("smarts", pattern=HOP_SCAFFOLD, name="scaffold"),
            ],
        },
        "fexofenadine_mpo": {
            "scores": [
                _similar(FEXOFENADINE, "ap", _up_to(0.8)),
                _score("tpsa", _at_least(90, 10)),
                _score("logp", _at_most(4, 1)),
            ]
        },
        "isomers_c7h8n2o2": {"scores": [_score("isomer", formula="C7H8N2O2")]},
        "isomers_c9h10n2o2pf2cl": {"scores": [_score("isomer", formula="C9H10N2O2PF2Cl")]},
        "median1": {"scores": [_score("median", between=[CAMPHOR, MENTHOL], fingerprint="ecfp4")]},
        "median2": {"scores": [_score("median", between=[TADALAFIL, SILDENAFIL], fingerprint="ecfp6")]},
        "mestranol_similarity": {"scores": [_similar(MESTRANOL, "ap", _up_to(0.75))]},
        "osimertinib_mpo": {
            "scores": [
                _similar(OSIMERTINIB, "fcfp4", _up_to(0.8)),
                _similar(OSIMERTINIB, "ecfp6", _at_most(0.85, 0.1)),
                _score("tpsa", _at_least(100, 10)),
                _score("logp", _at_most(1, 1)),
            ]
        },
        "perindopril_mpo": {"scores": [_similar(PERINDOPRIL, "ecfp4"), _score("aromatic_rings", _gaussian(2, 0.5))]},
        "qed": {"scores": [_score("qed")]},
        "ranolazine_mpo": {
            "scores": [
                _similar(RANOLAZINE, "ap", _up_to(0.7)),
                _score("logp", _at_least(7, 1)),
                _score("tpsa", _at_least(95, 20)),
                _score("atoms", _gaussian(1, 1), element="F"),
            ]
        },
        "scaffold_hop": {
            "mean": "arithmetic",
            "scores": [
                _similar(HOP_START, "pharmacophore", _up_to(0.75)),
                _score(
                    "smarts",
                    pattern="[#6]-[#6]-[#6]-[#8]-[#6]~[#6]~[#6]~[#6]~[#6]-[#7]-c1ccc2ncsc2c1",
                    name="decoration",
                ),
                _score("smarts", pattern=HOP_SCAFFOLD, present=False, name="other_scaffold"),
            ],
        },
        "sitagliptin_mpo": {
            "scores": [
                _similar(SITAGLIPTIN, "ecfp4", _gaussian(0, 0.1)),
                *_like_sitagliptin(),
                _score("isomer", formula="C16H15F6N5O"),
            ]
        },
        "thiothixene_rediscovery": {"scores": [_score("rediscovery", to=THIOTHIXENE)]},
        "troglitazone_rediscovery": {"scores": [_score("rediscovery", to=TROGLITAZONE)]},
        "valsartan_smarts": {"scores": _valsartan_smarts()},
        "zaleplon_mpo": {"scores": [_similar(ZALEPLON, "ecfp4"), _score("isomer", formula="C19H17N3O2")]},
    }


TASKS: tuple[str, ...] = tuple(_tasks())
_SUFFIXES = ("_mpo", "_similarity", "_rediscovery")


def task_name(name: str) -> str:
    """The full name of a task; PMO's suffix may be left out (`perindopril`).

    Raises:
        ConfigError: for an unknown task, with the nearest known one.
    """
    for full in (name, *(name + suffix for suffix in _SUFFIXES)):
        if full in TASKS:
            return full
    near = difflib.get_close_matches(name, TASKS, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ConfigError(f"unknown task {name!r}{hint}; expected one of: {', '.join(TASKS)}")


def load_task(name: str) -> Objective:
    """The objective of a task, without constraints, as published; raises `ConfigError` for an unknown one."""
    full = task_name(name)
    return Objective.of_config(
        parse_objective(_tasks()[full] | {"constraints": {"sound": False, "alerts": False}}, where=full)
    )
