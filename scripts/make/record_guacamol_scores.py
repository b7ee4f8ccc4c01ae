"""Run: python scripts/make/record_guacamol_scores.py GUACAMOL_FOLDER .

Records what GuacaMol itself gives for the molecules in tests/golden/guacamol. GUACAMOL_FOLDER is the unpacked source of
guacamol 0.5.5 (`pip download --no-deps --no-binary :all: guacamol==0.5.5`). It no longer imports as it is: scipy has
lost `histogram`, and FCD pulls in a network that the goal-directed tasks do not need. Both are replaced below before
the import; nothing that computes a score is.
"""

import json
import sys
import types
from pathlib import Path

import numpy as np
import scipy

from molvae.chem.parse import canonical_smiles
from molvae.optimize import tasks

OUT = Path(__file__).parents[2] / "tests" / "golden" / "guacamol" / "recorded.json"
DRUGS = (
    *(tasks.OSIMERTINIB, tasks.FEXOFENADINE, tasks.RANOLAZINE, tasks.PERINDOPRIL, tasks.AMLODIPINE, tasks.SITAGLIPTIN),
    *(tasks.ZALEPLON, tasks.CELECOXIB, tasks.TROGLITAZONE, tasks.THIOTHIXENE, tasks.ALBUTEROL, tasks.MESTRANOL),
    *(tasks.CAMPHOR, tasks.MENTHOL, tasks.TADALAFIL, tasks.SILDENAFIL, tasks.HOP_START),
)
OTHERS = (
    "CCO",
    "c1ccccc1",
    "Nc1ccc(O)c(CNO)c1",
    "O=C(NCc1ccc(F)cc1)C1CCN(S(=O)(=O)c2ccccc2)CC1",
    "CC(=O)N(C)Cc1ccc(-c2ccccc2)cc1",
    "CCOc1ccc(P(=O)(F)F)cc1NCCl",
    "C[C@H](N)c1nc2ccccc2[nH]1",
)


def main() -> None:
    """Score every molecule with every task and write the table."""
    scipy.histogram = np.histogram
    for name in ("fcd", "tensorflow", "keras"):
        stand_in = types.ModuleType(name)
        stand_in.__getattr__ = lambda attribute: None
        sys.modules[name] = stand_in
    sys.path.insert(0, sys.argv[1])
    import guacamol.standard_benchmarks as g

    originals = {
        "albuterol_similarity": g.similarity(tasks.ALBUTEROL, "", "FCFP4", 0.75),
        "amlodipine_mpo": g.amlodipine_rings(),
        "celecoxib_rediscovery": g.similarity(tasks.CELECOXIB, "", "ECFP4", 1.0, rediscovery=True),
        "deco_hop": g.decoration_hop(),
        "fexofenadine_mpo": g.hard_fexofenadine(),
        "isomers_c7h8n2o2": g.isomers_c7h8n2o2(),
        "isomers_c9h10n2o2pf2cl": g.isomers_c9h10n2o2pf2cl(),
        "median1": g.median_camphor_menthol(),
        "median2": g.median_tadalafil_sildenafil(),
        "mestranol_similarity": g.similarity(tasks.MESTRANOL, "", "AP", 0.75),
        "osimertinib_mpo": g.hard_osimertinib(),
        "perindopril_mpo": g.perindopril_rings(),
        "qed": g.qed_benchmark(),
        "ranolazine_mpo": g.ranolazine_mpo(),
        "scaffold_hop": g.scaffold_hop(),
        "sitagliptin_mpo": g.sitagliptin_replacement(),
        "thiothixene_rediscovery": g.similarity(tasks.THIOTHIXENE, "", "ECFP4", 1.0, rediscovery=True),
        "troglitazone_rediscovery": g.similarity(tasks.TROGLITAZONE, "", "ECFP4", 1.0, rediscovery=True),
        "valsartan_smarts": g.valsartan_smarts(),
        "zaleplon_mpo": g.zaleplon_with_other_formula(),
    }
    smiles = [canonical_smiles(s) for s in DRUGS + OTHERS]
    scores = {name: [float(b.objective.score(s)) for s in smiles] for name, b in originals.items()}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"guacamol": "0.5.5", "smiles": smiles, "scores": scores}, indent=1) + "\n")
    print(f"{len(scores)} tasks × {len(smiles)} molecules → {OUT}")


if __name__ == "__main__":
    main()
