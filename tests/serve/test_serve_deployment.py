"""What `serve --print` writes, held to what serves; and tokens that change while it runs."""

from __future__ import annotations

import json
import re
import subprocess
import time

import pytest

from cost_top.serve.deployment import KINDS, dashboard, printed
from support.native_log import NativeLog
from support.served import command, environment, served, write_traffic


@pytest.fixture
def log(tmp_path):
    made = NativeLog(tmp_path / "gateway.db")
    write_traffic(made, 60)
    yield made
    made.close()


def test_every_metric_and_label_of_the_dashboard_is_served(log, tmp_path):
    with served(tmp_path, log.path, "--interval", 1) as server:
        end = time.monotonic() + 90
        while "cost_top_requests_total{" not in (text := server.get("/metrics").text):
            # It counts from when it first looked: a row after that is the one it counts.
            log.add(time_ms=time.time_ns() // 1_000_000, provider="openai", model="gpt-5-mini", cost_pico_usd=10**9)
            assert time.monotonic() < end
            time.sleep(0.2)
    told = {line.split("{")[0].split(" ")[0]: line for line in text.splitlines() if not line.startswith("#")}
    texts = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    texts += [each["query"] for each in dashboard()["templating"]["list"] if each["type"] == "query"]
    used = {name for expression in texts for name in re.findall(r"cost_top_\w+", expression)}
    assert used <= set(told)
    for expression in texts:
        for name, labels in re.findall(r"(cost_top_\w+)\{([^}]*)\}", expression):
            for label in re.findall(r"(\w+)=", labels):
                assert f'{label}="' in told[name], (name, label)
        for label in re.findall(r"by \((\w+)\)", expression):
            (name,) = re.findall(r"cost_top_\w+", expression)
            assert f'{label}="' in told[name]
    windows = {option["value"] for option in dashboard()["templating"]["list"][0]["options"]}
    assert windows == set(re.findall(r'window="(\w+)"', text))


def test_panels_lie_beside_one_another():
    taken = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_printed_and_nothing_is_served(tmp_path, kind):
    done = subprocess.run(
        command("--print", kind), capture_output=True, text=True, env=environment(tmp_path), cwd=tmp_path,
        timeout=180, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (0, "", printed(kind))
    if kind == "grafana":
        assert json.loads(done.stdout)["panels"]
    else:
        assert re.search(r"cost-top\"?, ?\"serve|cost-top serve", done.stdout)


def test_tokens_are_read_again_when_their_file_changes(log, tmp_path):
    from cost_top.serve.tokens import new_token

    (first, first_block), (second, second_block) = new_token("a", None), new_token("b", None)
    file = tmp_path / "tokens.toml"
    file.touch(mode=0o600)
    file.write_text(first_block)
    with served(tmp_path, log.path, "--tokens", file) as server:

        def status(token):
            return server.get("/v1/report", auth=token, since="1d").status_code

        def becomes(token, wanted):
            end = time.monotonic() + 90
            while status(token) != wanted:
                assert time.monotonic() < end
                time.sleep(0.3)

        assert (status(first), status(second)) == (200, 401)
        file.write_text(second_block)
        becomes(second, 200)
        becomes(first, 401)
        file.write_text("[[tokens]]\nname = 3\n")
        end = time.monotonic() + 90
        while "the tokens from before stay" not in server.stderr:
            assert status(second) == 200
            assert time.monotonic() < end
            time.sleep(0.3)
        file.unlink()
        time.sleep(1.2)
        assert (status(second), status(None)) == (200, 401)
