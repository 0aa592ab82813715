"""What is wrong with a page of text as a browser shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tools.browser import Page, opened

Look = Callable[[Path, int], tuple[int, list[str]]]
"""Opens a page in a browser, with all that is folded unfolded.

Args:
    path: the page's file.
    width: of the window, CSS pixels.

Returns:
    How many texts it shows; and what is wrong: cut, outside the page or upon each other, of too
    little contrast, in a table that neither fits nor shows that it scrolls.
"""
CONTRAST = 4.5
"""The least contrast of text with what is behind it: WCAG 2, level AA."""
LOOK = """(() => {
  for (const each of document.querySelectorAll("details")) each.open = true;
  const wrong = [];
  const tell = (text, what) => wrong.push(`${text.trim().slice(0, 60)}: ${what}`);
  const page = document.documentElement;
  if (page.scrollWidth > innerWidth) wrong.push(`page is ${page.scrollWidth} in ${innerWidth}`);

  // The ancestors that clip or scroll; what may be scrolled to is not cut.
  const frames = (node) => {
    const found = [];
    for (let one = node; one && one !== page; one = one.parentElement)
      if (getComputedStyle(one).overflowX !== "visible") found.push(one);
    return found;
  };
  const scrolls = (one) => ["auto", "scroll"].includes(getComputedStyle(one).overflowX);

  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = channels(color).map((x) => x / 255)
      .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if ((channels(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (node) => {
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const places = [];
  let texts = 0;
  for (let node; (node = walker.nextNode());) {
    if (!node.data.trim()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter((box) => box.width && box.height);
    if (!boxes.length) continue;
    texts += 1;
    const owner = node.parentElement;
    const ratio = contrast(owner);
    if (ratio < LEAST) tell(node.data, `contrast ${ratio.toFixed(2)}`);
    const around = frames(owner);
    for (const box of boxes) {
      for (const frame of around) {
        const hole = frame.getBoundingClientRect();
        if (!scrolls(frame) && (box.right > hole.right + 1 || box.bottom > hole.bottom + 1))
          tell(node.data, "cut");
      }
      if (!around.some(scrolls) && (box.left < -1 || box.right > innerWidth + 1))
        tell(node.data, "leaves the page");
      places.push({ node, box });
    }
  }
  // Upon each other, by a sweep from top to bottom.
  places.sort((a, b) => a.box.top - b.box.top);
  places.forEach((one, at) => {
    for (let next = at + 1; next < places.length; next += 1) {
      const other = places[next];
      if (other.box.top > one.box.bottom - 4) break;
      const across = Math.min(one.box.right, other.box.right)
        - Math.max(one.box.left, other.box.left);
      if (across > 1 && one.node !== other.node) tell(one.node.data, `upon ${other.node.data}`);
    }
  });
  for (const table of document.querySelectorAll("table")) {
    const frame = table.parentElement;
    const hidden = table.getBoundingClientRect().right - frame.getBoundingClientRect().right;
    // A shadow tells where there is more.
    const told = scrolls(frame) && getComputedStyle(frame).backgroundImage !== "none";
    if (hidden > 1 && !told) tell(table.innerText, "a table that neither fits nor scrolls");
    for (const cell of table.querySelectorAll("th, td"))
      if (cell.scrollWidth > cell.clientWidth + 1) tell(cell.innerText, "leaves its cell");
  }
  return { texts, wrong };
})()"""


@contextmanager
def looking() -> Iterator[Look]:
    """To look at pages one after the other, by one browser a width: to start one takes a second."""
    pages: dict[int, Page] = {}
    with ExitStack() as browsers:

        def look(path: Path, width: int) -> tuple[int, list[str]]:
            if width not in pages:
                pages[width] = browsers.enter_context(opened(width, 1000))
            page = pages[width]
            page.go(path.resolve().as_uri())
            page.until("document.readyState === 'complete'")
            found = page.ask(LOOK.replace("LEAST", str(CONTRAST)))
            return found["texts"], found["wrong"]

        yield look
