// Draws the charts, sorts tables, saves them, and links what is chosen; the fragment of the address keeps the view.
"use strict";
{
  const given = JSON.parse(document.getElementById("charts").textContent);
  const views = new Map();
  const explorers = new Map();
  let state = new URLSearchParams(location.hash.slice(1));

  const keep = () => history.replaceState(null, "", "#" + state);
  const chosen = () => Object.fromEntries(given.fields.map((field) => [field, state.getAll(field)]));

  async function draw(id, spec) {
    const { view } = await vegaEmbed("#" + id, spec, {
      mode: "vega-lite", ast: true, actions: false, renderer: "svg", defaultStyle: false, config: given.config,
    });
    const { field } = document.getElementById(id).dataset;
    views.set(id, view);
    view.addEventListener("click", (event, item) => {
      if (field && item?.datum?.[field]) toggle(field, item.datum[field]);
    });
    await view.signal("chosen", chosen()).runAsync();
  }

  // a chart that was drawn in a closed fold had no width
  for (const fold of document.querySelectorAll("details"))
    fold.addEventListener("toggle", () => dispatchEvent(new Event("resize")));

  function toggle(field, name) {
    const names = state.getAll(field);
    state.delete(field);
    const others = names.filter((other) => other !== name);
    for (const one of others.length < names.length ? others : [...names, name]) state.append(field, one);
    keep();
    show();
  }

  function show() {
    const now = chosen();
    for (const button of document.querySelectorAll("button[data-name]"))
      button.setAttribute("aria-pressed", now[button.dataset.field].includes(button.dataset.name));
    for (const view of views.values()) view.signal("chosen", now).runAsync();
  }

  for (const button of document.querySelectorAll("button[data-name]"))
    button.addEventListener("click", () => toggle(button.dataset.field, button.dataset.name));

  function sortBy(head, column) {
    const rising = head.getAttribute("aria-sort") !== "ascending";
    const body = head.closest("table").tBodies[0];
    const value = (row) => {
      const text = row.cells[column].textContent.trim();
      if (!head.classList.contains("number")) return text;
      return parseFloat(/-?\d[\d,.]*(e[-+]?\d+)?/.exec(text)?.[0].replaceAll(",", ""));
    };
    const empty = (one) => one === "" || Number.isNaN(one); // stays last either way
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort(([a], [b]) => empty(a) - empty(b)
      || (rising ? 1 : -1) * (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b || 0));
    body.append(...rows.map(([, row]) => row));
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  }

  for (const head of document.querySelectorAll("table.sortable thead th")) {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(head, head.cellIndex));
    head.append(button);
  }

  for (const button of document.querySelectorAll("button[data-csv]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([button.nextElementSibling.textContent], { type: "text/csv" }));
      link.download = button.dataset.csv.replace(/\W+/g, "-").toLowerCase() + ".csv";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  // An explorer: two measures of rows against each other, as its select boxes and its slider say.
  function explore(id) {
    const { rows, measures, stops, limit, across, tips } = given.explorers[id];
    const form = document.getElementById(id).closest("figure").querySelector("form");
    const spec = given.charts[id];
    const read = () => Object.fromEntries([...new FormData(form)]);
    const restore = () => {
      for (const box of form.elements) if (box.name) {
        const value = state.get(box.name) ?? box.dataset.start;
        box.value = box.options && ![...box.options].some((one) => one.value === value) ? box.dataset.start : value;
      }
    };
    const place = ({ x, y, slo, ...equal }) => {
      const most = stops[slo] ?? Infinity;
      const kept = rows.filter((row) => row.own
        || Object.entries(equal).every(([key, value]) => !value || String(row[key]) === value));
      const [toX, toY] = [x, y].map((key) => (row) => row[key] == null ? NaN : row[key] * measures[key].factor);
      const whole = kept.map((row) => ({ ...row, x: toX(row), y: toY(row) })).filter((row) => row.x > 0 && row.y > 0);
      const found = whole.filter((row) => !(row[limit] > most));
      const less = (a, b, key) => (measures[key].more ? b > a : a < b);
      const beats = (a, b) => !less(b.x, a.x, x) && !less(b.y, a.y, y) && (a.x !== b.x || a.y !== b.y);
      for (const row of found) row.beaten = found.some((other) => beats(other, row));
      const front = found.filter((row) => !row.beaten).sort((a, b) => a.x - b.x);
      front.forEach((row, at) => { row.label = front.findIndex((one) => one.backend === row.backend) === at ? row.backend : ""; });
      return [found, whole];
    };
    const update = async (redraw) => {
      const now = read();
      const [found, whole] = place(now);
      form.querySelector("output").textContent = stops[now.slo] === undefined ? "any" : `${stops[now.slo]} s`;
      form.querySelector("p").textContent = found.length ? "" : "No row has a place here.";
      if (!redraw && views.has(id)) return views.get(id).data("rows", found).runAsync();
      const lines = across[now.y] ?? [];
      const domain = (key) => {
        const ends = [...whole, ...lines].map((row) => row[key]).filter((value) => value > 0);
        return ends.length ? [Math.min(...ends) / 1.3, Math.max(...ends) * 1.3] : [1, 10];
      };
      spec.datasets = { rows: found, across: lines.map((line) => ({ ...line, x: domain("x")[0] })) };
      for (const part of spec.layer) for (const key of ["x", "y"]) if (part.encoding[key]) {
        part.encoding[key].title = measures[now[key]].title;
        part.encoding[key].scale.domain = domain(key);
        if (part.mark.interpolate) part.mark.interpolate = measures[now.x].more ? "step-before" : "step-after";
      }
      return draw(id, spec);
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => {
      if (!event.target.name) return;
      state.set(event.target.name, event.target.value);
      keep();
      update(event.target.name !== "slo");
    });
    // Results of runs that the reader has, which stay in the browser.
    form.querySelector("[type=file]").addEventListener("change", async ({ target }) => {
      try {
        for (const file of target.files) for (const row of JSON.parse(await file.text()).rows) {
          const own = { backend: String(row.backend), own: true, wer: row.wer, window_s: row.window_s,
            span_s: row.plan?.span_s, streams: parseInt(row.load, 10), latency_p50_s: row.latency?.p50_s,
            latency_p95_s: row.latency?.p95_s, latency_p99_s: row.latency?.p99_s };
          for (const [tip, key] of Object.entries(tips))
            own[tip] = own[key] == null ? "-" : String(measures[key] ? own[key] * measures[key].factor : own[key]);
          rows.push(own);
        }
        await update(true);
      } catch { form.querySelector("p").textContent = "That is not the results.json of a run."; }
    });
    explorers.set(id, () => { restore(); return update(true); });
    restore();
    return update(true);
  }

  addEventListener("hashchange", () => {
    state = new URLSearchParams(location.hash.slice(1));
    show();
    for (const again of explorers.values()) again();
  });
  show();
  const drawn = Object.entries(given.charts).map(([id, spec]) => (id in given.explorers ? explore(id) : draw(id, spec)));
  Promise.all(drawn).then(() => {
    performance.mark("drawn");
    document.documentElement.setAttribute("data-drawn", "");
  });
}
