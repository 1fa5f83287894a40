"use strict";
// Sorts tables by their heads and copies them as CSV. The page is whole without this script.
(() => {
  const sorted = (table, column, sign) => {
    const key = (row) => {
      const cell = row.cells[column];
      const value = cell.dataset.value;
      return value === undefined ? cell.textContent.trim().toLowerCase() : value === "" ? NaN : Number(value);
    };
    const order = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (typeof x === "string" || typeof y === "string") return sign * String(x).localeCompare(String(y));
      if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
      return sign * (x - y);
    };
    return [...table.tBodies[0].rows].sort(order);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const numbers = head.classList.contains("n");
        const now = head.getAttribute("aria-sort");
        const up = now === null ? !numbers : now === "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        table.tBodies[0].append(...sorted(table, column, up ? 1 : -1));
      });
    });
  }
  for (const box of document.querySelectorAll(".csv")) {
    const [button, area, told] = ["button", "textarea", "[role=status]"].map((name) => box.querySelector(name));
    button.hidden = false;
    button.addEventListener("click", async () => {
      let done = false;
      try {
        await navigator.clipboard.writeText(area.value);
        done = true;
      } catch {
        box.querySelector("details").open = true;
        area.select();
        done = document.execCommand("copy");
      }
      told.textContent = done ? "copied" : "not copied: the text is selected, copy it";
    });
  }
})();
