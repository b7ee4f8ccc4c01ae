# %% [markdown]
# # Features in scikit-learn
#
# `LatentFeaturizer` turns SMILES into rows of numbers; it needs no fit and goes into any pipeline. 42 boiling points:

# %%
import pandas as pd
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from molvae import LatentFeaturizer
from molvae.training.config import sample_folder

known = pd.read_csv(sample_folder() / "boiling_points.csv")
errors = {}
for features in ("mean", "hidden", "heads", "hidden+heads"):
    model = make_pipeline(LatentFeaturizer(features=features), StandardScaler(), SVR(C=100))
    predicted = cross_val_predict(model, known.smiles, known.celsius, cv=LeaveOneOut())
    errors[features] = mean_absolute_error(known.celsius, predicted)
pd.Series(errors, name="mean error, °C").round(1)

# %% [markdown]
# What cannot be used is an error that names it, or a row of nan, as you choose:

# %%
LatentFeaturizer(invalid="nan").report(["CCO", "no molecule", "[Na+].[Cl-]"])
