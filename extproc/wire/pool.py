"""The descriptor pool of the trimmed Envoy messages.

They carry Envoy's own full names, so they must not be put in protobuf's default pool: another
distribution that brings the whole of Envoy's API would clash with them there.
"""

from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pool import DescriptorPool

POOL = DescriptorPool()
for _well_known in (duration_pb2, struct_pb2, timestamp_pb2):
    POOL.AddSerializedFile(_well_known.DESCRIPTOR.serialized_pb)
