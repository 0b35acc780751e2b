from datetime import timedelta

from envoy_data_plane.envoy.config.cluster.v3 import (
    Cluster,
    ClusterDiscoveryType,
    OutlierDetection,
)
from envoy_data_plane.envoy.config.core.v3 import Http2ProtocolOptions, TypedExtensionConfig
from envoy_data_plane.google.protobuf import Any

from istio.protojson import to_dict


def test_names_values_and_wrappers_have_envoys_json_form():
    """Envoy reads nothing else; `consecutive_5xx` is the name betterproto2 alone gets wrong."""
    cluster = Cluster(
        name="a",
        type=ClusterDiscoveryType.EDS,
        connect_timeout=timedelta(milliseconds=25),
        per_connection_buffer_limit_bytes=0,
        outlier_detection=OutlierDetection(consecutive_5xx=1),
    )
    expected = {
        "name": "a",
        "type": "EDS",
        "connect_timeout": "0.025s",
        "per_connection_buffer_limit_bytes": 0,
        "outlier_detection": {"consecutive_5xx": 1},
    }
    assert expected == to_dict(cluster)


def test_a_packed_message_is_unpacked_beside_its_type():
    """The type is what Envoy finds an extension by, also when the message is empty."""
    options = Http2ProtocolOptions(max_concurrent_streams=7)
    packed = TypedExtensionConfig(name="n", typed_config=Any.pack(options))
    url = "type.googleapis.com/envoy.config.core.v3.Http2ProtocolOptions"
    expected = {"name": "n", "typed_config": {"@type": url, "max_concurrent_streams": 7}}
    assert expected == to_dict(packed)
    packed.typed_config = Any.pack(Http2ProtocolOptions())
    assert {"name": "n", "typed_config": {"@type": url}} == to_dict(packed)
