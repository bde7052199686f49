// Data of the page, downloads, navigation, choices. No dependency, no network.
"use strict";
const Quartier = (() => {
  const raw = JSON.parse(document.getElementById("data").textContent);
  const ARRAYS = { f4: Float32Array, f8: Float64Array, i1: Int8Array, i2: Int16Array, i4: Int32Array, u1: Uint8Array, u2: Uint16Array };
  const decoded = new Map();

  function decode({ dtype, bdata, shape }) {
    const bytes = Uint8Array.from(atob(bdata), (letter) => letter.charCodeAt(0));
    const flat = new ARRAYS[dtype](bytes.buffer);
    if (!shape) return flat;
    const columns = Number(String(shape).split(",")[1]);
    return Array.from({ length: columns ? flat.length / columns : 0 }, (_, row) => flat.subarray(row * columns, (row + 1) * columns));
  }

  // Replaces references by the arrays they mean; every array is decoded once and shared.
  function resolve(value) {
    if (Array.isArray(value)) return value.map(resolve);
    if (value === null || typeof value !== "object") return value;
    if ("$" in value) {
      const key = value.$;
      if (!decoded.has(key)) {
        const stored = raw.store[key];
        decoded.set(key, Array.isArray(stored) ? resolve(stored) : decode(stored));
      }
      return decoded.get(key);
    }
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolve(item)]));
  }

  function number(value, digits = 5) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    if (value === 0 || Math.abs(value) < 1e-6) return "0";
    return Number(value.toPrecision(digits)).toLocaleString("en", { maximumFractionDigits: 10 });
  }

  function exact(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return "";
    return String(value);
  }

  function csv(rows) {
    const cell = (value) => {
      const text = exact(value);
      return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return rows.map((row) => Array.from(row, cell).join(",")).join("\r\n") + "\r\n";
  }

  function download(name, rows) {
    const url = URL.createObjectURL(new Blob([csv(rows)], { type: "text/csv" }));
    const link = Object.assign(document.createElement("a"), { href: url, download: `${name}.csv` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    announce(`${name}.csv is downloaded`);
  }

  function announce(text) { document.getElementById("announcer").textContent = text; }

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  // Choices: one alternative is shown.
  for (const select of document.querySelectorAll("select[data-choice]")) {
    select.addEventListener("change", () => {
      for (const option of document.querySelectorAll(`#${CSS.escape(select.dataset.choice)} > .option`)) {
        option.hidden = option.dataset.option !== select.value;
      }
    });
  }

  // Navigation: the section that is being read is marked.
  const links = new Map(Array.from(document.querySelectorAll(".contents a"), (link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const part of document.querySelectorAll(".part")) watch.observe(part);

  return { raw, resolve, number, exact, download, announce, element };
})();
