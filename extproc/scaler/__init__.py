"""KEDA's external scaler: says whether a workload is wanted, and how much load it has.

`trigger` and `decision` are pure; `pushes` and `service` answer KEDA; `server` and `tls` carry it.
Must not know how demand is gathered.
"""
