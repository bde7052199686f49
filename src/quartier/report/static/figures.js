// Figures: drawn when they come into view, with a legend, reading by keyboard, and their data as CSV.
"use strict";
Quartier.figures = (() => {
  const { raw, resolve, number, download, announce, element } = Quartier;
  const coarse = matchMedia("(pointer: coarse)").matches;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const DASH = { solid: "", dash: "7 4", dot: "2 3", dashdot: "7 3 2 3", longdash: "11 4", longdashdot: "11 3 2 3" };
  const TEXTURE = { "/": "M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2", "\\": "M-1,5 l2,2 M0,0 l6,6 M5,-1 l2,2", x: "M0,0 l6,6 M0,6 l6,-6", "-": "M0,3 h6", "|": "M3,0 v6", "+": "M3,0 v6 M0,3 h6", ".": "M2.4,3 h1.3" };
  const SYMBOL = { circle: "●", "circle-open": "○", square: "■", diamond: "◆", "diamond-open": "◇", "square-open": "□", "triangle-up-open": "△", "diamond-tall": "◆", "triangle-up": "▲", "triangle-down": "▼", cross: "✚", x: "✖", star: "★", hexagram: "✶", "star-diamond": "✦", "hexagon2-open": "⬡", "x-thin": "✕" };
  const specs = new Map();

  function spec(name) {
    if (!specs.has(name)) specs.set(name, resolve(raw.figures[name]));
    return specs.get(name);
  }

  function layoutOf(given) {
    const layout = { ...given, title: undefined, showlegend: false, autosize: true };
    layout.margin = { ...given.margin, t: 12, b: given.xaxis?.visible === false ? 8 : 44 };
    if (innerWidth < 640) layout.margin = { ...layout.margin, l: Math.min(layout.margin.l, 44), r: 8 };
    if (coarse) layout.dragmode = false;
    if (innerWidth < 640) layout.font = { ...given.font, size: 11 };
    return layout;
  }

  // On a phone, names on the vertical axis are shortened, as many of them as fit; hovering tells all.
  function narrow(data, layout) {
    if (innerWidth >= 640) return { data, layout };
    const heat = data.some((trace) => trace.type === "heatmap");
    const colorbar = { orientation: "h", x: 0.5, y: 1.01, yanchor: "bottom", thickness: 10, len: 1 };
    const slim = heat ? data.map((trace) => (trace.type === "heatmap" ? { ...trace, colorbar: { ...trace.colorbar, ...colorbar } } : trace)) : data;
    if (layout.yaxis?.type !== "category") return { data: slim, layout };
    const labels = layout.yaxis.categoryarray || Array.from(new Set(data.flatMap((trace) => Array.from(trace.y))));
    const every = Math.ceil((labels.length * 15) / layout.height);
    const tickvals = labels.map((_, i) => i).filter((i) => (labels.length - 1 - i) % every === 0);
    const short = (label) => (/^(line|transformer) \d/.test(label) ? label.split(" ").slice(0, 2).join(" ") : label.length > 15 ? `…${label.slice(-14)}` : label);
    const shortened = { tickvals, ticktext: tickvals.map((i) => short(String(labels[i]))) };
    const yaxis = { ...layout.yaxis, ...(layout.yaxis.ticktext ? {} : shortened) };
    return { data: slim, layout: { ...layout, yaxis, margin: { ...layout.margin, t: heat ? 56 : layout.margin.t } } };
  }

  function draw(figure) {
    if (figure.dataset.drawn) return;
    figure.dataset.drawn = "true";
    const given = spec(figure.dataset.figure);
    const { data, layout } = narrow(given.data, layoutOf(given.layout));
    const plot = figure.querySelector(".plot");
    Plotly.newPlot(plot, data, layout, { displayModeBar: false, responsive: true, doubleClick: "reset", scrollZoom: false });
    legend(figure, plot);
    figure.dispatchEvent(new CustomEvent("drawn"));
    if (!performance.getEntriesByName("first-plot").length) requestAnimationFrame(() => performance.mark("first-plot"));
  }

  // Draws a figure again after its spec was changed.
  function redraw(figure) {
    const { data, layout } = spec(figure.dataset.figure);
    const plot = figure.querySelector(".plot");
    Plotly.react(plot, data, layoutOf(layout));
    figure.querySelector(".legend").replaceChildren();
    legend(figure, plot);
  }

  // -- legend: a button a series; those of one legend group go together --------------------------
  function legend(figure, plot) {
    const box = figure.querySelector(".legend");
    const groups = new Map();
    plot.data.forEach((trace, index) => {
      if (!trace.name || trace.meta?.role === "hits" || trace.meta?.role === "chosen" || trace.type === "heatmap") return;
      const key = trace.legendgroup || `trace ${index}`;
      groups.set(key, [...(groups.get(key) || []), index]);
    });
    for (const indices of groups.values()) box.append(entry(plot, indices));
  }

  function entry(plot, indices) {
    const shown = plot.data[indices[indices.length - 1]];
    const name = indices.length > 1 ? shown.name.replace(/:.*/, "") : shown.name;
    const button = element("button", { type: "button" }, name);
    button.insertAdjacentHTML("afterbegin", swatch(shown));
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      Plotly.restyle(plot, { visible: on ? true : "legendonly" }, indices);
      announce(`${name} is ${on ? "shown" : "hidden"}`);
    });
    return button;
  }

  let textures = 0;
  function swatch(trace) {
    const marker = trace.marker || {};
    const safe = (colour) => (typeof colour === "string" && /^[#(),.\w\s]+$/.test(colour) ? colour : "#666");
    if (trace.type === "bar" || (trace.fill && trace.fillcolor)) {
      const colour = safe(trace.type === "bar" ? marker.color : trace.fillcolor);
      const shape = TEXTURE[marker.pattern?.shape];
      const id = `texture${(textures += 1)}`;
      const lines = shape ? `<pattern id="${id}" width="6" height="6" patternUnits="userSpaceOnUse"><path d="${shape}" stroke="#1a1a1a" stroke-width="1.1" fill="none"/></pattern>` : "";
      return `<svg width="26" height="14" aria-hidden="true">${lines}<rect width="26" height="14" fill="${colour}" stroke="#1a1a1a" stroke-width=".6"/>${shape ? `<rect width="26" height="14" fill="url(#${id})"/>` : ""}</svg>`;
    }
    let inner = "";
    if (/lines/.test(trace.mode || "lines")) {
      const width = Math.min(trace.line?.width || 2, 8);
      inner += `<line x1="1" x2="29" y1="7" y2="7" stroke="${safe(trace.line?.color)}" stroke-width="${width}" stroke-dasharray="${DASH[trace.line?.dash] || ""}"/>`;
    }
    if (/markers/.test(trace.mode || "")) {
      const symbol = Array.isArray(marker.symbol) ? "circle" : marker.symbol || "circle";
      const colour = safe(typeof marker.color === "string" ? marker.color : trace.line?.color || "#666");
      const outlined = marker.line?.width && !symbol.endsWith("-open") ? ' stroke="#1a1a1a" stroke-width=".7"' : "";
      inner += `<text x="15" y="12" text-anchor="middle" font-size="14" fill="${symbol === "x-thin" ? "#666" : colour}"${outlined}>${SYMBOL[symbol] || "●"}</text>`;
    }
    return `<svg width="30" height="15" aria-hidden="true">${inner}</svg>`;
  }

  // -- reading by keyboard ---------------------------------------------------------------------
  const cursors = new WeakMap();
  function readable(plot) {
    return plot.data.map((trace, index) => ({ trace, index }))
      .filter(({ trace }) => trace.visible !== "legendonly" && trace.visible !== false && trace.hoverinfo !== "skip" && lengthOf(trace) > 0);
  }
  function lengthOf(trace) { return trace.type === "heatmap" ? trace.x.length * trace.y.length : (trace.x || trace.y).length; }

  function move(plot, key) {
    const traces = readable(plot);
    if (!traces.length) return;
    const at = cursors.get(plot) || { series: 0, point: -1 };
    if (key === "ArrowDown") at.series += 1;
    if (key === "ArrowUp") at.series -= 1;
    at.series = (at.series + traces.length) % traces.length;
    const { trace, index } = traces[at.series];
    const heat = trace.type === "heatmap";
    const columns = heat ? trace.x.length : 1;
    if (heat && key === "ArrowDown") at.point -= columns;
    if (heat && key === "ArrowUp") at.point += columns;
    if (at.point < 0 && heat) at.point = columns * (trace.y.length - 1);
    else if (key === "ArrowRight") at.point += 1;
    else if (key === "ArrowLeft") at.point -= 1;
    else if (key === "Home") at.point = 0;
    else if (key === "End") at.point = lengthOf(trace) - 1;
    at.point = Math.max(0, Math.min(lengthOf(trace) - 1, at.point));
    cursors.set(plot, at);
    const pointNumber = heat ? [Math.floor(at.point / columns), at.point % columns] : at.point;
    Plotly.Fx.hover(plot, [{ curveNumber: index, pointNumber }]);
    const text = describe(trace, pointNumber, plot.layout.meta?.unit ?? "");
    plot.dataset.reading = text;
    announce(text);
  }

  function describe(trace, point, unit) {
    if (trace.type === "heatmap") return `${trace.y[point[0]]}, ${trace.x[point[1]]}: ${number(trace.z[point[0]][point[1]])} ${unit}`;
    if (trace.meta?.columns) return trace.meta.columns.map((name, i) => `${name} ${shown(trace.customdata[point][i])}`).join(", ");
    const text = Array.isArray(trace.text) ? trace.text[point] : "";
    if (trace.customdata && text) return text;
    const [label, value] = trace.orientation === "h" ? [trace.y[point], trace.x[point]] : [trace.x[point], trace.y[point]];
    return `${trace.name}${text ? `, ${text}` : ""}, ${shown(label)}: ${shown(value)} ${unit}`.trim();
  }
  const shown = (value) => (typeof value === "number" ? number(value) : String(value));

  function onKey(event) {
    const plot = event.currentTarget;
    if (event.key === "Escape") { Plotly.Fx.unhover(plot); cursors.delete(plot); return; }
    if (event.key === "Enter" || event.key === " ") {
      const at = cursors.get(plot);
      if (at) { event.preventDefault(); plot.dispatchEvent(new CustomEvent("pick", { detail: picked(plot, at) })); }
      return;
    }
    if (!/^(Arrow|Home|End)/.test(event.key) || !plot.data) return;
    event.preventDefault();
    move(plot, event.key);
  }
  function picked(plot, at) {
    const { trace } = readable(plot)[at.series];
    const columns = trace.type === "heatmap" ? trace.x.length : 0;
    return columns ? { x: trace.x[at.point % columns], y: trace.y[Math.floor(at.point / columns)] } : { customdata: trace.customdata?.[at.point], x: trace.x?.[at.point] };
  }

  // -- data as CSV, long format --------------------------------------------------------------------
  function rows(name) {
    const { data, layout } = spec(name);
    const meta = layout.meta || {};
    const special = data.filter((trace) => trace.meta?.columns);
    if (special.length) {
      return [["series", ...special[0].meta.columns], ...special.flatMap((trace) => trace.customdata.map((row) => [trace.name, ...row]))];
    }
    const [xName, yName] = [meta.x || "x", meta.y || "y"];
    const horizontal = data.some((trace) => trace.orientation === "h");
    const grid = data.some((trace) => trace.type === "heatmap");
    const head = grid ? [yName, xName, "value", "unit"] : ["series", horizontal ? yName : xName, "value", "unit"];
    return [head, ...data.filter((trace) => trace.meta?.csv !== false).flatMap((trace) => longRows(trace, trace.meta?.unit ?? meta.unit ?? ""))];
  }

  function longRows(trace, unit) {
    const list = (array) => Array.from(array || []);
    const short = (value) => (typeof value === "number" ? Number(value.toPrecision(7)) : value);
    if (trace.type === "heatmap") return list(trace.y).flatMap((label, row) => list(trace.x).map((x, column) => [label, x, short(trace.z[row][column]), unit]));
    const [labels, values] = trace.orientation === "h" ? [trace.y, trace.x] : [trace.x, trace.y];
    return list(labels).map((label, i) => [trace.name, label, values[i], unit]);
  }

  // -- drawing when needed -------------------------------------------------------------------------
  const all = Array.from(document.querySelectorAll("figure.figure"));
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { near.unobserve(entry.target); setTimeout(() => draw(entry.target)); }
    }
  }, { rootMargin: "300px 0px" });

  function start() {
    for (const figure of all) {
      figure.querySelector(".plot").addEventListener("keydown", onKey);
      const custom = figure.querySelector("button.csv");
      custom.addEventListener("click", () => download(figure.id, (Quartier.csvOf?.[figure.id] || rows)(figure.dataset.figure)));
      if (figure.hasAttribute("data-eager")) draw(figure); else near.observe(figure);
    }
  }
  function fit(width) {
    for (const figure of all) {
      if (figure.dataset.drawn) Plotly.relayout(figure.querySelector(".plot"), width ? { width, autosize: false } : { width: null, autosize: true });
    }
  }
  addEventListener("beforeprint", () => { for (const hidden of document.querySelectorAll(".option[hidden]")) { hidden.hidden = false; hidden.dataset.wasHidden = "true"; } all.filter((figure) => figure.offsetParent).forEach(draw); fit(680); });
  addEventListener("afterprint", () => { for (const option of document.querySelectorAll(".option[data-was-hidden]")) { option.hidden = true; delete option.dataset.wasHidden; } fit(null); });

  return { start, draw, redraw, spec, rows, still, byName: (name) => document.getElementById(name) };
})();
