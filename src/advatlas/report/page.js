"use strict";
// The page of a study. The data are one JSON object, compressed; everything else is drawn from it.
(async () => {
  const $ = (id) => document.getElementById(id);
  const packed = Uint8Array.from(atob($("data").textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(stream).json();
  const models = data.models, names = models.map((m) => m.name), n = names.length;
  const percent = (x, digits = 1) => (100 * x).toFixed(digits) + "%";

  // Wilson's score interval, as in the tables.
  function wilson(count, of) {
    const z = 1.959963984540054, p = count / of, d = 1 + (z * z) / of;
    const centre = (p + (z * z) / (2 * of)) / d;
    const half = (z / d) * Math.sqrt((p * (1 - p)) / of + (z * z) / (4 * of * of));
    return [count === 0 ? 0 : centre - half, count === of ? 1 : centre + half];
  }

  // ---- light and dark
  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  function rgb(share) {
    const stops = data.palette, last = stops.length - 1;
    const at = Math.max(0, Math.min(1, dark() ? 1 - share : share)) * last, low = Math.min(last - 1, Math.floor(at));
    return stops[low].map((v, i) => Math.round(v + (at - low) * (stops[low + 1][i] - v)));
  }
  const inkOn = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#111" : "#fff");

  // ---- the matrix
  const controls = {};
  for (const id of ["attack", "goal", "setting", "measure", "denominator", "precision", "fit", "order"]) controls[id] = $(id);
  const state = {};
  function offer(id, options, keep) {
    const select = controls[id], before = keep ?? state[id];
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    state[id] = options.some(([value]) => value === before) ? before : options[0][0];
    select.value = state[id];
    select.parentElement.hidden = options.length < 2 && ["goal", "fit", "precision", "setting"].includes(id);
  }
  const unique = (list) => [...new Set(list)];
  const settingsNow = () => data.settings.filter((s) => s.attack === state.attack && s.goal === state.goal);
  function offers(from) {
    const first = from === "start" ? data.settings[data.first] : {};
    if (from === "start") offer("attack", unique(data.settings.map((s) => s.attack)).map((a) => [a, data.attack_names[a]]), first.attack);
    const goals = unique(data.settings.filter((s) => s.attack === state.attack).map((s) => s.goal));
    if (["start", "attack"].includes(from)) offer("goal", goals.map((g) => [g, data.goal_names[g]]), first.goal);
    if (["start", "attack", "goal"].includes(from)) offer("setting", settingsNow().map((s) => [s.name, s.title]), first.name);
    const cells = data.matrix[state.setting];
    offer("fit", Object.keys(cells).map((f) => [f, f]));
    const measures = Object.keys(cells[state.fit]);
    // Another goal has another rate: the first, which is the one it is about.
    const anew = ["start", "attack", "goal"].includes(from);
    offer("measure", measures.map((m) => [m, data.measure_names[m] ?? m]), anew ? measures[0] : state.measure);
    offer("precision", Object.keys(cells[state.fit][state.measure]).map((p) => [p, data.precision_names[p]]));
    offer("denominator", Object.keys(cells[state.fit][state.measure][state.precision]).map((d) => [d, data.denominator_names[d]]));
    if (from === "start") offer("order", Object.entries(data.order_names));
  }
  const chosen = () => data.matrix[state.setting][state.fit][state.measure][state.precision][state.denominator];
  function order() {
    if (state.order === "clustering") return data.clusterings[state.setting];
    return data.orders[state.order];
  }
  let table, focused = [0, 0];
  function build() {
    table = document.createElement("table");
    table.className = "grid";
    table.setAttribute("role", "grid");
    table.setAttribute("aria-label", "Transfer matrix");
    const head = table.createTHead().insertRow();
    head.append(document.createElement("th"));
    for (let c = 0; c < n; c++) {
      const th = document.createElement("th");
      th.scope = "col";
      th.append(document.createElement("div"));
      head.append(th);
    }
    const body = table.createTBody();
    for (let r = 0; r < n; r++) {
      const row = body.insertRow(), th = document.createElement("th");
      th.scope = "row";
      row.append(th);
      for (let c = 0; c < n; c++) {
        const cell = row.insertCell();
        cell.tabIndex = r || c ? -1 : 0;
        cell.dataset.at = r + "," + c;
        cell.setAttribute("role", "gridcell");
      }
    }
    $("matrix-table").replaceChildren(table);
  }
  const rateAt = (i) => { const { count, of } = chosen(); return of[i] ? count[i] / of[i] : NaN; };
  function draw() {
    const places = order(), { count, of } = chosen(), sum = [0, 0];
    const heads = table.tHead.rows[0].cells;
    let top = 0;
    for (let i = 0; i < n * n; i++) if (of[i]) top = Math.max(top, count[i] / of[i]);
    const scale = top > 0.5 ? 1 : Math.max(0.1, Math.ceil(top * 10) / 10);
    places.forEach((target, c) => {
      heads[c + 1].firstChild.textContent = names[target];
      heads[c + 1].classList.toggle("out", models[target].excluded);
    });
    places.forEach((source, r) => {
      const row = table.tBodies[0].rows[r];
      row.cells[0].textContent = names[source];
      row.cells[0].classList.toggle("out", models[source].excluded);
      places.forEach((target, c) => {
        const cell = row.cells[c + 1], i = source * n + target, none = !of[i];
        cell.className = (none ? "none" : "") + (source === target ? " own" : "");
        if (none) {
          cell.textContent = "✕";
          cell.style.background = cell.style.color = "";
        } else {
          const share = count[i] / of[i], colour = rgb(share / scale);
          cell.textContent = Math.round(100 * share);
          cell.style.background = `rgb(${colour})`;
          cell.style.color = inkOn(colour);
          if (source !== target) { sum[0] += share; sum[1] += 1; }
        }
        cell.setAttribute("aria-label", `${names[source]} to ${names[target]}: ${none ? "nothing" : percent(count[i] / of[i], 0)}`);
      });
    });
    const stops = Array.from({ length: 11 }, (_, k) => `rgb(${rgb(k / 10)})`);
    $("ramp").style.background = `linear-gradient(90deg, ${stops})`;
    document.querySelector(".legend span:nth-child(3)").textContent = percent(scale, 0);
    const mean = sum[1] ? `mean over ${sum[1]} pairs of different models ${percent(sum[0] / sum[1])}` : "no pair of different models";
    $("matrix-summary").textContent = `${data.settings.find((s) => s.name === state.setting).title}: ${mean}.`;
  }
  function pairOf(cell) {
    const [r, c] = cell.dataset.at.split(",").map(Number), places = order();
    return [places[r], places[c]];
  }
  function describe(source, target) {
    const { count, of } = chosen(), i = source * n + target;
    if (!of[i]) return "no image";
    const [low, high] = wilson(count[i], of[i]);
    return `${percent(count[i] / of[i])} [${percent(low)}, ${percent(high)}], ${count[i]} of ${of[i]}`;
  }
  const tip = $("tip");
  function showTip(cell) {
    const [source, target] = pairOf(cell), box = cell.getBoundingClientRect();
    tip.textContent = `${names[source]} → ${names[target]}: ${describe(source, target)}`;
    tip.hidden = false;
    const width = tip.offsetWidth;
    tip.style.left = Math.max(4, Math.min(innerWidth - width - 4, box.left)) + "px";
    tip.style.top = (box.bottom + 40 > innerHeight ? box.top - tip.offsetHeight - 4 : box.bottom + 4) + "px";
  }
  const cellOf = (event) => event.target.closest("td[data-at]");
  const box = $("matrix-table");
  box.addEventListener("mouseover", (e) => { const cell = cellOf(e); if (cell) showTip(cell); });
  box.addEventListener("mouseleave", () => { tip.hidden = true; });
  box.addEventListener("focusin", (e) => { const cell = cellOf(e); if (cell) showTip(cell); });
  box.addEventListener("focusout", () => { tip.hidden = true; });
  box.addEventListener("click", (e) => { const cell = cellOf(e); if (cell) openPair(...pairOf(cell)); });
  box.addEventListener("keydown", (e) => {
    const cell = cellOf(e);
    if (!cell) return;
    const [r, c] = cell.dataset.at.split(",").map(Number);
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -c], End: [0, n - 1 - c] }[e.key];
    if (e.key === "Enter" || e.key === " ") { e.preventDefault(); openPair(...pairOf(cell)); return; }
    if (!step) return;
    e.preventDefault();
    const next = [Math.max(0, Math.min(n - 1, r + step[0])), Math.max(0, Math.min(n - 1, c + step[1]))];
    cell.tabIndex = -1;
    const to = table.tBodies[0].rows[next[0]].cells[next[1] + 1];
    to.tabIndex = 0;
    to.focus();
  });

  // ---- one pair
  const kind = (text) => (text.startsWith("iVBOR") ? "image/png" : "image/webp");
  const picture = (text, alt) => Object.assign(new Image(), { src: `data:${kind(text)};base64,${text}`, alt });
  const element = (tag, text, name) => { const made = document.createElement(tag); made.textContent = text ?? ""; if (name) made.className = name; return made; };
  function said(parent, who, answer, confidence, wrong, extra) {
    const line = element("p", "", "said");
    line.append(`${who} says `, element("span", answer, wrong ? "wrong" : ""), ` (${percent(confidence, 0)})${extra ?? ""}`);
    parent.append(line);
  }
  function openPair(source, target) {
    tip.hidden = true;
    const key = state.setting + "|" + names[source], rows = data.gallery[key] ?? [];
    $("pair-title").textContent = source === target ? `${names[source]}, attacked itself` : `${names[source]} → ${names[target]}`;
    const title = data.settings.find((s) => s.name === state.setting).title;
    const back = source === target ? "" : ` The other way: ${describe(target, source)}.`;
    $("pair-rates").textContent = `${title}: ${describe(source, target)}.${back}`;
    const images = $("pair-images");
    images.replaceChildren();
    for (const row of rows) {
      const block = element("div", "", "example");
      block.append(picture(data.originals[row.o], "original"), picture(row.p, "perturbation, magnified"), picture(row.a, "adversarial image"));
      block.append(element("p", `original: ${data.classes[row.label]}`), element("p", `perturbation, magnified; L∞ ${row.linf.toPrecision(2)}, L2 ${row.l2.toPrecision(2)}`));
      block.append(element("p", row.target === null ? "adversarial" : `adversarial, towards ${data.classes[row.target]}`));
      said(block, names[source], data.classes[row.said], row.confidence, row.said !== row.label, row.success ? "" : ": the attack failed");
      const answer = source === target ? null : (data.answers[key] ?? {})[row.id]?.[target];
      if (answer) said(block, names[target], data.classes[answer[0]], answer[1], answer[0] !== row.label, answer[2] ? "" : "; it gets the original wrong as well");
      images.append(block);
    }
    if (!rows.length) images.append(element("p", "No image of this source was attacked with this setting."));
    $("pair").showModal();
  }
  $("pair").addEventListener("click", (e) => { if (e.target === $("pair")) $("pair").close(); });

  // ---- sortable tables
  for (const sortable of document.querySelectorAll("table.sortable")) {
    [...sortable.tHead.rows[0].cells].forEach((th, column) => {
      const button = element("button", th.textContent);
      button.type = "button";
      th.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = th.getAttribute("aria-sort") === "descending";
        for (const other of sortable.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        th.setAttribute("aria-sort", down ? "ascending" : "descending");
        const value = (row) => { const v = row.cells[column].dataset.value ?? row.cells[column].textContent; return v === "" || isNaN(v) ? v : Number(v); };
        const compare = (a, b) => { const [x, y] = [value(a), value(b)]; if (x === "") return 1; if (y === "") return -1; return (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y))) * (down ? 1 : -1); };
        sortable.tBodies[0].append(...[...sortable.tBodies[0].rows].sort(compare));
      });
    });
  }

  // ---- charts
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const layout = (extra) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: css("--ink"), family: "system-ui, sans-serif", size: 13 },
    margin: { l: 60, r: 15, t: 10, b: 50 }, hovermode: "closest", colorway: data.colours, legend: { orientation: "h", y: -0.22 }, ...extra,
  });
  const axis = (title, extra) => ({ title: { text: title }, gridcolor: css("--line"), zerolinecolor: css("--line"), automargin: true, ...extra });
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  const select = (id, options, change) => {
    const made = $(id);
    made.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    made.addEventListener("change", change);
    return made;
  };
  const errors = (value, low, high, shown) => ({ type: "data", symmetric: false, array: high.map((h, i) => h - value[i]), arrayminus: low.map((l, i) => value[i] - l), thickness: 1, width: 3, visible: shown ?? true });
  function drawRobustness() {
    const measure = data.robustness[$("robustness-measure").value], families = unique(models.map((m) => m.family));
    const traces = families.map((family, f) => {
      const at = models.map((_, i) => i).filter((i) => models[i].family === family && !models[i].excluded && measure.value[i] !== null);
      return {
        type: "scatter", mode: "markers+text", name: family, text: at.map((i) => names[i]), textposition: "top center", textfont: { size: 10 },
        x: at.map((i) => 100 * models[i].accuracy), y: at.map((i) => measure.value[i]), marker: { size: 11, symbol: f % 8, color: data.colours[f % data.colours.length] },
        error_y: errors(at.map((i) => measure.value[i]), at.map((i) => measure.low[i]), at.map((i) => measure.high[i])),
        customdata: at.map((i) => [measure.low[i], measure.high[i], measure.n[i]]),
        hovertemplate: "%{text}<br>accuracy %{x:.1f}%<br>%{y:.4g} [%{customdata[0]:.4g}, %{customdata[1]:.4g}], n = %{customdata[2]}<extra></extra>",
      };
    });
    const points = models.map((m, i) => [m.accuracy, measure.value[i]]).filter(([, y], i) => y !== null && !models[i].excluded);
    const front = points.filter(([a, y]) => !points.some(([b, z]) => b >= a && z >= y && (b > a || z > y))).sort((p, q) => p[0] - q[0]);
    traces.push({ type: "scatter", mode: "lines", name: "frontier", x: front.map((p) => 100 * p[0]), y: front.map((p) => p[1]), line: { color: css("--soft"), dash: "dot", shape: "hv" }, hoverinfo: "skip" });
    Plotly.react("robustness-plot", traces, layout({ xaxis: axis("accuracy on clean images [%]"), yaxis: axis(measure.title) }), config);
    $("robustness-text").textContent = measure.text;
  }
  function drawAttacks() {
    const measure = data.comparison[$("attack-measure").value], at = data.settings.map((_, i) => i).filter((i) => measure.value[i] !== null);
    Plotly.react("attack-plot", [{
      type: "bar", orientation: "h", y: at.map((i) => data.settings[i].title), x: at.map((i) => measure.value[i]),
      marker: { color: at.map((i) => data.colours[unique(data.settings.map((s) => s.attack)).indexOf(data.settings[i].attack) % data.colours.length]) },
      error_x: measure.low ? errors(at.map((i) => measure.value[i]), at.map((i) => measure.low[i]), at.map((i) => measure.high[i])) : undefined,
      hovertemplate: "%{y}<br>%{x:.4g}<extra></extra>",
    }], layout({ xaxis: axis(measure.title, { type: measure.log ? "log" : "linear" }), yaxis: { automargin: true, autorange: "reversed" }, height: Math.max(300, 90 + 24 * at.length) }), config);
    $("attack-plot").style.height = Math.max(300, 90 + 24 * at.length) + "px";
  }
  function drawTraining() {
    const key = $("training-measure").value;
    const traces = data.training.map((t, i) => ({ type: "scatter", mode: "lines+markers", name: t.model, x: t.epoch, y: t[key], line: { color: data.colours[i % data.colours.length], dash: ["solid", "dash", "dot"][Math.floor(i / data.colours.length) % 3] }, marker: { size: 5 } }));
    Plotly.react("training-plot", traces, layout({ xaxis: axis("epoch", { dtick: data.training[0]?.epoch.length > 12 ? undefined : 1 }), yaxis: axis(data.training_names[key]) }), config);
  }
  function drawCost() {
    const c = data.cost;
    Plotly.react("cost-plot", [
      { type: "bar", name: "measured", x: c.stage, y: c.measured, marker: { color: data.colours[0] } },
      { type: "bar", name: "estimated, at most", x: c.stage, y: c.estimated, marker: { color: data.colours[1] } },
    ], layout({ barmode: "group", xaxis: { automargin: true }, yaxis: axis("seconds", { type: "log" }) }), config);
  }
  function charts() {
    drawRobustness();
    drawAttacks();
    if (data.training.length) drawTraining();
    drawCost();
  }

  offers("start");
  build();
  draw();
  for (const [id, control] of Object.entries(controls)) {
    control.addEventListener("change", () => {
      state[id] = control.value;
      offers(id);
      draw();
    });
  }
  select("robustness-measure", data.robustness.map((m, i) => [i, m.title]), drawRobustness);
  select("attack-measure", data.comparison.map((m, i) => [i, m.title]), drawAttacks);
  if (data.training.length) select("training-measure", Object.entries(data.training_names), drawTraining);
  $("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    draw();
    charts();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { draw(); charts(); });
  // The charts are below the first screen: the matrix is painted before they are drawn.
  requestAnimationFrame(() => setTimeout(() => { charts(); document.documentElement.dataset.ready = "yes"; }, 0));
})();
