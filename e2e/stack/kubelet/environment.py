"""What a container is told: its environment, its command, and its service account's files.

Must not know processes. What it cannot give a container it says, as the kubelet's waiting reasons.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.stack.kubelet.client import Client, Object, Refused

ROOT = Path(__file__).parents[3]
"""Where containers run unless they say otherwise: the checkout, for `python -m`."""
_RUN = "/var/run/"
"""The only place where volumes are: Secrets, and the service account's files."""
_VARIABLE = re.compile(r"\$\(([A-Za-z_][\w.-]*)\)|\$\$")
_FIELD = re.compile(r"(metadata\.(?:labels|annotations))\['([^']+)'\]")
# In a mount namespace of its own, with a /run of its own, as a container has.
_WITH_RUN = 'mount --bind "$0" "$(realpath /var/run)" && exec "$@"'


class CannotRun(Exception):  # noqa: N818 - a state, not a bug
    """A container cannot be started; `reason` is Kubernetes' word for it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Setting:
    """What all containers of a pod share."""

    client: Client
    pod: Object
    address: str
    folder: Path
    """The pod's own, for its files."""
    environment: Mapping[str, str]
    """What every process gets."""

    def variables(self, container: Mapping[str, Any]) -> dict[str, str]:
        """Return a container's environment.

        Raises:
            CannotRun: a variable comes from where this kubelet does not look.
        """
        meta = self.pod["metadata"]
        found = {
            **self.environment,
            "HOSTNAME": meta["name"],
            "POD_NAME": meta["name"],
            "POD_NAMESPACE": meta["namespace"],
            "POD_IP": self.address,
        }
        if ports := container.get("ports"):
            found["PORT"] = str(ports[0]["containerPort"])
        for variable in container.get("env", ()):
            value = variable.get("value", "")
            if source := variable.get("valueFrom"):
                value = self._value(variable["name"], source)
            found[variable["name"]] = expand(value, found)
        return found

    async def command(self, container: Mapping[str, Any], environment: dict[str, str]) -> list[str]:
        """Return a container's command, wrapped so that it sees its files.

        Raises:
            CannotRun: it has none, or volumes that this kubelet does not mount.
        """
        if not container.get("command"):
            image = container.get("image", "")
            raise CannotRun(
                "ImagePullBackOff", f'Back-off pulling image "{image}": a pod needs a command here'
            )
        words = [*container["command"], *container.get("args", ())]
        command = [expand(word, environment) for word in words]
        mounts = {each["mountPath"]: each["name"] for each in container.get("volumeMounts", ())}
        if not mounts:
            return command
        if other := [path for path in mounts if not path.startswith(_RUN)]:
            raise CannotRun("CreateContainerConfigError", f"no volumes here: {', '.join(other)}")
        for path, volume in mounts.items():
            place = self._run / Path(path).relative_to(_RUN)
            place.mkdir(parents=True, exist_ok=True)
            [spec] = [each for each in self.pod["spec"]["volumes"] if each["name"] == volume]
            if "projected" in spec:
                await self._projected(spec["projected"]["sources"], place)
            else:
                await self._secret(spec.get("secret", {}), place)
        shell = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _WITH_RUN)
        return [*shell, str(self._run), *command]

    @property
    def _run(self) -> Path:
        """What is mounted on /run."""
        return self.folder / "run"

    async def _secret(self, secret: Mapping[str, Any], place: Path) -> None:
        """Write what a Secret has; it does not follow the Secret."""
        namespace, name = self.pod["metadata"]["namespace"], secret.get("secretName", "")
        try:
            found = await self.client.request(
                "GET", f"/api/v1/namespaces/{namespace}/secrets/{name}"
            )
        except Refused as error:
            raise CannotRun("CreateContainerConfigError", f"no Secret {name}: {error}") from error
        files = secret.get("items") or [{"key": key, "path": key} for key in found["data"]]
        for file in files:
            (place / file["path"]).write_bytes(b64decode(found["data"][file["key"]]))

    async def _projected(self, sources: Iterable[Mapping[str, Any]], place: Path) -> None:
        """Write files of the pod's service account; a token is not replaced before it expires."""
        namespace = self.pod["metadata"]["namespace"]
        for source in sources:
            if token := source.get("serviceAccountToken"):
                (place / token["path"]).write_text(await self._token(token))
            elif authority := source.get("configMap"):
                found = await self.client.request(
                    "GET", f"/api/v1/namespaces/{namespace}/configmaps/{authority['name']}"
                )
                for file in authority["items"]:
                    (place / file["path"]).write_text(found["data"][file["key"]])
            elif fields := source.get("downwardAPI"):
                for file in fields["items"]:
                    (place / file["path"]).write_text(self._value(file["path"], file))

    async def _token(self, wanted: Mapping[str, Any]) -> str:
        meta, spec = self.pod["metadata"], self.pod["spec"]
        namespace, account = meta["namespace"], spec.get("serviceAccountName", "default")
        identity = {"name": meta["name"], "uid": meta["uid"]}
        audience = wanted.get("audience")
        answer = await self.client.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token",
            {
                "spec": {
                    "audiences": [audience] if audience else [],
                    "expirationSeconds": wanted.get("expirationSeconds", 3600),
                    "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", **identity},
                }
            },
        )
        return str(answer["status"]["token"])

    def _value(self, name: str, source: Mapping[str, Any]) -> str:
        path = source.get("fieldRef", {}).get("fieldPath")
        meta, spec = self.pod["metadata"], self.pod["spec"]
        known = {
            "metadata.name": meta["name"],
            "metadata.namespace": meta["namespace"],
            "metadata.uid": meta["uid"],
            "spec.nodeName": spec["nodeName"],
            "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
            "status.podIP": self.address,
        }
        if path in known:
            return str(known[path])
        if path and (keyed := _FIELD.fullmatch(path)):
            return str(meta.get(keyed[1].partition(".")[2], {}).get(keyed[2], ""))
        raise CannotRun("CreateContainerConfigError", f"no source here for variable {name}")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)`; `$$` is a dollar, and an unknown name stays as it is."""

    def replace(found: re.Match[str]) -> str:
        return variables.get(found[1], found[0]) if found[1] else "$"

    return _VARIABLE.sub(replace, text)
