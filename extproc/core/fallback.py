"""What the owner of a workload wants a client to be told whose request is not served.

Values only. Must not know when it is told, nor how it is said in HTTP or gRPC.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fallback:
    """What to say in place of what Layby would; what is empty is left to Layby.

    Args:
        retry_after: seconds after which to try again, whatever is known of cold starts.
        redirect: the URL to send the client to.
        body: the body.
        content_type: its media type.
    """

    retry_after: float | None = None
    redirect: str = ""
    body: str = ""
    content_type: str = ""


NO_FALLBACK = Fallback()
