"""Subsets that lead to a workload alone, while others are behind its Service too.

Hold servers count the ready endpoints of a Service, Envoy those of a subset. With another workload
up, a request for a subset of sleeping pods is no one's to hold: the Service is ready. Owns who is
affected and what a person reads. Must not know what follows. No I/O, no clock.
"""

from collections.abc import Collection, Iterable, Mapping

from controller.facts import Facts, Missing
from controller.services import Service
from controller.workload import Workload


def unheld_subsets(facts: Facts) -> list[str]:
    """Say for each Service which subsets are not held, and what to do about it."""
    if isinstance(facts.target, Missing) or facts.loss or facts.leading.troubles:
        return []
    said = []
    for service in facts.leading.services:
        others = [each for each in facts.neighbours.get(service.name, ()) if each.replicas != 0]
        if names := sorted(set(_alone(facts, facts.target, service, others))):
            said.append(_words(facts.target, service, others, names))
    return said


def _alone(
    facts: Facts, target: Workload, service: Service, others: Collection[Workload]
) -> Iterable[str]:
    """Return the subsets that have pods of the target, but not of all the others that are up."""
    host = facts.mesh.host(service.name, service.namespace)
    for rule in facts.rules:
        for subset in rule.subsets if rule.matches(host) else ():
            labels = subset.get("labels") or {}
            if _has(labels, target) and not all(_has(labels, each) for each in others):
                yield subset.get("name", "")


def _has(labels: Mapping[str, str], workload: Workload) -> bool:
    """Whether a subset has a workload's pods; if nobody knows their labels it may."""
    return workload.pod_labels is None or labels.items() <= workload.pod_labels.items()


def _words(
    target: Workload, service: Service, others: Iterable[Workload], subsets: Collection[str]
) -> str:
    names = " and ".join(str(each.key) for each in others)
    which = " and ".join(subsets)
    return (
        f"Service {service.name} leads to {names} too, which subset {which} does not: its requests "
        f"get 503 while {target.key} has no ready pod. Route to a Service that selects the pods of "
        f"{target.key} alone instead of the subset"
    )
