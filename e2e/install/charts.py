"""Values with which the chart can be installed in the stack."""

import sys

from e2e import layby

VALUES = {
    # The process kubelet runs commands, not images.
    "image": {"command": layby.COMMAND, "python": sys.executable},
    "istio": {"istiodUrl": "http://127.0.0.1:8080"},
    "controller": {"leaseSeconds": 4},
}
