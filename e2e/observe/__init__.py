"""Watching Layby: its metrics in a real Prometheus, its traces in a real Jaeger."""
