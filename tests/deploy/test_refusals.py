"""What the chart says to values that are wrong."""

import pytest


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"extproc": {"replica": 3}}, ["extproc", "additional properties 'replica' not allowed"]),
        ({"extproc": {"replicas": "two"}}, ["/extproc/replicas", "got string, want integer"]),
        ({"extproc": {"replicas": 0}}, ["/extproc/replicas", "minimum: got 0, want 1"]),
        ({"gate": {"attach": "east-west"}}, ["'all', 'gateways', 'sidecars'"]),
        ({"istio": {"istiodUrl": "istiod:15014"}}, ["/istio/istiodUrl", "'^(https?://"]),
        ({"monitoring": {"podMonitor": {"interval": 30}}}, ["interval", "got number, want string"]),
        ({"monitoring": {"podMonitor": {"interval": "often"}}}, ["interval", "'^[0-9]+(ms|s|m)$'"]),
        (
            {"monitoring": {"dashboards": {"labels": {"grafana_dashboard": 1}}}},
            ["grafana_dashboard", "got number, want string"],
        ),
        (
            {"monitoring": {"prometheusRule": {"runbooks": "wiki/layby"}}},
            ["runbooks", "'^(https?://"],
        ),
        (
            {"extproc": {"terminationGracePeriodSeconds": 10}},
            ["preStopSeconds + drainSeconds = 25", "leave it out"],
        ),
        (
            {"extproc": {"autoscaling": {"enabled": True, "minReplicas": 20}}},
            ["minReplicas is 20, more than maxReplicas, 10"],
        ),
        (
            {"extproc": {"autoscaling": {"enabled": True}, "resources": {"requests": None}}},
            ["set extproc.resources.requests.cpu"],
        ),
        ({"watchNamespaces": "shop"}, ["/watchNamespaces", "got string, want array"]),
        ({"watchNamespaces": ["Shop"]}, ["/watchNamespaces/0", "'Shop' does not match pattern"]),
        ({"watchNamespaces": ["shop", "shop"]}, ["/watchNamespaces", "0 and 1 are equal"]),
        (
            {"keda": {"tls": {"existingSecret": "mine"}}},
            ["one of existingSecret and authentication", "name both"],
        ),
        ({"feed": {"token": {"existingSecret": "My Token"}}}, ["/feed/token/existingSecret"]),
        ({"keda": {"tls": {"validDays": 1}}}, ["/keda/tls/validDays", "minimum: got 1, want 3"]),
        ({"extproc": {"serviceAccount": {"create": False}}}, ["extproc.serviceAccount.name"]),
        ({"controller": {"serviceAccount": {"create": False}}}, ["controller.serviceAccount.name"]),
        ({"istio": {"peerAuthentication": {"enabled": True}}}, ["istio.inject", "PERMISSIVE"]),
        ({"istio": {"destinationRule": {"enabled": True}}}, ["istio.inject", "DISABLE"]),
    ],
)
def test_a_wrong_value_is_told_what_to_do(refuse, values, says):
    """Half an install, or pods that do not start, would be a longer way to the same insight."""
    told = refuse(values)
    for words in says:
        assert words in told
