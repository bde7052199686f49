// From the map to the cause: time slider, elements, caps, and what the assets then did.
"use strict";
(() => {
  const { resolve, raw, number, announce, download, element } = Quartier;
  const figures = Quartier.figures;
  const model = resolve(raw.model);
  const id = (name) => document.getElementById(name);
  const state = { step: model.worst, element: null, measure: null };
  const elementOf = new Map(model.elements.labels.map((label, i) => [label, i]));
  const busOf = new Map(model.buses.labels.map((label, i) => [label, i]));
  const [slider, play] = [id("time"), id("play")];
  const utc = (iso) => iso.slice(0, 16).replace("T", " ");
  const stepAt = new Map(model.times.map((time, i) => [Date.parse(`${time}Z`) / 1000, i]));
  const measures = prepared(model.measures);

  function prepared(columns) {
    if (!columns.time_s) return [];
    return Array.from(columns.time_s, (time_s, i) => ({
      i, time_s, time: new Date(time_s * 1000).toISOString().slice(0, 19), step: stepAt.get(time_s),
      asset: columns.asset.names[columns.asset.codes[i]], element: columns.element.names[columns.element.codes[i]],
      preventive: Boolean(columns.preventive[i]), consumption: Boolean(columns.consumption[i]),
      offered: columns.offered_kw[i], p_set: columns.p_set_kw[i], cut: columns.cut_kw[i], sensitivity: columns.sensitivity[i],
      cost: columns.cost_eur[i], result: columns.result_kw[i], gate: columns.gate[i], round: columns.round[i],
    }));
  }

  // -- values -------------------------------------------------------------------------------------
  const isBus = (label) => busOf.has(label);
  const title = (label) => (isBus(label) ? `${label} ${model.buses.names[busOf.get(label)]}` : label);
  const unitOf = (label) => (isBus(label) ? "pu" : "%");
  const valueOf = (label, step) => (isBus(label) ? model.voltage[busOf.get(label)][step] : model.loading[elementOf.get(label)][step]);
  function limits(label) {
    if (isBus(label)) { const b = busOf.get(label); return { "upper limit": model.buses.high[b], "lower limit": model.buses.low[b] }; }
    return { limit: model.elements.limits[elementOf.get(label)] };
  }
  const relative = (label, step) => (valueOf(label, step) / model.elements.limits[elementOf.get(label)]) * 100;
  const shownValue = (label, step) => (isBus(label) ? `${valueOf(label, step).toFixed(4)} pu` : `${valueOf(label, step).toFixed(1)} %`);
  const lineLabels = model.lines.labels;
  const worstAt = (step) => model.elements.labels.map((label) => [label, relative(label, step)]).filter(([, r]) => r > 0).sort((a, b) => b[1] - a[1]);
  const beyond = (b, step) => Math.max(model.voltage[b][step] - model.buses.high[b], model.buses.low[b] - model.voltage[b][step]);
  function criticalBuses(step) {
    const near = model.buses.labels.map((label, b) => [label, beyond(b, step)]).filter(([, excess]) => excess > -2e-4);
    return near.sort((a, b) => b[1] - a[1]).map(([label]) => label);
  }
  // Elements nearest to a limit, the most critical first: lines unless none is near its limit.
  function critical(step) {
    const lines = worstAt(step).slice(0, 5);
    const buses = criticalBuses(step).slice(0, 2);
    const labels = lines.map(([label]) => label);
    return lines.length && lines[0][1] >= 99 ? [...labels, ...buses] : [...buses, ...labels];
  }
  function remark(label, step) {
    if (!isBus(label)) return shownValue(label, step);
    return `${shownValue(label, step)} ${beyond(busOf.get(label), step) > 1e-4 ? "out of band" : "at its limit"}`;
  }

  // -- map --------------------------------------------------------------------------------------------
  const plot = () => id("map").querySelector(".plot");
  function updateMap() {
    const data = plot().data;
    if (!data) return;
    const step = state.step;
    const loading = lineLabels.map((label) => relative(label, step));
    const classes = data.filter((trace) => trace.meta?.role === "lines");
    const parts = classes.map(() => ({ x: [], y: [] }));
    loading.forEach((value, i) => {
      const found = classes.findIndex((trace) => (Number.isFinite(value) ? value : 0) < trace.meta.up_to);
      const part = parts[found < 0 ? classes.length - 1 : found];
      part.x.push(...model.lines.x[i], null);
      part.y.push(...model.lines.y[i], null);
    });
    classes.forEach((trace, i) => Object.assign(trace, parts[i]));
    const by = (role) => data.find((trace) => trace.meta?.role === role);
    const texts = lineLabels.map((label) => `${label}: ${shownValue(label, step)}`);
    const hits = by("hits");
    hits.text = Array.from({ length: hits.x.length }, (_, i) => texts[i % texts.length]);
    const transformers = by("transformers");
    if (transformers) {
      const own = model.transformers.map((label) => `${label}: ${shownValue(label, step)}`);
      transformers.text = transformers.meta.together ? own.map(() => own.join("<br>")) : own;
    }
    updateBuses(by("buses"), step);
    Object.assign(by("chosen"), outline(state.element));
    const { layout } = plot();
    layout.datarevision = (layout.datarevision || 0) + 1;
    Plotly.react(plot(), data, layout);
  }
  function updateBuses(trace, step) {
    const position = model.buses.labels.map((_, b) => (model.voltage[b][step] - model.buses.low[b]) / (model.buses.high[b] - model.buses.low[b]));
    const symbols = position.map((p) => (p < 0 ? "triangle-down" : p > 1 ? "triangle-up" : "circle"));
    Object.assign(trace.marker, { color: position, symbol: symbols, size: symbols.map((s) => (s === "circle" ? trace.meta.size : 14)) });
    trace.text = model.buses.labels.map((label, b) => `${title(label)}: ${shownValue(label, step)} (band ${model.buses.low[b].toFixed(3)} to ${model.buses.high[b].toFixed(3)})`);
  }
  function outline(label) {
    const line = lineLabels.indexOf(label);
    if (line >= 0) return { x: model.lines.x[line], y: model.lines.y[line] };
    if (isBus(label)) { const b = busOf.get(label); const [x, y] = [model.buses.x[b], model.buses.y[b]]; return { x: [x, x], y: [y, y], mode: "lines+markers", marker: { size: 26, color: "#cc79a7" } }; }
    return { x: [], y: [] };
  }

  // -- time -----------------------------------------------------------------------------------------------
  function setStep(step) {
    state.step = Math.max(0, Math.min(model.times.length - 1, step));
    slider.value = state.step;
    const text = `${utc(model.times[state.step])} UTC`;
    slider.setAttribute("aria-valuetext", text);
    id("time-text").textContent = text;
    id("map-title").textContent = `Grid at ${text}`;
    updateMap();
    showWorst();
    if (state.element) showElement();
    if (state.measure) refreshMeasure();
    if (id("measures-step")?.checked) showMeasures();
    moveCursors();
  }
  function moveCursors() {
    const at = model.times[state.step];
    const shape = { type: "line", x0: at, x1: at, yref: "paper", y0: 0, y1: 1, line: { color: "#1a1a1a", width: 1.5, dash: "dot" } };
    for (const figure of document.querySelectorAll("#loading, #element, .asset-figure:not([hidden]) figure")) {
      if (figure.dataset.drawn) Plotly.relayout(figure.querySelector(".plot"), { shapes: [shape] });
    }
  }
  let timer = null;
  function running(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => (state.step >= model.times.length - 1 ? running(false) : setStep(state.step + 1)), figures.still ? 1000 : 300) : null;
    play.setAttribute("aria-pressed", String(on));
    play.textContent = on ? "❚❚ Pause" : "▶ Play";
  }

  // -- elements ----------------------------------------------------------------------------------------------
  function pick(text, value, onClick, current) {
    const button = element("button", { type: "button" }, element("span", {}, text), element("span", {}, value));
    if (current) button.setAttribute("aria-current", "true");
    button.addEventListener("click", onClick);
    return element("li", {}, button);
  }
  function showWorst() {
    const focused = document.activeElement?.closest("#worst button") && Array.from(id("worst").querySelectorAll("button")).indexOf(document.activeElement);
    id("worst").replaceChildren(...critical(state.step).map((label) => pick(title(label), remark(label, state.step), () => choose(label), label === state.element)));
    if (typeof focused === "number" && focused >= 0) id("worst").querySelectorAll("button")[focused]?.focus();
  }
  function choose(label) {
    state.element = label;
    updateMap();
    showWorst();
    showElement();
    announce(`${title(label)} chosen: ${shownValue(label, state.step)}`);
  }
  function showElement() {
    const label = state.element;
    id("element-name").textContent = title(label);
    const limit = Object.entries(limits(label)).map(([name, value]) => `${name} ${number(value)} ${unitOf(label)}`).join(", ");
    const here = measures.filter((m) => m.element === label);
    const now = here.filter((m) => m.step === state.step);
    id("element-facts").textContent = `${shownValue(label, state.step)} at this step; ${limit}. ` +
      (here.length ? `P_set was set because of it in ${new Set(here.map((m) => m.time_s)).size} steps.` : "No P_set was set because of it in this run.");
    const list = element("ul", { className: "picks" }, ...now.map((m) => pick(`${m.asset}: P_set ${m.consumption ? "at least" : "at most"} ${number(m.p_set)} kW`, m.preventive ? "preventive" : `−${number(m.cut)} kW`, () => chooseMeasure(m), m === state.measure)));
    const extra = [];
    if (now.length) extra.push(element("h4", { className: "sr" }, "P_set at this step"), list);
    else if (here.length) {
      const strongest = here.filter((m) => m.step !== undefined).reduce((a, b) => (b.cut > (a?.cut ?? -1) ? b : a), null);
      if (strongest) {
        const go = element("button", { type: "button" }, `No P_set because of it at this step. Show its strongest: ${utc(strongest.time)} UTC`);
        go.addEventListener("click", () => { setStep(strongest.step); chooseMeasure(strongest); });
        extra.push(go);
      }
    }
    id("element-caps").replaceChildren(...extra);
    fillElementFigure(label);
  }
  function fillElementFigure(label) {
    const figure = id("element");
    const spec = figures.spec("element");
    const values = isBus(label) ? model.voltage[busOf.get(label)] : model.loading[elementOf.get(label)];
    const [first, template] = [spec.data[0], spec.data[1]];
    const series = Object.entries(limits(label)).map(([name, limit]) => ({ ...template, x: model.times, y: model.times.map(() => limit), name, line: { ...template.line, ...model.limit_lines[name] } }));
    spec.data = [{ ...first, x: model.times, y: values, name: title(label) }, ...series];
    spec.layout = { ...spec.layout, meta: { ...spec.layout.meta, unit: unitOf(label) } };
    const rangemode = isBus(label) ? "normal" : "tozero";
    spec.layout.yaxis = { ...spec.layout.yaxis, rangemode, zeroline: !isBus(label), title: { text: isBus(label) ? "voltage (pu)" : "loading (%)" } };
    id("element-title").textContent = `${isBus(label) ? "Voltage" : "Loading"} of ${title(label)}`;
    if (figure.dataset.drawn) {
      figures.redraw(figure);
      moveCursors();
    }
  }

  // -- measures ---------------------------------------------------------------------------------------------------
  function chooseMeasure(measure, block = "nearest") {
    state.measure = measure;
    if (state.element) showElement();
    showMeasure();
    const panel = id("asset-panel");
    panel.scrollIntoView({ block, behavior: figures.still ? "auto" : "smooth" });
    announce(`${measure.asset}: P_set ${number(measure.p_set)} kW, result ${number(measure.result)} kW`);
  }
  // The step has changed: the same asset's cap at the new step, if there is one.
  function refreshMeasure() {
    const same = measures.find((m) => m.step === state.step && m.asset === state.measure.asset && m.consumption === state.measure.consumption);
    if (same) { state.measure = same; showMeasure(); } else hideMeasure();
  }
  function hideMeasure() {
    id("asset-panel").hidden = true;
    for (const box of document.querySelectorAll(".asset-figure")) box.hidden = true;
  }
  function link(head, strong, more = "") { return element("li", {}, element("span", {}, head), element("strong", {}, strong), element("span", {}, more)); }
  function showMeasure() {
    const m = state.measure;
    const side = m.consumption ? "at least" : "at most";
    const slack = m.consumption ? m.result - m.p_set : m.p_set - m.result;
    const kept = slack >= -0.01 ? "P_set is kept" : `${number(-slack)} kW beyond P_set`;
    const known = elementOf.has(m.element) || isBus(m.element);
    const executed = known && m.step !== undefined ? `${shownValue(m.element, m.step)} in the result` : "";
    id("asset-title").textContent = `${m.asset} at ${utc(m.time)} UTC`;
    id("chain").replaceChildren(
      link("Because of", m.element, `${m.preventive ? "kept within its limit by a preventive P_set" : "beyond its limit with what was offered"}${executed ? `; ${executed}` : ""}`),
      link("Sensitivity", `${number(m.sensitivity)} ${m.element.startsWith("bus") ? "pu" : "%"} per MW`, "how much 1 MW of this asset moves it"),
      link("Asset", m.asset, `offered ${number(m.offered)} kW`),
      link("P_set", `${side} ${number(m.p_set)} kW`, m.cut > 0 ? `${number(m.cut)} kW less ${m.consumption ? "drawn" : "fed in"} than offered, ${number(m.cost)} EUR` : "not tighter than the offer"),
      link("Result", `${number(m.result)} kW`, kept),
    );
    id("asset-panel").hidden = false;
    id("reaction").replaceChildren(...reaction(m));
    for (const box of document.querySelectorAll(".asset-figure")) {
      box.hidden = box.dataset.asset !== m.asset;
      if (!box.hidden) setTimeout(() => { figures.draw(box.querySelector("figure")); moveCursors(); });
    }
  }
  function reaction(m) {
    const own = model.reactions[m.asset];
    if (!own) {
      if (model.neighbourhoods.includes(m.asset)) return [element("p", { className: "note" }, "No plans were written from which one could see who reacted.")];
      const less = m.offered - m.result;
      return [element("p", {}, `A plant reacts by curtailment: it offered ${number(m.offered)} kW and fed in ${number(m.result)} kW, ${number(less)} kW less.`)];
    }
    if (m.step === undefined) return [element("p", { className: "note" }, "This step is not among those that the page shows.")];
    const rows = own.groups.map((group, i) => ({ group, first: own.first[i][m.step], last: own.last[i][m.step], done: own.done[i][m.step] }))
      .map((row) => ({ ...row, change: row.last - row.first }));
    rows.sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
    const most = Math.max(1e-9, ...rows.map((row) => Math.abs(row.change) || 0));
    const moved = rows.filter((row) => Math.abs(row.change) > 0.05);
    const text = moved.length ? `Who reacted: ${moved.slice(0, 4).map((row) => `${row.group} ${row.change > 0 ? "+" : "−"}${number(Math.abs(row.change), 4)} kW`).join(", ")}.` : "No unit changed its plan at this step.";
    const cells = (row) => {
      const bar = element("span", { className: row.change < 0 ? "bar minus" : "bar" });
      bar.style.width = `${(Math.abs(row.change || 0) / most) * 90}px`;
      return [element("th", { scope: "row" }, row.group), ...[row.first, row.last, row.change, row.done].map((v) => element("td", { className: "number" }, number(v))), element("td", {}, bar)];
    };
    const head = ["Unit", "Planned when offered (kW)", "Planned under P_set (kW)", "Change (kW)", "Done (kW)", ""].map((name) => element("th", { scope: "col" }, name));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row)))));
    const box = element("div", { className: "scroll", tabIndex: 0, role: "region" }, table);
    box.setAttribute("aria-label", `Who reacted in ${m.asset}`);
    return [element("p", { id: "who-reacted" }, text), box];
  }

  // -- table of all measures ------------------------------------------------------------------------------------------
  const MOST_ROWS = 150;
  function chosenMeasures() {
    const [label, asset, only] = [id("measures-element").value, id("measures-asset").value, id("measures-step").checked];
    return measures.filter((m) => (!label || m.element === label) && (!asset || m.asset === asset) && (!only || m.step === state.step));
  }
  function showMeasures() {
    const rows = chosenMeasures();
    const more = model.measures.total > measures.length ? `; ${model.measures.total - measures.length} smaller ones are in redispatch.csv` : "";
    id("measures-count").textContent = `${Math.min(rows.length, MOST_ROWS)} of ${rows.length} shown${more}`;
    id("measures-rows").replaceChildren(...rows.slice(0, MOST_ROWS).map((m) => {
      const show = element("button", { type: "button" }, "Show");
      show.setAttribute("aria-label", `Show the chain of ${m.asset} at ${utc(m.time)}`);
      show.disabled = m.step === undefined;
      show.addEventListener("click", () => { setStep(m.step); choose(m.element); chooseMeasure(m, "start"); });
      const numbers = [m.offered, m.p_set, m.result, m.cost].map((v) => element("td", { className: "number" }, number(v)));
      return element("tr", {}, element("td", {}, utc(m.time)), element("td", {}, (m.preventive ? "preventive: " : "") + m.element),
        element("td", { className: "number" }, `${number(m.sensitivity, 4)} ${m.element.startsWith("bus") ? "pu" : "%"}/MW`), element("td", {}, m.asset + (m.consumption ? " (consumption)" : "")), ...numbers, element("td", {}, show));
    }));
  }
  function startMeasures() {
    if (!id("measures")) return;
    for (const [name, key] of [["measures-element", "element"], ["measures-asset", "asset"]]) {
      id(name).append(...Array.from(new Set(measures.map((m) => m[key])), (text) => element("option", { value: text }, text)));
      id(name).addEventListener("change", showMeasures);
    }
    id("measures-step").addEventListener("change", showMeasures);
    id("measures-csv").addEventListener("click", () => download("measures", [
      ["time_utc", "gate", "round", "element", "preventive", "sensitivity_percent_or_pu_per_mw", "asset", "side", "offered_kw", "p_set_kw", "result_kw", "cost_eur"],
      ...chosenMeasures().map((m) => [m.time, m.gate, m.round, m.element, m.preventive, m.sensitivity, m.asset, m.consumption ? "consumption" : "feed-in", m.offered, m.p_set, m.result, m.cost]),
    ]));
    showMeasures();
  }

  // -- data of the map: all steps, not only the one that is drawn -----------------------------------------------------------
  Quartier.csvOf = { map: () => [["time_utc", "element", "quantity", "value", "unit"], ...longMap()] };
  function longMap() {
    const round = (value) => Number(value.toPrecision(7));
    const rows = [];
    model.times.forEach((time, step) => {
      for (const label of model.elements.labels) rows.push([time, label, "loading", round(valueOf(label, step)), "%"]);
      for (const label of model.buses.labels) rows.push([time, label, "voltage", round(valueOf(label, step)), "pu"]);
    });
    return rows;
  }

  // -- start ----------------------------------------------------------------------------------------------------------------
  function onPoint(point) {
    const data = point.customdata;
    if (typeof data !== "string") return;
    if (data.startsWith("asset:")) {
      const asset = data.slice(6);
      const found = measures.find((m) => m.asset === asset && m.step === state.step) || measures.filter((m) => m.asset === asset && m.step !== undefined).sort((a, b) => b.cut - a.cut)[0];
      if (!found) { announce(`${asset} has no P_set in this run`); return; }
      if (found.step !== state.step) setStep(found.step);
      choose(found.element);
      chooseMeasure(found);
    } else choose(data);
  }
  function connect() {
    slider.addEventListener("input", () => { running(false); setStep(Number(slider.value)); });
    id("previous").addEventListener("click", () => setStep(state.step - 1));
    id("next").addEventListener("click", () => setStep(state.step + 1));
    id("to-worst").addEventListener("click", () => setStep(model.worst));
    play.addEventListener("click", () => { if (timer === null && state.step >= model.times.length - 1) setStep(0); running(timer === null); });
    id("map").addEventListener("drawn", () => {
      plot().on("plotly_click", (event) => onPoint(event.points[0]));
      plot().addEventListener("pick", (event) => onPoint(event.detail));
      updateMap();
    });
    id("loading")?.addEventListener("drawn", () => {
      const heat = id("loading").querySelector(".plot");
      const jump = (point) => { setStep(model.times.indexOf(String(point.x).replace(" ", "T").padEnd(19, ":00"))); choose(point.y); id("explorer").scrollIntoView({ block: "start" }); };
      heat.on("plotly_click", (event) => jump(heatPoint(event.points[0])));
      heat.addEventListener("pick", (event) => jump(event.detail));
      filterHeat(heat);
      moveCursors();
    });
    id("element").addEventListener("drawn", moveCursors);
  }
  // Of many elements, only the most loaded ones can be shown: they are on top.
  const FEW = 30;
  function filterHeat(heat) {
    const all = model.elements.labels.length;
    if (all <= FEW) return;
    const select = element("select", { id: "loading-filter" }, element("option", { value: all }, `all ${all}`), element("option", { value: FEW }, `the ${FEW} most loaded`));
    select.addEventListener("change", () => {
      Plotly.relayout(heat, { "yaxis.range": [all - Number(select.value) - 0.5, all - 0.5] });
      announce(`${select.selectedOptions[0].textContent} elements are shown`);
    });
    heat.before(element("p", { className: "tools" }, element("label", {}, "Elements ", select)));
  }
  const heatPoint = (point) => (Array.isArray(point.pointNumber) ? { x: model.times[point.pointNumber[1]], y: point.y } : { x: point.x, y: point.y });

  connect();
  startMeasures();
  setStep(model.worst);
  choose(critical(model.worst)[0] ?? lineLabels[0]);
})();
