/* The explorer of searches. State is what the controls say; `charts()` draws what depends on the
   choice of searches and edge, `moment()` what depends on the time. Texts go in as text only. */
"use strict";
(async () => {
  const given = JSON.parse(document.getElementById("data").textContent);
  const { ops: OPS, layout, searches } = given;
  const UP = "#b2182b", DOWN = "#2166ac", INK = "#1b1b1b", SOFT = "#595959", GREEN = "#117733";
  const HEIGHT = 190, MARGIN = { marginLeft: 44, marginRight: 78, marginTop: 12, marginBottom: 30 };
  const AXES = { step: "weight steps", epoch: "epochs", share: "share of the search" };
  const byId = (name) => document.getElementById(name);
  const control = Object.fromEntries(
    ["play", "time", "now", "edge", "split", "axis", "compare", "panels"].map((n) => [n, byId(n)]));
  const number = (value, digits = 3) => Number.isFinite(value)
    ? Number(value.toPrecision(digits)).toString().replace("-", "−") : "–";
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  // A search's numbers: unpacked when it is first shown. See `Record.packed`.
  const unpacked = new Map();
  async function unpack(search) {
    if (unpacked.has(search)) return unpacked.get(search);
    const bytes = Uint8Array.from(atob(search.data), (char) => char.charCodeAt(0));
    // Not by a Blob, which the frame that MLflow shows the page in may not read.
    const unzip = new DecompressionStream("deflate"), writer = unzip.writable.getWriter();
    writer.write(bytes);
    writer.close();
    const raw = new DataView(await new Response(unzip.readable).arrayBuffer());
    const points = search.step.length, pairs = search.edges.length * search.ops.length;
    const rows = layout.op.length * pairs + layout.edge.length * search.edges.length
      + layout.number.length;
    const low = rows * 4, high = low + rows * points;
    const series = Array.from({ length: rows }, (_, row) => {
      const size = raw.getFloat32(row * 4, true), values = new Float32Array(points);
      for (let at = 0, level = 0; at < points; at++) {
        const place = row * points + at;
        const step = (raw.getInt8(high + place) << 8) | raw.getUint8(low + place);
        level = ((level + step) << 16) >> 16;
        values[at] = level === given.nothing ? NaN : level * size;
      }
      return values;
    });
    let next = 0;
    const take = (count) => series.slice(next, (next += count));
    const found = { points };
    for (const name of layout.op) {
      const flat = take(pairs);
      found[name] = search.edges.map((_, edge) =>
        flat.slice(edge * search.ops.length, (edge + 1) * search.ops.length));
    }
    for (const name of layout.edge) found[name] = take(search.edges.length);
    for (const name of layout.number) [found[name]] = take(1);
    found.cost = found.direct.map((edge, e) => edge.map((op, o) =>
      op.map((value, at) => value + found.path[e][o][at])));
    found.credit = found.credit_direct.map((edge, e) =>
      edge.map((value, at) => value + found.credit_path[e][at]));
    const last = search.step[points - 1] || 1;
    found.x = { step: search.step, epoch: search.epoch, share: search.step.map((s) => s / last) };
    const sizes = found.credit.flatMap((edge) => Array.from(edge, Math.abs)).filter(Number.isFinite);
    found.large = d3.quantile(sizes, 0.98) || 1;
    unpacked.set(search, found);
    return found;
  }

  const distinct = (values) => [...new Set(values)];
  const option = (value, text = value) => make("option", { value }, text);
  const panels = [];

  // One search: its choice, its cell, its charts.
  class Panel {
    constructor(search) {
      this.choose = Object.fromEntries(["method", "condition", "seed"].map((name) =>
        [name, make("select", { "aria-label": name })]));
      this.about = make("p", { class: "about" });
      this.cell = make("div", { class: "view cell" });
      this.table = make("div", { class: "view" });
      this.probability = make("div", { class: "view" });
      this.entropy = make("div", { class: "view" });
      this.cost = make("div", { class: "view" });
      const row = make("div", { class: "choose" });
      for (const [name, select] of Object.entries(this.choose)) {
        row.append(make("label", {}, `${name[0].toUpperCase()}${name.slice(1)} `, select));
        select.addEventListener("change", () => this.changed(name));
      }
      const views = make("div", { class: "views" });
      views.append(this.cell, this.table, this.probability, this.entropy, this.cost);
      this.node = make("section", { class: "panel" }, row, this.about, views);
      this.choose.method.append(option("all methods"),
        ...distinct(searches.map((s) => s.method)).sort().map((name) => option(name)));
      this.fill();
      this.choose.condition.value = search.condition;
      this.fill();
      this.choose.seed.value = search.seed;
    }
    fill() {
      const { method, condition, seed } = this.choose;
      const kept = searches.filter((s) => method.selectedIndex === 0 || s.method === method.value);
      const put = (select, values) => {
        const before = select.value;
        select.replaceChildren(...values.map((value) => option(value)));
        if (values.map(String).includes(before)) select.value = before;
      };
      put(condition, distinct(kept.map((s) => s.condition)));
      put(seed, kept.filter((s) => s.condition === condition.value).map((s) => s.seed));
    }
    changed(name) {
      if (name !== "seed") this.fill();
      show();
    }
    get search() {
      const { condition, seed } = this.choose;
      return searches.find((s) => s.condition === condition.value && String(s.seed) === seed.value);
    }
    async load() {
      this.shown = this.search;
      this.data = await unpack(this.shown);
    }
    at(time) {
      const x = this.data.x[control.axis.value];
      return Math.min(d3.bisectLeft(x, time - 1e-9), x.length - 1);
    }
    // Beside another cell an edge may be chosen that this one does not have: then -1.
    get edge() { return this.shown.edges.indexOf(control.edge.value); }
    lacks() { return make("p", {}, `This cell has no free edge ${control.edge.value}.`); }
    leader(edge, at) {
      let best = -1;
      this.shown.ops.forEach((op, o) => {
        if (op !== "none" && (best < 0
          || this.data.probability[edge][o][at] > this.data.probability[edge][best][at])) best = o;
      });
      return best;
    }
    none(edge, at) {
      const none = this.shown.ops.indexOf("none");
      return none < 0 ? 0 : this.data.probability[edge][none][at];
    }

    drawCell() {
      const { nodes, curves, outputs, edges } = this.shown;
      const unit = Math.min(92, 560 / (d3.max(nodes, (node) => node[0]) + 0.8)), pad = 34;
      const point = (share, [a, b, c]) => a.map((_, i) =>
        (1 - share) ** 2 * a[i] + 2 * share * (1 - share) * b[i] + share ** 2 * c[i]);
      const bends = curves.flatMap((arc) => [0.4, 0.5, 0.6, 0.7].map((s) => point(s, arc)[1]));
      const tall = d3.max([...bends, ...nodes.map((n) => n[1])].map(Math.abs));
      const wide = d3.max(nodes, (node) => node[0]) * unit + 2 * pad, high = 2 * (tall * unit + pad);
      const put = ([x, y]) => [pad + x * unit, high / 2 - y * unit];
      const path = (arc) => { const [a, b, c] = arc.map(put); return `M${a}Q${b} ${c}`; };
      const svg = d3.create("svg").attr("viewBox", [0, 0, wide, high]).attr("width", wide)
        .attr("role", "group").attr("aria-label", "The cell");
      svg.selectAll(".out").data(outputs).join("path").attr("d", path)
        .attr("fill", "none").attr("stroke", "#c9c9c9");
      this.edges = svg.selectAll(".edge").data(edges).join("g").attr("class", "edge")
        .attr("tabindex", 0).attr("role", "button")
        .on("click", (_, edge) => choose(edge))
        .on("keydown", (event, edge) => {
          if (event.key === "Enter") { event.preventDefault(); choose(edge); }
        });
      this.edges.append("title");
      const arc = (_, e) => path(curves[e]);
      this.edges.append("path").attr("class", "ring").attr("d", arc).attr("fill", "none")
        .attr("stroke", "transparent").attr("stroke-width", 16);
      this.edges.append("path").attr("class", "line").attr("d", arc).attr("fill", "none");
      svg.selectAll(".node").data(nodes).join("circle").attr("r", 0.2 * unit)
        .attr("cx", (n) => put(n)[0]).attr("cy", (n) => put(n)[1])
        .attr("fill", (_, n) => n < 2 ? "#ddd" : "#fff").attr("stroke", "#666");
      svg.selectAll(".name").data(nodes).join("text").attr("text-anchor", "middle")
        .attr("x", (n) => put(n)[0]).attr("y", (n) => put(n)[1]).attr("dy", "0.35em")
        .text((_, n) => n === nodes.length - 1 ? "out" : n);
      const input = (edge) => Number(edge.split("-")[0]) < 2;
      // Each edge's name and mark on its own curve, where no other curve is near.
      const place = (edge, e, share) => put(point(share, curves[e]));
      this.names = svg.selectAll(".op").data(edges).join("text").attr("text-anchor", "middle")
        .attr("pointer-events", "none").attr("dy", "0.35em").style("paint-order", "stroke")
        .attr("stroke", "#fff").attr("stroke-width", 4).attr("stroke-linejoin", "round")
        .each(function (edge, e) {
          const [x, y] = place(edge, e, input(edge) ? 0.6 : 0.5);
          d3.select(this).attr("x", x).attr("y", y);
        });
      this.marks = svg.selectAll(".credit").data(edges).join("g").attr("pointer-events", "none")
        .attr("transform", (edge, e) => `translate(${place(edge, e, input(edge) ? 0.36 : 0.28)})`);
      this.marks.append("circle");
      this.marks.append("text").attr("text-anchor", "middle").attr("dy", "0.35em")
        .attr("fill", "#fff").attr("font-weight", 700);
      this.cell.replaceChildren(make("h2", {}, "Cell"), svg.node());
    }
    moveCell(at) {
      const { edges } = this.shown, { data } = this;
      const width = (e) => Math.max(0.8, 9 * (1 - this.none(e, at)));
      this.edges.classed("chosen", (edge) => edge === control.edge.value)
        .attr("aria-label", (edge, e) => this.sentence(edge, e, at));
      this.edges.select("title").text((edge, e) => this.sentence(edge, e, at));
      this.edges.select(".ring").attr("stroke-width", (_, e) => width(e) + 9);
      this.edges.select(".line").attr("stroke-width", (_, e) => width(e))
        .attr("stroke", (_, e) => this.leading(e, at).colour)
        .attr("stroke-dasharray", (_, e) => {
          const best = this.leader(e, at);
          const other = best < 0 ? 0 : data.probability[e][best][at];
          return this.none(e, at) > other ? "7 4" : null;
        });
      this.names.text((_, e) => {
        return this.leading(e, at).name.replace(" conv ", "").replace(" pool ", "");
      }).attr("fill", (_, e) => this.leading(e, at).ink);
      const size = (e) => {
        const share = Math.min(1, Math.abs(data.credit[e][at]) / data.large);
        return Number.isFinite(share) ? 4.5 + 4.5 * Math.sqrt(share) : 0;
      };
      this.marks.select("circle").attr("r", (_, e) => size(e))
        .attr("fill", (_, e) => data.credit[e][at] > 0 ? UP : data.credit[e][at] < 0 ? DOWN : SOFT);
      this.marks.select("text").text((_, e) => size(e) ? data.credit[e][at] > 0 ? "+"
        : data.credit[e][at] < 0 ? "−" : "0" : "");
    }
    leading(edge, at) {
      const best = this.leader(edge, at);
      return OPS[best < 0 ? "none" : this.shown.ops[best]];
    }
    sentence(edge, e, at) {
      return `Edge ${edge}: ${this.leading(e, at).name}, P(none) ${number(this.none(e, at))}, `
        + `credit ${number(this.data.credit[e][at])}`;
    }

    // Every op's numbers at the time: the key of the charts too.
    moveTable(at) {
      const body = make("tbody"), e = this.edge, { data } = this;
      const title = make("h2", {}, `Edge ${control.edge.value} at this time`);
      if (e < 0) { this.table.replaceChildren(title, this.lacks()); return; }
      const row = (name) => data[name][e];
      const order = d3.sort(d3.range(this.shown.ops.length), (o) => -row("probability")[o][at]);
      const parts = ["probability", "cost", "direct", "path", "correct", "wrong"];
      order.forEach((o, place) => {
        const op = OPS[this.shown.ops[o]];
        const line = d3.create("svg").attr("width", 26).attr("height", 8).attr("aria-hidden", true);
        line.append("line").attr("x2", 26).attr("y1", 4).attr("y2", 4).attr("stroke", op.colour)
          .attr("stroke-width", 3).attr("stroke-dasharray", op.dash ? "6 3" : null);
        body.append(make("tr", place ? {} : { class: "wins" },
          make("td", {}, line.node(), op.name),
          ...parts.map((name) => make("td", {}, number(row(name)[o][at], name === "probability" ? 3 : 2)))));
      });
      const head = make("tr", {}, ...["", "P", "cost", "direct", "path", "correct", "wrong"]
        .map((name) => make("th", { scope: "col" }, name)));
      this.table.replaceChildren(title,
        make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), body)));
    }

    width() { return Math.max(280, Math.floor(this.probability.getBoundingClientRect().width)); }
    rows(series) {
      const x = this.data.x[control.axis.value];
      return Array.from(series, (y, at) => ({ x: x[at], y }));
    }
    // The ends of lines, named beside them and moved apart.
    ends(lines, domain, height) {
      const room = 11 * (domain[1] - domain[0]) / (height - MARGIN.marginTop - MARGIN.marginBottom);
      const found = lines.map(({ rows, name, ink }) => {
        const last = rows.findLast((row) => Number.isFinite(row.y));
        return last && { x: last.x, y: Math.max(domain[0], Math.min(domain[1], last.y)), name, ink };
      }).filter(Boolean).sort((a, b) => a.y - b.y);
      found.forEach((end, at) => { if (at) end.y = Math.max(end.y, found[at - 1].y + room); });
      for (let at = found.length - 1, top = domain[1] + room / 2; at >= 0; at--) {
        found[at].y = Math.min(found[at].y, top);
        top = found[at].y - room;
      }
      return found;
    }
    plot(width, label, x, y, lines, more = [], right = true) {
      const height = HEIGHT;
      const dashed = (dash) => dash ? { strokeDasharray: dash } : {};
      const beyond = lines.flatMap(({ rows, colour }) => rows
        .filter((row) => row.y < y[0] || row.y > y[1])
        .map((row) => ({ x: row.x, up: row.y > y[1], colour })));
      const svg = Plot.plot({
        width, height, ...MARGIN, marginRight: right ? MARGIN.marginRight : 8,
        style: { fontSize: "11px", color: INK }, ariaLabel: label,
        x: { domain: x, label: AXES[control.axis.value], ticks: width < 340 ? 4 : 6 },
        y: { domain: y, label: null, grid: true, ticks: 5 },
        marks: [
          ...more,
          ...lines.map(({ rows, colour, dash, width: thick }) => Plot.line(rows, {
            x: "x", y: "y", stroke: colour, strokeWidth: thick || 1.6, clip: true, ...dashed(dash) })),
          // A value between two that are missing has no line.
          ...lines.map(({ rows, colour }) => Plot.dot(rows.filter((row, at) =>
            Number.isFinite(row.y) && !Number.isFinite(rows[at - 1]?.y)
              && !Number.isFinite(rows[at + 1]?.y)), { x: "x", y: "y", fill: colour, r: 1.6, clip: true })),
          Plot.dot(beyond, { x: "x", y: (d) => d.up ? y[1] : y[0], fill: "colour", r: 3,
            symbol: "triangle", rotate: (d) => d.up ? 0 : 180 }),
          ...(right ? [Plot.text(this.ends(lines, y, height), { x: "x", y: "y", text: "name",
            fill: "ink", textAnchor: "start", dx: 5, clip: false })] : []),
        ],
      });
      const scale = svg.scale("x");
      const line = document.createElementNS(svg.namespaceURI, "line");
      for (const [name, value] of Object.entries({ y1: MARGIN.marginTop, class: "rule",
        y2: height - MARGIN.marginBottom, stroke: INK, "stroke-width": 1 })) line.setAttribute(name, value);
      svg.append(line);
      this.rules.push((time) => {
        const place = scale.apply(Math.min(time, x[1]));
        line.setAttribute("x1", place);
        line.setAttribute("x2", place);
      });
      const seek = (event) => {
        if (event.type === "pointermove" && !event.buttons) return;
        const box = svg.getBoundingClientRect();
        setTime(scale.invert((event.clientX - box.left) * width / box.width));
      };
      svg.addEventListener("pointerdown", seek);
      svg.addEventListener("pointermove", seek);
      return svg;
    }
    lines(name) {
      return this.shown.ops.map((op, o) => ({
        rows: this.rows(this.data[name][this.edge][o]), ...OPS[op],
        dash: OPS[op].dash ? "6 2" : null, width: op === "none" ? 2.4 : 1.5,
      })).filter(({ rows }) => rows.some((row) => Number.isFinite(row.y)));
    }
    drawCharts(x, limits) {
      this.rules = [];
      const width = this.width(), edge = control.edge.value;
      this.probability.replaceChildren(make("h2", {}, `Probability of each operation on edge ${edge}`),
        this.edge < 0 ? this.lacks() : this.plot(width, `Probability of each operation on edge ${edge}`, x, limits.probability,
          this.lines("probability")));
      const pairs = this.data.x[control.axis.value].map((at, place) =>
        ({ x: at, loss: this.data.loss[place], entropy: this.data.entropy[place] }))
        .filter((row) => Number.isFinite(row.loss) && Number.isFinite(row.entropy));
      const shade = Plot.differenceY(pairs, { x: "x", y1: "entropy", y2: "loss", stroke: "none",
        positiveFill: "url(#above)", positiveFillOpacity: 1, negativeFill: DOWN, negativeFillOpacity: 0.3,
        clip: true });
      this.gap = make("p");
      this.entropy.replaceChildren(make("h2", {}, "Loss and entropy (nats)"), this.gap,
        this.plot(width, "Loss and entropy", x, limits.entropy, [
          { rows: this.rows(this.data.loss), name: "loss", colour: INK, ink: INK, width: 2 },
          { rows: this.rows(this.data.entropy), name: "entropy", colour: GREEN, ink: GREEN, dash: "6 3", width: 2 },
        ], [shade]));
      const parts = { total: ["cost"], way: ["direct", "path"], outcome: ["correct", "wrong"] };
      const heads = { cost: "whole", direct: "direct", path: "by path",
        correct: "samples classified correctly", wrong: "samples classified wrongly" };
      const names = parts[control.split.value];
      const boxes = this.edge < 0 ? [this.lacks()] : names.map((name, at) => make("div", {}, make("p", {}, heads[name]),
        this.plot(Math.floor(width / names.length) - 4, `Cost on edge ${edge}, ${heads[name]}`, x,
          limits.cost, this.lines(name), [Plot.ruleY([0], { stroke: SOFT })],
          at === names.length - 1)));
      this.cost.replaceChildren(
        make("h2", {}, `Cost of each operation on edge ${edge} (nats)`),
        make("div", { class: "charts" }, ...boxes));
    }
    range(names) {
      return names.flatMap((name) => (this.data[name][this.edge] ?? []).flatMap((op) => Array.from(op)))
        .filter(Number.isFinite);
    }
    move(time) {
      const at = this.at(time), { loss, entropy, accuracy } = this.data;
      this.moveCell(at);
      this.moveTable(at);
      const gap = loss[at] - entropy[at];
      this.gap.replaceChildren("loss − entropy is ", make("b", { class: gap > 0 ? "up" : "down" },
        number(gap)), gap > 0 ? ": loss is above" : gap < 0 ? ": loss is below" : "",
        `; accuracy ${number(accuracy[at])}`);
      this.rules.forEach((rule) => rule(time));
    }
  }

  // Red as lines, so that it is told from blue without colour.
  const hatch = d3.create("svg").attr("width", 0).attr("height", 0).attr("aria-hidden", true)
    .style("position", "absolute");
  const pattern = hatch.append("defs").append("pattern").attr("id", "above").attr("width", 6)
    .attr("height", 6).attr("patternUnits", "userSpaceOnUse").attr("patternTransform", "rotate(45)");
  pattern.append("rect").attr("width", 6).attr("height", 6).attr("fill", "#f6d5d2");
  pattern.append("rect").attr("width", 2.2).attr("height", 6).attr("fill", UP);
  document.body.append(hatch.node());

  // What panels share: one axis of time, and each chart's limits.
  const shown = () => panels.slice(0, control.compare.checked ? 2 : 1);
  const end = () => d3.max(shown(), (panel) => d3.max(panel.data.x[control.axis.value])) || 1;
  const time = () => Number(control.time.value) / 1000 * end();
  function robust(values) {
    const sorted = d3.sort(values);
    let [low, high] = [d3.quantileSorted(sorted, 0.005) ?? 0, d3.quantileSorted(sorted, 0.995) ?? 1];
    if (!(high > low)) [low, high] = [low - 0.5, high + 0.5];
    const pad = 0.05 * (high - low);
    return [low - pad, high + pad];
  }
  function charts() {
    const parts = { total: ["cost"], way: ["direct", "path"], outcome: ["correct", "wrong"] };
    const costs = shown().flatMap((panel) => panel.range(parts[control.split.value]));
    const entropy = shown().flatMap((p) => [...p.data.loss, ...p.data.entropy]).filter(Number.isFinite);
    const likeliest = d3.max(shown(), (panel) => d3.max(panel.range(["probability"]))) || 1;
    const limits = { cost: robust([...costs, 0]), entropy: robust(entropy),
      probability: [0, Math.min(1, 1.1 * likeliest)] };
    shown().forEach((panel) => panel.drawCharts([0, end()], limits));
    moment();
  }
  function moment() {
    const now = time(), axis = control.axis.value;
    shown().forEach((panel) => panel.move(now));
    const text = axis === "step" ? `step ${Math.round(now)}` : axis === "epoch"
      ? `epoch ${now.toFixed(1)}` : `${Math.round(100 * now)}% of the search`;
    control.now.textContent = text;
    control.time.setAttribute("aria-valuetext", text);
  }
  function setTime(value) {
    control.time.value = Math.round(1000 * Math.max(0, Math.min(1, value / end())));
    moment();
  }
  function choose(edge) {
    control.edge.value = edge;
    charts();
  }
  async function show() {
    control.panels.classList.toggle("two", control.compare.checked);
    // Only where it changes: a control that is moved loses the focus.
    if (control.panels.childElementCount !== shown().length)
      control.panels.replaceChildren(...shown().map((panel) => panel.node));
    await Promise.all(shown().map((panel) => panel.load()));
    const all = shown().map((panel) => panel.shown.edges);
    const edges = d3.sort(distinct(all.flat()), ...[1, 0].map((end) => (edge) => Number(edge.split("-")[end])));
    const common = edges.filter((edge) => all.every((each) => each.includes(edge)));
    const before = control.edge.value;
    control.edge.replaceChildren(...edges.map((edge) => option(edge, edge.replace("-", " → "))));
    control.edge.value = edges.includes(before) ? before : (common.at(-1) ?? edges.at(-1));
    for (const panel of shown()) {
      const { shown: s } = panel;
      panel.about.textContent = `${s.search}: ${s.words}; ${s.cells} cell${s.cells > 1 ? "s" : ""}, ${s.edges.length} edges, `
        + `of which ${s.kept} are kept at the end; ${s.windows} windows`;
      panel.drawCell();
    }
    charts();
  }

  let timer = null;
  function play() {
    if (timer) { clearInterval(timer); timer = null; }
    else {
      if (Number(control.time.value) >= 1000) control.time.value = 0;
      timer = setInterval(() => {
        control.time.value = Math.min(1000, Number(control.time.value) + 5);
        moment();
        if (Number(control.time.value) >= 1000) play();
      }, 50);
    }
    control.play.textContent = timer ? "Pause" : "Play";
  }
  control.play.addEventListener("click", play);
  control.time.addEventListener("input", moment);
  control.edge.addEventListener("change", charts);
  control.split.addEventListener("change", charts);
  control.axis.addEventListener("change", charts);
  control.compare.addEventListener("change", show);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inside = event.target.closest && event.target.closest("select, button, .edge, [type=checkbox]");
    const turn = (by) => {
      const count = control.edge.options.length;
      control.edge.selectedIndex = (control.edge.selectedIndex + by + count) % count;
      charts();
    };
    if (event.key === " " && !inside) { event.preventDefault(); play(); }
    else if (event.key === "[") turn(-1);
    else if (event.key === "]") turn(1);
    else if (event.key === "c" && !(event.target.tagName === "SELECT")) {
      control.compare.checked = !control.compare.checked;
      show();
    } else if ((event.key === "ArrowLeft" || event.key === "ArrowRight")
      && !inside && event.target !== control.time) {
      control.time.value = Number(control.time.value) + (event.key === "ArrowLeft" ? -5 : 5);
      moment();
    }
  });
  let waiting = null;
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(charts, 150); });

  // `#CONDITION` or `#SEARCH` opens it; a second, after a comma, is put beside it.
  const asked = decodeURIComponent(location.hash.slice(1)).split(",");
  const named = (name) => searches.find((s) => s.search === name || s.condition === name);
  const start = named(asked[0]) || searches[0];
  const other = named(asked[1]) || searches.find((s) => s.condition !== start.condition) || searches[searches.length - 1];
  panels.push(new Panel(start), new Panel(other));
  control.compare.checked = Boolean(named(asked[1]));
  if (searches.length < 2) control.compare.parentElement.hidden = true;
  await show();
  document.body.dataset.ready = "yes";
})();
