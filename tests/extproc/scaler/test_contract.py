from google.protobuf import descriptor_pool

from extproc.scaler.gen import externalscaler_pb2 as gen
from extproc.scaler.service import SERVICE

KEDA = {
    "ScaledObjectRef": {"name": 1, "namespace": 2, "scalerMetadata": 3},
    "IsActiveResponse": {"result": 1},
    "GetMetricSpecResponse": {"metricSpecs": 1},
    "MetricSpec": {"metricName": 1, "targetSize": 2, "targetSizeFloat": 3},
    "GetMetricsRequest": {"scaledObjectRef": 1, "metricName": 2},
    "GetMetricsResponse": {"metricValues": 1},
    "MetricValue": {"metricName": 1, "metricValue": 2, "metricValueFloat": 3},
}
# Written and read by KEDA 2.20.2's own generated code, in Go.
BY_KEDA = b"\n\x04cart\x12\x04shop\x1a\x15\n\x0btrafficHold\x12\x06basket"
FOR_KEDA = b"\n\x17\n\nlayby-rate\x10\x03\x19\x00\x00\x00\x00\x00\x00\x04@"


def test_the_messages_are_kedas():
    """Names and numbers are all that the two have in common."""
    messages = gen.DESCRIPTOR.message_types_by_name
    assert KEDA == {
        name: {field.name: field.number for field in message.fields}
        for name, message in messages.items()
    }
    assert SERVICE in {each.full_name for each in gen.DESCRIPTOR.services_by_name.values()}


def test_the_bytes_are_kedas():
    """Types are in the bytes only."""
    reference = gen.ScaledObjectRef.FromString(BY_KEDA)
    assert ("cart", "shop") == (reference.name, reference.namespace)
    assert {"trafficHold": "basket"} == dict(reference.scalerMetadata)
    value = gen.MetricValue(metricName="layby-rate", metricValue=3, metricValueFloat=2.5)
    assert FOR_KEDA == gen.GetMetricsResponse(metricValues=[value]).SerializeToString()


def test_the_messages_stay_out_of_the_default_pool():
    """Another scaler's distribution may bring the same file, not quite the same."""
    assert gen.DESCRIPTOR.pool is not descriptor_pool.Default()
