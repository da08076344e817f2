"""What `cost-top serve --print` writes: a Grafana dashboard over `/metrics`, a systemd unit, a Dockerfile."""

from __future__ import annotations

import json
from typing import Any

KINDS = ("grafana", "systemd", "dockerfile")
_PROVIDER = 'provider=~"$provider"'
_WINDOW = 'window="$window",provider=~"$provider"'
# Title, PromQL, legend, unit, width of 24.
_PANELS = (
    ("Spend today", 'sum(cost_top_window_cost_usd{window="today"})', "", "currencyUSD", 6),
    ("Spend of 30 days", 'sum(cost_top_window_cost_usd{window="30d"})', "", "currencyUSD", 6),
    ("Unpriced requests of 30 days: the spend is at least what is shown",
     'sum(cost_top_window_unpriced_requests{window="30d"})', "", "short", 6),
    ("Source: 1 answers, 0 does not", "cost_top_source_up", "", "short", 6),
    ("Spend an hour by provider", f"sum by (provider) (rate(cost_top_cost_usd_total{{{_PROVIDER}}}[15m])) * 3600",
     "{{provider}}", "currencyUSD", 12),
    ("Requests a minute by provider", f"sum by (provider) (rate(cost_top_requests_total{{{_PROVIDER}}}[5m])) * 60",
     "{{provider}}", "short", 12),
    ("Spend of the window by model", f"topk(15, sum by (model) (cost_top_window_cost_usd{{{_WINDOW}}}))", "{{model}}",
     "currencyUSD", 12),
    ("Tokens of the window by kind", f"sum by (kind) (cost_top_window_tokens{{{_WINDOW}}})", "{{kind}}", "short", 12),
    ("Errors of the window by provider", f"sum by (provider) (cost_top_window_errors{{{_WINDOW}}})", "{{provider}}",
     "short", 12),
    ("Seconds since the source answered, and since the newest request",
     "cost_top_lag_seconds or time() - cost_top_newest_request_timestamp_seconds", "{{__name__}}", "s", 12),
)  # fmt: skip
_SYSTEMD = """\
# /etc/systemd/system/cost-top-serve.service
# The source and the token: /etc/cost-top/serve.env, mode 0600, with COST_TOP_SOURCE=… and COST_TOP_SERVE_TOKEN=sha256:…
[Unit]
Description=cost-top serve
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/usr/local/bin/cost-top serve --host 127.0.0.1 --port 8377
EnvironmentFile=/etc/cost-top/serve.env
Environment=COST_TOP_CACHE=/var/cache/cost-top
DynamicUser=yes
CacheDirectory=cost-top
CacheDirectoryMode=0700
Restart=on-failure
RestartSec=10
LimitNOFILE=4096
LimitCORE=0
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
CapabilityBoundingSet=

[Install]
WantedBy=multi-user.target
"""
_DOCKERFILE = """\
# docker build -t cost-top . && docker run -p 8377:8377 -e COST_TOP_SOURCE=… -e COST_TOP_SERVE_TOKEN=… cost-top
FROM python:3.13-slim
RUN pip install --no-cache-dir 'cost-top[serve]' && useradd --create-home --uid 10001 cost-top
USER cost-top
ENV COST_TOP_CACHE=/home/cost-top/cache
VOLUME /home/cost-top/cache
EXPOSE 8377
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \\
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8377/healthz', timeout=4)"]
ENTRYPOINT ["cost-top", "serve", "--host", "0.0.0.0"]
"""


def printed(kind: str) -> str:
    """The text of one of `KINDS`."""
    if kind == "grafana":
        return json.dumps(dashboard(), indent=2) + "\n"
    return _SYSTEMD if kind == "systemd" else _DOCKERFILE


def dashboard() -> dict[str, Any]:
    """A dashboard to import: Grafana asks for the Prometheus that scrapes `/metrics`."""
    panels: list[dict[str, Any]] = []
    x = y = height = 0
    for number, (title, expression, legend, unit, width) in enumerate(_PANELS, 1):
        if x + width > 24:
            x, y = 0, y + height
        height = 8 if legend else 4
        panels.append({
            "id": number, "title": title, "type": "timeseries" if legend else "stat",
            "datasource": {"type": "prometheus", "uid": "${DS_PROMETHEUS}"},
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "targets": [{"refId": "A", "expr": expression, "legendFormat": legend}],
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        })  # fmt: skip
        x += width
    return {
        "__inputs": [{"name": "DS_PROMETHEUS", "label": "Prometheus", "type": "datasource", "pluginId": "prometheus"}],
        "title": "LLM spend (cost-top)", "uid": "cost-top", "schemaVersion": 39, "refresh": "1m", "tags": ["cost-top"],
        "time": {"from": "now-24h", "to": "now"}, "templating": {"list": [_window(), _provider()]}, "panels": panels,
    }  # fmt: skip


def _window() -> dict[str, Any]:
    options = [{"text": name, "value": name, "selected": name == "today"} for name in ("1h", "today", "30d")]
    return {"name": "window", "type": "custom", "query": "1h,today,30d", "options": options, "current": options[1]}


def _provider() -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    return {"name": "provider", "type": "query", "datasource": source, "includeAll": True, "allValue": ".*",
            "multi": True, "refresh": 2, "query": "label_values(cost_top_window_cost_usd, provider)",
            "current": {"text": "All", "value": "$__all"}}  # fmt: skip
