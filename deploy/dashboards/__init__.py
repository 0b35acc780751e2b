"""Grafana's dashboards, as code; the JSON that is made of them is in the chart."""
