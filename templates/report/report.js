(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const say = (words) => { document.getElementById("said").textContent = words; };
  document.querySelector(".controls").hidden = false;

  // Theme: automatic, light, dark. Where storage is forbidden the choice lasts as long as the page.
  const themes = ["automatic", "light", "dark"];
  const themeButton = document.getElementById("theme");
  const setTheme = (name) => {
    if (name === "automatic") delete root.dataset.theme; else root.dataset.theme = name;
    themeButton.lastElementChild.textContent = name;
    try { localStorage.setItem("mlopskit-theme", name); } catch { /* not allowed here */ }
  };
  let theme = "automatic";
  try { theme = localStorage.getItem("mlopskit-theme") || theme; } catch { /* not allowed here */ }
  setTheme(themes.includes(theme) ? theme : "automatic");
  themeButton.addEventListener("click", () => setTheme(themes[(themes.indexOf(root.dataset.theme || "automatic") + 1) % 3]));

  // All code at once.
  const codeButton = document.getElementById("all-code");
  codeButton.addEventListener("click", () => {
    const open = codeButton.getAttribute("aria-pressed") !== "true";
    all("details.code").forEach((fold) => { fold.open = open; });
    codeButton.setAttribute("aria-pressed", String(open));
    codeButton.textContent = open ? "Hide all code" : "Show all code";
  });

  // The contents list follows the reading; on a narrow page it is folded away.
  const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  const parts = all("[data-spy]");
  const follow = () => {
    const reached = parts.filter((part) => part.getBoundingClientRect().top <= innerHeight / 3).pop() || parts[0];
    links.forEach((link, id) => {
      if (id === reached.id) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    });
    const link = links.get(reached.id), list = link && link.closest("ol");
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

  // Tables: sort by a heading, copy as CSV.
  const textOf = (cell) => {
    const copy = cell.cloneNode(true);
    all("details, svg, .reason", copy).forEach((part) => part.remove());
    return copy.textContent.trim().replace(/\s+/g, " ");
  };
  const valueOf = (row, column) => {
    const text = row.cells[column] ? textOf(row.cells[column]) : "";
    const number = Number(text.replace(/^[≤≥<]\s*/, "").replace(/[,%]/g, "").replace("−", "-"));
    return text !== "" && !Number.isNaN(number) ? number : text;
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
  const csvOf = (table) => [...table.rows]
    .map((row) => [...row.cells].map((cell) => `"${textOf(cell).replace(/"/g, '""')}"`).join(",")).join("\r\n");
  const copyText = async (text) => {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* a page from disk may not */ }
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  all("table[data-tool], table.mlopskit-table, table.dataframe").forEach((table) => {
    if (!table.tHead || !table.tBodies[0] || table.tBodies[0].rows.length < 2) return;
    const spans = all("[colspan], [rowspan]", table).length > 0;
    if (!spans) [...table.tHead.rows[0].cells].forEach((heading, column) => {
      if (!heading.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sortBy(table, column, heading));
    });
    const copy = document.createElement("button");
    copy.type = "button";
    copy.className = "copy";
    copy.textContent = "Copy as CSV";
    copy.addEventListener("click", async () => {
      const done = await copyText(csvOf(table));
      copy.textContent = done ? "Copied" : "Not allowed here";
      say(copy.textContent);
      setTimeout(() => { copy.textContent = "Copy as CSV"; }, 1600);
    });
    const box = table.closest(".scroll"), more = box.nextElementSibling;
    (more && more.matches(".mlopskit-more") ? more : box).after(copy);
  });

  // A link into a folded place unfolds it; paper shows what explains.
  const unfold = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not(.code):not(.hash):not([open])");
    folded.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((fold) => { fold.open = false; }));
})();
