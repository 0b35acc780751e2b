"""The descriptor pool of KEDA's messages.

Many a scaler written in Python brings the same file of the same name, and two of them cannot be in
protobuf's default pool.
"""

from google.protobuf.descriptor_pool import DescriptorPool

POOL = DescriptorPool()
