// Differences of two runs that the reader chooses: power of units, and the figures that decide.
"use strict";
(() => {
  const { raw, resolve, number, announce, element, figures } = Quartier;
  const model = resolve(raw.model).difference;
  const byId = (id) => document.getElementById(id);
  if (!model || !byId("difference-part")) return;
  const first = byId("difference-first");
  const second = byId("difference-second");
  const place = byId("difference-place");
  const figure = byId("difference");

  // Series with a difference; those that stay the same are left out, but never the last, the connection point.
  function series(part, a, b) {
    const last = part.traces.length - 1;
    return part.traces
      .map((trace, i) => ({ ...trace, y: Array.from(part.power[b][i], (value, j) => value - part.power[a][i][j]) }))
      .filter((trace, i) => i === last || trace.y.some((value) => Math.abs(value) > model.least_kw));
  }

  function told(part, a, b) {
    if (a === b) return "Choose two different runs.";
    const missing = [a, b].filter((run) => !part.power[run]);
    if (missing.length) return `${missing.join(" and ")} has no neighbourhood of this name.`;
    const point = series(part, a, b).at(-1).y.filter((value) => Number.isFinite(value));
    if (!point.length) return "The two runs have no step in common.";
    const more = point.reduce((sum, value) => sum + Math.max(value, 0), 0) * model.dt_h;
    const less = point.reduce((sum, value) => sum - Math.min(value, 0), 0) * model.dt_h;
    return `At the connection point ${b} feeds in ${number(more, 4)} kWh more and ${number(less, 4)} kWh less than ${a}, over ${point.length} steps ${model.thinned ? "shown here" : "that both have"}.`;
  }

  function show() {
    const [a, b, name] = [first.value, second.value, place.value];
    const part = model.places[name];
    const spec = figures.spec("difference");
    spec.data = part.power[a] && part.power[b] ? series(part, a, b) : [];
    const title = `Power in ${name}: ${b} minus ${a}`;
    byId("difference-title").textContent = title;
    figure.querySelector("button.csv .sr").textContent = ` of ${title}`;
    byId("difference-told").textContent = told(part, a, b);
    if (figure.dataset.drawn) figures.redraw(figure);
    pair(a, b);
    return title;
  }

  function pair(a, b) {
    byId("pair-first").textContent = `A: ${a}`;
    byId("pair-second").textContent = `B: ${b}`;
    byId("pair-rows").replaceChildren(...model.lines.map((line) => row(line, line.values[a], line.values[b])));
  }

  function row(line, a, b) {
    const made = element("tr", {}, element("th", { scope: "row", textContent: line.label }));
    made.dataset.key = line.kpi;
    const known = [a, b].every((value) => value !== null);
    const change = known ? b - a : null;
    for (const value of [a, b, change]) {
      const cell = element("td", { className: "number", textContent: value === null ? "–" : number(value * line.scale) });
      cell.dataset.value = value === null ? "" : String(value);
      made.append(cell);
    }
    const cell = made.lastChild;
    if (change > 0 && cell.textContent !== "0") cell.prepend("+");
    return made;
  }

  for (const select of [first, second, place]) select.addEventListener("change", () => announce(show()));
  byId("difference-swap").addEventListener("click", () => {
    [first.value, second.value] = [second.value, first.value];
    announce(show());
  });
  show();
})();
