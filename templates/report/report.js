(() => {
  "use strict";
  const { all, el, say, plain, copyButton } = page;

  // All code at once.
  const codeButton = document.getElementById("all-code");
  codeButton.addEventListener("click", () => {
    const open = codeButton.getAttribute("aria-pressed") !== "true";
    all("details.code").forEach((fold) => { fold.open = open; });
    codeButton.setAttribute("aria-pressed", String(open));
    codeButton.textContent = open ? "Hide all code" : "Show all code";
  });

  // The contents list follows the reading; on a narrow page it is folded away.
  const named = (hash) => { try { return decodeURIComponent(hash.slice(1)); } catch { return ""; /* nothing is named so */ } };
  const links = new Map(all(".contents a").map((link) => [named(link.hash), link]));
  const parts = all("[data-spy]");
  const reached = () => parts.findLast((part) => part.getBoundingClientRect().top <= innerHeight / 3) || parts[0];
  const follow = () => {
    const { id: now } = reached();
    links.forEach((link, id) => {
      if (id === now) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    });
    const link = links.get(now), list = link && link.closest("ol");
    if (list && list.scrollHeight > list.clientHeight) list.scrollTop = link.offsetTop - list.clientHeight / 2;
  };
  new IntersectionObserver(follow, { rootMargin: "-33% 0px -66% 0px" }).observe(parts[0]);
  const watcher = new IntersectionObserver(follow, { rootMargin: "-30% 0px -60% 0px" });
  parts.forEach((part) => watcher.observe(part));
  follow();
  const contents = document.querySelector(".contents details");
  if (!matchMedia("(min-width: 70rem)").matches) contents.open = false;
  matchMedia("(min-width: 70rem)").addEventListener("change", (event) => { contents.open = event.matches; });
  all(".contents a").forEach((link) => link.addEventListener("click", () => {
    if (!matchMedia("(min-width: 70rem)").matches) contents.open = false;
  }));

  // Where a drawing is wider than the page, the keyboard reaches and scrolls it.
  const narrow = matchMedia("(max-width: 40rem)");
  const reach = () => all(".cell figure.mlopskit-chart").forEach((figure) => {
    if (narrow.matches) { figure.tabIndex = 0; figure.setAttribute("aria-label", "drawing"); }
    else { figure.removeAttribute("tabindex"); figure.removeAttribute("aria-label"); }
  });
  narrow.addEventListener("change", reach);
  reach();

  // Tables: sort by a heading, copy as CSV.
  const textOf = (cell) => {
    const copy = cell.cloneNode(true);
    all("details, svg, .reason", copy).forEach((part) => part.remove());
    return copy.textContent.trim().replace(/\s+/g, " ");
  };
  const valueOf = (row, column) => {
    const text = row.cells[column] ? textOf(row.cells[column]) : "";
    const found = /^[≤≥<]?\s*([-−]?[\d,]*\.?\d+)\s*%?(?:\s*\(.*\))?$/.exec(text);  // an interval may follow in brackets
    return found ? Number(found[1].replace(/,/g, "").replace("−", "-")) : text;
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b
    : typeof a === "number" ? -1 : typeof b === "number" ? 1 : a.localeCompare(b));
  const sortBy = (table, column, heading) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    [...body.rows]
      .sort((a, b) => compare(valueOf(a, column), valueOf(b, column)) * (down ? -1 : 1))
      .forEach((row) => body.append(row));
  };
  const most = 20;
  // Only the first rows are shown: of those that fit what is searched, if anything is.
  const cut = (table, whole) => {
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      if (!row.hidden) shown += 1;
      row.classList.toggle("beyond", !whole && !row.hidden && shown > most);
    }
    return shown;
  };
  const rest = new Map();
  const limit = (table) => {
    const rows = table.tBodies[0].rows.length;
    const button = el("button", { type: "button", class: "copy" });
    let whole = false;
    const update = () => {
      const fitting = cut(table, whole);
      button.hidden = fitting <= most;
      button.textContent = whole ? `Show ${most} rows` : `Show all ${fitting} rows`;
    };
    button.addEventListener("click", () => { whole = !whole; update(); say(whole ? "All rows are shown." : `${most} rows are shown.`); });
    update();
    rest.set(table, { update, open: () => { whole = true; update(); } });
    return rows > most ? button : null;
  };
  const search = (table) => {
    const rows = [...table.tBodies[0].rows], name = table.caption ? table.caption.textContent : table.closest("[aria-label]")?.ariaLabel || "table";
    const field = el("input", { type: "search", placeholder: `Search ${rows.length} rows`, "aria-label": `Search the rows: ${name}`, autocomplete: "off" });
    field.addEventListener("input", () => {
      const asked = plain(field.value).split(/\s+/).filter(Boolean);
      rows.forEach((row) => { const words = plain(row.textContent); row.hidden = !asked.every((word) => words.includes(word)); });
      rest.get(table).update();
      say(`${rows.filter((row) => !row.hidden).length} of ${rows.length} rows fit.`);
    });
    return el("div", { class: "search" }, field);
  };
  all("table[data-tool], table.mlopskit-table, table.dataframe").forEach((table) => {
    if (!table.tHead || !table.tBodies[0] || table.tBodies[0].rows.length < 2) return;
    const spans = all("[colspan], [rowspan]", table).length > 0;
    if (!spans) [...table.tHead.rows[0].cells].forEach((heading, column) => {
      if (!heading.textContent.trim()) return;
      const button = el("button", { type: "button", class: "sort" }, ...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => { sortBy(table, column, heading); rest.get(table).update(); });
    });
    const copy = copyButton(() => [...table.rows].filter((row) => !row.hidden).map((row) => [...row.cells].map(textOf)));
    const box = table.closest(".scroll"), more = box.nextElementSibling;
    const after = el("div", { class: "tools" }, copy, limit(table));
    (more && more.matches(".mlopskit-more") ? more : box).after(after);
    if (!spans && table.tBodies[0].rows.length > 8) box.before(search(table));
  });

  // A link into a folded place unfolds it, one to a row that is not shown shows it; paper shows what explains.
  const unfold = () => {
    const target = document.getElementById(named(location.hash));
    const table = target && target.closest("table");
    if (table && rest.has(table) && (target.hidden || target.classList.contains("beyond"))) {
      target.hidden = false;
      rest.get(table).open();
    }
    for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    if (target) target.scrollIntoView({ behavior: "instant" });
  };
  addEventListener("hashchange", unfold);
  unfold();
  document.fonts.ready.then(unfold); // what was laid out in another face has moved
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not(.code):not(.hash):not([open])");
    folded.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((fold) => { fold.open = false; }));

  // What lies below the first screen is laid out once that is seen: the page opens in half the time. A reader who was
  // quicker stays at the part that they went to, for what is laid out above it has another height than was set aside.
  const layOut = () => {
    if ("opened" in document.documentElement.dataset) return;
    const reading = reached(), top = reading.getBoundingClientRect().top;
    document.documentElement.dataset.opened = "";
    scrollBy({ top: reading.getBoundingClientRect().top - top, behavior: "instant" });
  };
  addEventListener("scroll", layOut, { once: true });
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(layOut)));
})();
