// Tables: filter and CSV; the page starts when all scripts are there.
"use strict";
(() => {
  const { download } = Quartier;
  for (const input of document.querySelectorAll("input.filter")) {
    const box = document.getElementById(input.dataset.table);
    const rows = Array.from(box.querySelectorAll("tbody tr"));
    const texts = rows.map((row) => row.textContent.toLowerCase());
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      rows.forEach((row, i) => { row.hidden = !texts[i].includes(wanted); });
      const left = rows.filter((row) => !row.hidden).length;
      box.querySelector(".count").textContent = wanted ? `${left} of ${rows.length} rows` : "";
    });
  }
  for (const button of document.querySelectorAll("button.table-csv")) {
    button.addEventListener("click", () => {
      const cells = (row) => ["key" in row.dataset ? row.dataset.key : "key", ...Array.from(row.cells, (cell) => ("value" in cell.dataset ? cell.dataset.value : cell.textContent))];
      const table = document.querySelector(`#${CSS.escape(button.dataset.table)} table`);
      download(button.dataset.table, Array.from(table.rows, cells));
    });
  }
  document.addEventListener("DOMContentLoaded", () => Quartier.figures.start());
})();
