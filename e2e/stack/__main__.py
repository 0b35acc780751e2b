"""The command for people: `python -m e2e.stack up`, `status`, `exec`, `down`."""

import argparse
import sys
from pathlib import Path

from e2e.stack.binaries import locate
from e2e.stack.detached import Detached, DetachedError, State
from e2e.stack.keda import NAMESPACE as KEDA_NAMESPACE
from e2e.stack.namespace import NamespaceError
from e2e.stack.releases import MissingError, cache
from e2e.stack.whole import CALLER_NAMESPACE, GATEWAY_LABELS
from local.envoy import EnvoyError

_LABELS = ", ".join(f"{name}={value}" for name, value in GATEWAY_LABELS.items())
_USAGE = """\
kubeconfig  {state.kubeconfig}
gateway     http://{state.gateway}  (a Gateway selects {labels} and binds to {state.gateway})
caller      http://{state.caller}  (a sidecar in namespace {caller}, on ports 80 and 8080)
KEDA        {keda}
logs        {state.logs}

It is in a network of its own. A command in it:
  python -m e2e.stack exec {kubectl} get pods -A
  python -m e2e.stack exec curl -H 'Host: cart.example' http://{state.gateway}/
or a shell:
  KUBECONFIG={state.kubeconfig} nsenter --net=/proc/{state.pid}/ns/net bash
and the end of all of it:
  python -m e2e.stack down
"""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says."""
    chosen = _parser().parse_args(arguments)
    stack = Detached(chosen.folder)
    try:
        match chosen.command:
            case "up":
                _say(_usage(stack.up(keda=chosen.keda)))
            case "status":
                return _status(stack)
            case "down":
                _say("removed\n" if stack.down() else "there was no stack\n")
            case "exec":
                stack.execute(chosen.words)
            case _:
                stack.serve(keda=chosen.keda)
    except (DetachedError, EnvoyError, MissingError, NamespaceError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.stack",
        description="A real control plane on this machine: etcd, Kubernetes, istiod, Envoys,"
        " and pods that are local processes.",
    )
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument(
        "--folder", type=Path, default=cache() / "stack", help="its files (%(default)s)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[place], help=text, description=text)

    option = argparse.ArgumentParser(add_help=False)
    option.add_argument("--keda", action="store_true", help="with KEDA in it")
    text = "start a stack, and leave it running"
    commands.add_parser("up", parents=[place, option], help=text, description=text)
    add("status", "tell whether it is running, and how to use it")
    add("down", "remove it, logs included")
    execute = add("exec", "run a command in its network")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="...")
    commands.add_parser("serve", parents=[place, option])  # what `up` leaves running
    return parser


def _status(stack: Detached) -> int:
    found = stack.state()
    if found is None:
        _say("no stack\n")
    elif found.alive:
        _say(_usage(found))
        return 0
    else:
        _say(f"the stack has ended unexpectedly; its logs are in {found.logs}\n")
    return 1


def _usage(state: State) -> str:
    kubectl = locate("kubectl") or "kubectl"
    keda = f"in namespace {KEDA_NAMESPACE}" if state.keda else "none (up --keda)"
    fields = {"labels": _LABELS, "caller": CALLER_NAMESPACE, "kubectl": kubectl, "keda": keda}
    return _USAGE.format(state=state, **fields)


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
