"""Version v1alpha1 of Layby's API objects.

Owns their fields. What is the same in every version (durations, rules, conditions, selectors) lies
one level up; a later version is a package beside this one, and a line in `crds.definition`.
"""

from crds.v1alpha1.holdpolicy import HoldPolicy
from crds.v1alpha1.traffichold import TrafficHold

__all__ = ["HoldPolicy", "TrafficHold"]
