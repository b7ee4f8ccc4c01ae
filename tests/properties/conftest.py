"""How many examples: 50 by default, 2,000 with HYPOTHESIS_PROFILE=ci, 100,000 with HYPOTHESIS_PROFILE=full.

Tests marked with `strategies.fewer` take a tenth of them, since their examples take long.
"""

import os

from hypothesis import HealthCheck, settings

for name, n in (("default", 50), ("ci", 2_000), ("full", 100_000)):
    settings.register_profile(
        f"molvae-{name}", max_examples=n, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
settings.load_profile(f"molvae-{os.environ.get('HYPOTHESIS_PROFILE', 'default')}")
