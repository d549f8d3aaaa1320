"""Takes small pictures of pages for `docs/gallery.md`: `python -m tests.browser.gallery runs/pages docs/gallery`."""

import os
import shutil
import sys
from pathlib import Path

# What of each page is shown, and how much of it.
SHOWN = {
    "strategies": ("section >> nth=0", 440),
    "replay": ("main", 400),
}
# Whose charts are shown, the first so many side by side: as text, which can be taken anew.
DRAWN = {
    "bench": ("section:has(h2:text-matches('^Span map'))", 2),
    "capacity": ("section >> nth=0", 2),
}
_JOIN = r"""(section, count) => {
  const charts = [...section.querySelectorAll("svg.marks")].slice(0, count);
  const style = getComputedStyle(document.documentElement);
  let x = 0, height = 0;
  const inner = charts.map((chart) => {
    const copy = chart.cloneNode(true);
    copy.setAttribute("x", x);
    for (const part of [copy, ...copy.querySelectorAll("*")])
      for (const name of part.getAttributeNames())
        if (/^(aria|role|class|pointer)/.test(name)) part.removeAttribute(name);
    x += chart.width.baseVal.value + 12;
    height = Math.max(height, chart.height.baseVal.value);
    return copy.outerHTML.replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  });
  const size = `width="${x}" height="${height}" style="font-family: system-ui, sans-serif; background: white"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${inner.join("")}</svg>`;
}"""
_BARE = "h2, .about { display: none } section { padding: 8px 0 }"  # the pictures stand beside words of their own


def main(pages: Path, pictures: Path) -> None:
    """Write a picture of each page that is there."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium here: no pictures; set CHROMIUM to its path")
        return
    from playwright.sync_api import sync_playwright

    pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False)
        for name, (place, height) in SHOWN.items():
            path = pages / f"{name}.html"
            if path.exists():
                page = browser.new_page(viewport={"width": 760, "height": 900}, color_scheme="light")
                page.goto(path.absolute().as_uri())
                page.evaluate("document.querySelectorAll('audio').forEach((sound) => { sound.currentTime = 12 })")
                page.wait_for_timeout(1500)
                page.add_style_tag(content=_BARE)
                box = page.locator(place).first.bounding_box()
                assert box, f"{path} shows nothing"
                box["height"] = min(box["height"], height)
                page.screenshot(path=pictures / f"{name}.png", clip=box, full_page=True)
                print(pictures / f"{name}.png", (pictures / f"{name}.png").stat().st_size)
                page.close()
        for name, (place, count) in DRAWN.items():
            path = pages / f"{name}.html"
            if path.exists():
                page = browser.new_page(viewport={"width": 1100, "height": 900}, color_scheme="light")
                page.goto(path.absolute().as_uri())
                page.wait_for_timeout(1500)
                drawn = page.locator(place).first.evaluate(_JOIN, count)
                (pictures / f"{name}.svg").write_text(drawn + "\n", encoding="utf-8")
                print(pictures / f"{name}.svg", len(drawn))
                page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
