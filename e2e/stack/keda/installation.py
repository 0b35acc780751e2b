"""KEDA installed in a running stack, and removed from it.

Owns its processes and the DNS that they ask. Must not know their flags, nor what is applied.
"""

import sys
import time
from pathlib import Path

from e2e.stack import dns
from e2e.stack.api import APPLY, FIELD_MANAGER, MERGE, NOT_FOUND, Api, ApiError, Manifest
from e2e.stack.binaries import keda_manifests, obtain
from e2e.stack.certificates import Authority
from e2e.stack.controlplane import ADDRESS, ControlPlane, answers
from e2e.stack.keda import DNS, NAMESPACE, programs
from e2e.stack.keda.manifests import Objects, hosts, nonsense
from e2e.stack.keda.programs import Program
from e2e.stack.processes import START_SECONDS, Child, Children, ProcessError, until

ROOT = Path(__file__).parents[3]
REMOVE_SECONDS = 30.0
_PAUSE_SECONDS = 0.1
_ACCOUNT = "keda-operator"
"""All three are one service account, in KEDA's own manifests."""
_TOKEN_SECONDS = 10 * 24 * 3600
_API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io"
_AUTOSCALERS = "/apis/autoscaling/v2/horizontalpodautoscalers"
_OF_KEDA = "app.kubernetes.io/managed-by=keda-operator"


class Keda:
    """KEDA, if it is installed; each of its processes can be ended and started again."""

    def __init__(self, children: Children, control_plane: ControlPlane) -> None:
        """Keep its files in the folder of `children`; nothing is installed yet."""
        self.folder = children.folder / "keda"
        self.installed = False
        self.start_seconds = 0.0
        """How long it took until all of it was ready."""
        self._children = children
        self._control_plane = control_plane
        self._objects: Objects
        self.dns: Child
        self.operator: Child
        self.adapter: Child
        self.webhooks: Child

    @property
    def api(self) -> Api:
        """The API server."""
        return self._control_plane.api

    def install(self) -> None:
        """Install it; on return it scales, serves metrics, and refuses what is wrong.

        Raises:
            ProcessError: a part of it does not start.
        """
        begun = time.monotonic()
        if not self.folder.exists():
            Authority(self.folder, NAMESPACE).issue("tls", NAMESPACE, hosts())
            (self.folder / "resolv.conf").write_text(dns.resolv_conf(DNS, NAMESPACE))
        trusted = (self.folder / "ca.crt").read_bytes()
        self._objects = Objects.read(keda_manifests().read_text(), trusted)
        for definition in self._objects.definitions:
            body = definition.text.encode()
            self.api.request("PATCH", definition.path, body, APPLY, fieldManager=FIELD_MANAGER)
        self.api.apply(self._objects.rest)
        # An operator that finds a kind undefined looks again only after ten seconds.
        if not until(self._is_defined, START_SECONDS):
            raise ProcessError("the API server does not serve KEDA's kinds")
        self._start()
        self.api.apply(self._objects.hooks)
        self.wait()
        self.installed = True
        self.start_seconds = time.monotonic() - begun

    def start(self) -> None:
        """Start what of it does not run, and wait until all of it works.

        Raises:
            ProcessError: a part of it does not start.
        """
        for child in (self.dns, self.operator, self.adapter, self.webhooks):
            if not child.alive:
                child.start()
        self.wait()

    def wait(self, within: float = START_SECONDS) -> None:
        """Wait until its processes are ready, and the API server sees that they are.

        Raises:
            ProcessError: they are not, in time.
        """
        for child in (self.dns, self.operator, self.adapter, self.webhooks):
            child.wait(within)
        if not until(self.serves_metrics, within):
            raise ProcessError(f"no external metrics: {self.adapter.last_words()}")
        if not until(self.refuses_nonsense, within):
            raise ProcessError(f"no admission: {self.webhooks.last_words()}")

    def serves_metrics(self) -> bool:
        """Whether the API server reaches the adapter."""
        service = self._get(_API_SERVICE) or {}
        conditions = service.get("status", {}).get("conditions", ())
        return any(c["type"] == "Available" and c["status"] == "True" for c in conditions)

    def refuses_nonsense(self) -> bool:
        """Whether the API server asks the admission webhooks."""
        wrong = nonsense()
        try:
            self.api.request("POST", self.api.path(wrong, collection=True), wrong, dryRun="All")
        except ApiError as error:
            return "denied the request" in error.message
        return False

    def remove(self) -> None:
        """Remove it, and whatever is of its kinds; on return nothing is left of it.

        Raises:
            ProcessError: something is.
        """
        self.api.delete(self._objects.hooks)
        for definition in self._objects.definitions:
            self._ask("DELETE", definition.path)
        # Its finalizers are the operator's to remove; a dead one does not come back for that.
        if not (self.operator.alive and until(self._is_undefined, REMOVE_SECONDS, _PAUSE_SECONDS)):
            self._strip()
        for child in (self.webhooks, self.adapter, self.operator, self.dns):
            self._children.remove(child)
        # Their owner's kind is not defined, so that the garbage collector does not find it.
        self.api.delete(self.autoscalers())
        self.api.delete(self._objects.rest)
        if not until(self._is_gone, REMOVE_SECONDS, _PAUSE_SECONDS):
            raise ProcessError(f"KEDA is still there after {REMOVE_SECONDS:g} s")
        self.installed = False

    def autoscalers(self) -> list[Manifest]:
        """Return the HorizontalPodAutoscalers that KEDA has made."""
        found = self.api.request("GET", _AUTOSCALERS, labelSelector=_OF_KEDA)["items"]
        kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
        return [{**item, **kind} for item in found]

    def _start(self) -> None:
        """Start its processes, with the rights that its manifests give them."""
        command: list[str | Path] = [
            *(sys.executable, "-m", "e2e.stack.dns"),
            *("--kubeconfig", self._control_plane.kubeconfig, "--address", DNS),
        ]
        path = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.dns = self._children.add("dns", command, ready=_dns_answers, environment=path)
        kubeconfig = self._control_plane.kubeconfig_of(_ACCOUNT, NAMESPACE, _TOKEN_SECONDS)

        def start(program: Program) -> Child:
            name = f"keda-{program.name}"
            return self._children.add(
                name,
                program.command(obtain(name), self.folder),
                ready=answers(program.ready_url),
                environment=programs.environment(kubeconfig),
            )

        self.operator = start(programs.operator())
        self.adapter = start(programs.adapter(kubeconfig, self.folder))
        self.webhooks = start(programs.webhooks())

    def _is_defined(self) -> bool:
        groups = [
            self._get(path) or {} for path in {d.group_path for d in self._objects.definitions}
        ]
        served = {resource["name"] for group in groups for resource in group.get("resources", ())}
        return all(definition.plural in served for definition in self._objects.definitions)

    def _is_undefined(self) -> bool:
        return not any(self._get(definition.path) for definition in self._objects.definitions)

    def _is_gone(self) -> bool:
        namespaced = self._get(f"/api/v1/namespaces/{NAMESPACE}")
        return namespaced is None and self._is_undefined()

    def _strip(self) -> None:
        """Remove the finalizers of all that is left of KEDA's kinds."""
        for definition in self._objects.definitions:
            for item in (self._get(definition.items_path()) or {}).get("items", ()):
                path = definition.items_path(item["metadata"].get("namespace", ""))
                change = {"metadata": {"finalizers": None}}
                self._ask("PATCH", f"{path}/{item['metadata']['name']}", change)

    def _get(self, path: str) -> Manifest | None:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, body: Manifest | None = None) -> Manifest | None:
        """Ask for what may have gone."""
        try:
            answer: Manifest = self.api.request(method, path, body, MERGE)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return None
        return answer


def _dns_answers() -> bool:
    try:
        return [ADDRESS] == dns.ask(DNS, f"kubernetes.default.svc.{dns.DOMAIN}")
    except OSError:
        return False
