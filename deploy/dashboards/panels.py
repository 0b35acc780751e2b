"""Panels of the few kinds that the dashboards have, and what all of them share.

Owns how a graph, a number, a timeline and a table look. Must not know any metric.
"""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

METRICS: Final = DataSourceRef("prometheus", "${datasource}")
HEIGHT: Final = 8
FULL, HALF, THIRD = 24, 12, 8

Query = prometheus.Dataquery
Links = Sequence[dashboard.DashboardLink]


def query(expr: str, legend: str = "", *, exemplars: bool = False) -> Query:
    """Ask for values over time, with the traces that some of them were seen in."""
    made = Query().expr(expr).range().datasource(METRICS).exemplar(exemplars)
    return made.legend_format(legend) if legend else made


def counted(series: str, by: str, legend: str = "") -> Query:
    """Ask how much a counter has grown at each step, by one of its labels."""
    expr = f"sum by ({by}) (increase({series}[$__rate_interval]))"
    return query(expr, legend or f"{{{{{by}}}}}")


def grown(series: str, over: str = "$__rate_interval") -> str:
    """Say in PromQL how much something has grown that is not there before its first event.

    `increase` does not count that one. What was not there before, nor in the hour before that, has
    grown by all that it is.
    """
    born = f"{series} unless last_over_time({series}[1h] offset {over})"
    return f"(({born}) or increase({series}[{over}]))"


def counted_from_nothing(series: str, by: str) -> Query:
    """As `counted`, of what is not there before its first event."""
    return query(f"sum by ({by}) ({grown(series)})", f"{{{{{by}}}}}")


def quantiles(bucket: str) -> tuple[Query, ...]:
    """Ask for the median of a histogram and what few exceed, with traces of single values."""
    return tuple(
        query(
            f"histogram_quantile({share}, sum by (le) ({grown(bucket)}))",
            legend,
            exemplars=True,
        )
        for share, legend in ((0.5, "p50"), (0.95, "p95"))
    )


def now(expr: str, legend: str = "") -> Query:
    """Ask for values at the end of the time range."""
    made = Query().expr(expr).instant().datasource(METRICS)
    return made.legend_format(legend) if legend else made


def graph(  # noqa: PLR0913 - what one graph may differ in from another
    title: str,
    description: str,
    *queries: Query,
    unit: str = "short",
    width: int = HALF,
    bars: bool = False,
    stacked: bool = False,
    whole: bool = False,
    links: Links = (),
) -> timeseries.Panel:
    """Draw values over time; as bars, if they are of stretches of time rather than moments."""
    panel = timeseries.Panel().title(title).description(description).datasource(METRICS)
    panel.height(HEIGHT).span(width).unit(unit).min(0)
    panel.legend(_legend()).tooltip(
        common.VizTooltipOptions()
        .mode(shapes.TooltipDisplayMode.MULTI)
        .sort(shapes.SortOrder.DESCENDING)
    )
    panel.line_width(1).fill_opacity(60 if bars else 10).show_points(shapes.VisibilityMode.AUTO)
    if bars:
        panel.draw_style(shapes.GraphDrawStyle.BARS)
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL))
    if whole:
        panel.decimals(0)
    if links:
        panel.data_links([*links])
    return _with(panel, queries)


def counts(
    title: str, description: str, *queries: Query, width: int = HALF, links: Links = ()
) -> timeseries.Panel:
    """Draw how much of each there was at each step, one on the other."""
    return graph(title, description, *queries, width=width, bars=True, stacked=True, links=links)


def number(  # noqa: PLR0913 - as above
    title: str,
    description: str,
    asked: Query,
    *,
    unit: str = "short",
    width: int = 4,
    wrong_from: float | None = None,
    wrong_below: float | None = None,
    named: bool = False,
) -> stat.Panel:
    """Show one value, in red if it is `wrong`; or its legend, if it is `named`."""
    panel = stat.Panel().title(title).description(description).datasource(METRICS)
    panel.height(4).span(width).unit(unit).no_value("-").graph_mode(shapes.BigValueGraphMode.NONE)
    panel.color_mode(shapes.BigValueColorMode.VALUE)
    if named:
        panel.text_mode(shapes.BigValueTextMode.NAME)
    steps = [Threshold(None, "text")]
    if wrong_from is not None:
        steps = [Threshold(None, "green"), Threshold(wrong_from, "red")]
    if wrong_below is not None:
        steps = [Threshold(None, "red"), Threshold(wrong_below, "green")]
    panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    return panel.with_target(asked)


def timeline(
    title: str, description: str, asked: Query, *, width: int = FULL
) -> statetimeline.Panel:
    """Show which of several states held when: each is a row that is there while it holds."""
    panel = statetimeline.Panel().title(title).description(description).datasource(METRICS)
    panel.height(HEIGHT).span(width).show_value(shapes.VisibilityMode.NEVER).merge_values(True)
    panel.legend(_legend().show_legend(False)).row_height(0.8)
    panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    return panel.with_target(asked)


def table(  # noqa: PLR0913 - as above
    title: str,
    description: str,
    columns: Mapping[str, tuple[Query, str]],
    labels: Mapping[str, str],
    *,
    width: int = FULL,
    height: int = 10,
    links: Mapping[str, Links] | None = None,
    sort_by: str = "",
) -> tables.Panel:
    """List a row for each set of labels, with a column for each query, which has a unit.

    `labels` are those that are shown, with their titles.
    """
    panel = tables.Panel().title(title).description(description).datasource(METRICS)
    panel.height(height).span(width)
    names = {}
    for letter, (column, (asked, _)) in zip(ascii_uppercase, columns.items(), strict=False):
        panel.with_target(asked.format(PromQueryFormat.TABLE).ref_id(letter))
        # Grafana tells the values of several queries apart by their letters.
        names[f"Value #{letter}" if len(columns) > 1 else "Value"] = column
    shown = [*labels, *names]
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    organized = {
        "excludeByName": {"Time": True},
        "indexByName": {name: place for place, name in enumerate(shown)},
        "renameByName": {**labels, **names},
    }
    panel.with_transformation(DataTransformerConfig(id_val="organize", options=organized))
    for column, (_, unit) in columns.items():
        panel.override_by_name(column, [DynamicConfigValue("unit", unit)])
    for column, each in (links or {}).items():
        panel.override_by_name(
            column, [DynamicConfigValue("links", [link.build() for link in each])]
        )
    if sort_by:
        panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)])
    return panel


def right_axis(panel: timeseries.Panel, legend: str) -> timeseries.Panel:
    """Have one of a graph's series at an axis of its own, drawn as steps."""
    return panel.override_by_name(
        legend,
        [
            DynamicConfigValue("custom.axisPlacement", "right"),
            DynamicConfigValue("custom.lineInterpolation", "stepAfter"),
            DynamicConfigValue("custom.lineWidth", 2),
            DynamicConfigValue("custom.fillOpacity", 0),
            DynamicConfigValue("decimals", 0),
        ],
    )


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.LIST)
    return legend.placement(shapes.LegendPlacement.BOTTOM).show_legend(True)


def _with(panel: timeseries.Panel, queries: Sequence[Query]) -> timeseries.Panel:
    for place, each in enumerate(queries):
        panel.with_target(each.ref_id(chr(ord("A") + place)))
    return panel
