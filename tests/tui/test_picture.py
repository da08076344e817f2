"""The screenshot: nothing from the web, every figure in its column, bars as shapes."""

import re
import xml.etree.ElementTree as ElementTree

from running import running

from cost_top.tui.picture import tidy

TEXT = re.compile(r'<text class="t-r\d+" x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)">([^<]*)</text>')


def test_a_text_keeps_its_columns_without_blanks_at_its_ends():
    svg = (
        '<text class="terminal-7-r2" x="12.2" y="44.4" textLength="97.6" clip-path="url(#terminal-7-line-1)">'
        "&#160;&#160;a&#160;&lt;b█▁─</text>"
    )
    text, bars, line = tidy(svg).replace("><", ">\n<").split("\n")
    assert text == '<text class="t-r2" x="36.6" y="44.4" textLength="48.8">a\xa0&lt;b</text>'
    assert bars == '<path class="t-r2" d="M85.4 25.9h12.2v24.4h-12.2zM97.6 47.25h12.2v3.05h-12.2z"/>'
    assert line.startswith('<path class="t-r2" d="M109.8 ')


async def test_the_picture_of_the_overview():
    async with running() as (app, _, __):
        picture = tidy(app.export_screenshot(title="cost-top"))
    ElementTree.fromstring(picture)
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "").replace("https://www.textualize.io", "")
    assert 'clip-path="url(#t-line' not in picture
    texts = [found[4].replace("\xa0", " ") for found in TEXT.finditer(picture)]
    assert "≥ $1,847.20" in texts
    assert not [text for text in texts if text != text.strip() or set(text) & set("█▁│─░")]
    ends = {
        round(float(found[1]) + float(found[3]), 1)
        for found in TEXT.finditer(picture)
        if found[4] in ("76.0\xa0%", "17.0\xa0%", "4.0\xa0%")
    }
    assert len(ends) == 1, "the shares of providers end below one another"
