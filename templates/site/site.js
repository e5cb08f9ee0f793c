(() => {
  "use strict";
  const get = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const el = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  };

  const table = document.querySelector("table.runs");
  if (!table) return;
  const form = document.querySelector(".filter"), rows = [...table.tBodies[0].rows], dots = all(".over-time g");
  const rowOf = new Map(rows.map((row) => [row.dataset.n, row]));
  const fields = ["q", "project", "status", "tag", "from", "until"].map(get).filter(Boolean);
  form.hidden = false;
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = new Map();
  const wordsOf = (row) => {
    if (!words.has(row)) words.set(row, plain([...row.cells].map((cell) => cell.textContent).join(" ")));
    return words.get(row);
  };

  // Filter: the state is in the address, so that a view can be passed on.
  const value = (id) => (get(id) ? get(id).value : "");
  const fits = (row, asked) => {
    const { s, d, p, t } = row.dataset;
    return (!value("status") || s === value("status")) && (!value("project") || p === value("project"))
      && (!value("tag") || (t || "").split(" ").includes(value("tag")))
      && (!value("from") || d >= value("from")) && (!value("until") || d <= value("until"))
      && asked.every((word) => wordsOf(row).includes(word));
  };
  const filter = () => {
    const asked = plain(value("q")).split(/\s+/).filter(Boolean);
    const shown = rows.map((row) => fits(row, asked));
    rows.forEach((row, place) => { row.hidden = !shown[place]; });
    dots.forEach((dot) => dot.classList.toggle("out", !shown[Number(dot.dataset.i)]));
    const count = shown.filter(Boolean).length;
    get("count").textContent = `${count === rows.length ? "" : `${count} of `}${rows.length} run${rows.length === 1 ? "" : "s"}`;
    get("nothing").hidden = count > 0;
  };
  let sorted = "";
  const addressed = (extra = {}) => {
    const said = new URLSearchParams();
    fields.forEach((field) => { if (field.value) said.set(field.id, field.value); });
    if (sorted) said.set("sort", sorted);
    Object.entries(extra).forEach(([name, item]) => said.set(name, item));
    return `#${said}`;
  };
  const keep = () => history.replaceState(null, "", addressed());
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { filter(); keep(); });
  form.addEventListener("reset", () => setTimeout(() => { filter(); keep(); }));
  dots.forEach((dot) => dot.addEventListener("click", () => { location.href = rows[Number(dot.dataset.i)].querySelector("a").href; }));

  // Sort by a heading.
  const keys = {
    date: (row) => row.cells[row.cells.length - 6].textContent, status: (row) => row.dataset.s,
    headline: (row) => ("v" in row.dataset ? Number(row.dataset.v) : -Infinity),
    criteria: (row) => { const found = /^(\d+) of (\d+)/.exec(row.cells[row.cells.length - 3].textContent); return found ? found[1] / found[2] : -1; },
  };
  const headings = all("th[data-by]", table);
  const sort = () => {
    const [by, down] = sorted.split(" "), key = Object.hasOwn(keys, by) ? keys[by] : null;
    headings.forEach((heading) => heading.removeAttribute("aria-sort"));
    if (key) document.querySelector(`th[data-by="${by}"]`).setAttribute("aria-sort", down ? "descending" : "ascending");
    const values = new Map(rows.map((row) => [row, key ? key(row) : 0]));
    const compared = (a, b) => (values.get(a) < values.get(b) ? -1 : values.get(a) > values.get(b) ? 1 : 0) * (down ? -1 : 1);
    table.tBodies[0].append(...[...rows].sort(compared));
  };
  headings.forEach((heading) => {
    const button = el("button", { type: "button", class: "sort" }, ...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      sorted = heading.getAttribute("aria-sort") === "descending" ? heading.dataset.by : `${heading.dataset.by} down`;
      sort();
      keep();
    });
  });

  // Pick two runs; the older comes first.
  let picked = [];
  const picks = get("picks");
  const boxOf = (name) => rowOf.get(name).querySelector("input");
  const older = (name) => rows.indexOf(rowOf.get(name));
  const showPicks = (said) => {
    picks.hidden = picked.length === 0 || !get("compared").hidden;
    const [a, b] = picked;
    const go = el("button", { type: "button", class: "go" }, "Compare");
    const clear = el("button", { type: "button" }, "Clear");
    go.disabled = picked.length < 2;
    go.addEventListener("click", () => { location.hash = addressed({ before: a, after: b }); });
    clear.addEventListener("click", () => { picked.forEach((name) => { boxOf(name).checked = false; }); picked = []; showPicks(); get("q").focus(); });
    const text = el("p", { role: "status" }, said || (b ? `Before: ${a}. After: ${b}.` : `Before or after: ${a}. Choose one more run.`));
    picks.replaceChildren(text, go, clear);
  };
  table.tHead.rows[0].prepend(el("th", { scope: "col", class: "pick" }, el("span", { class: "unseen" }, "Compare")));
  rows.forEach((row) => {
    const box = el("input", { type: "checkbox", "aria-label": `Compare ${row.dataset.n}`, autocomplete: "off" });
    row.prepend(el("td", { class: "pick" }, box));
    box.addEventListener("change", () => {
      const name = row.dataset.n;
      const out = box.checked && picked.length === 2 ? picked[0] : null;
      if (out !== null) boxOf(out).checked = false;
      picked = picked.filter((item) => item !== name && item !== out).concat(box.checked ? [name] : []);
      picked.sort((one, other) => older(other) - older(one));
      showPicks();
    });
  });

  // A page from disk may not fetch data, but may load a script: each run hands over one string.
  const loaded = new Map();
  let handed = null;
  window.mlopskitRun = (text) => { handed = JSON.parse(text); };
  const load = (name) => new Promise((resolve, reject) => {
    if (loaded.has(name)) { resolve(loaded.get(name)); return; }
    const row = rowOf.get(name);
    if (!row) { reject(new Error(`There is no run ${name} on this site.`)); return; }
    const script = el("script", { src: row.querySelector("a").getAttribute("href").replace(/index\.html$/, "run.js") });
    const ended = () => {  // a script that is cut or empty hands nothing over, and what another did is not this run's
      const told = handed;
      handed = null;
      script.remove();
      if (told === null) reject(new Error(`What there is to compare of ${name} cannot be loaded.`));
      else { loaded.set(name, { ...told, name }); resolve(loaded.get(name)); }  // as the list has it: a name may be no text
    };
    script.addEventListener("load", ended);
    script.addEventListener("error", ended);
    document.head.append(script);
  });

  const number = (item, signed) => {
    if (item === null || item === undefined) return "–";
    const size = Math.abs(item);
    const text = size >= 1e12 || (size > 0 && size < 5e-5) ? size.toExponential(3)
      : size >= 1e4 ? size.toLocaleString("en", { maximumFractionDigits: 0 }) : size.toFixed(4);
    return (item < 0 ? "-" : signed ? "+" : "") + text;
  };
  const short = (item) => {
    const text = item === undefined || item === null ? "–" : typeof item === "string" ? item : JSON.stringify(item);
    return /^[0-9a-f]{16}$|^[0-9a-f]{64}$/.test(text) ? text.slice(0, 12) : text;
  };
  const grid = (heads, lines, kind = "") => el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "table" }, el("table", { class: kind },
    el("thead", {}, el("tr", {}, ...heads.map(([text, kind]) => el("th", { scope: "col", class: kind || "" }, text)))),
    el("tbody", {}, ...lines.map((cells) => el("tr", {}, ...cells)))));
  const section = (title, ...parts) => el("section", {}, el("h2", {}, title), ...parts);
  const list = (texts) => el("ul", {}, ...texts.map((text) => el("li", {}, text)));
  const td = (kind, ...parts) => el("td", { class: kind }, ...parts);
  const changed = (title, found, what) => (found.length ? section(title, grid([[what], ["before"], ["after"]], found.map((item) => [
    el("th", { scope: "row" }, item.name), td("", el("code", {}, short(item.before))), td("", el("code", {}, short(item.after)))]))) : "");

  // Both figures with their intervals on one line; what the numbers beside it say.
  const svg = (tag, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, item]) => made.setAttribute(name, item));
    made.append(...children);
    return made;
  };
  const mark = (one) => {
    const text = Number(one.toPrecision(3)).toString();
    return text.length > 8 ? one.toExponential(2) : text;
  };
  const both = (item) => {
    const known = [...(item.before || []).slice(0, 3), ...(item.after || []).slice(0, 3)].filter((one) => one !== null);
    if (known.length < 2 || Math.max(...known) === Math.min(...known)) return "";
    const low = Math.min(...known), high = Math.max(...known), x = (one) => 8 + 156 * (one - low) / (high - low);
    const side = (measured, kind, y) => (!measured || measured[0] === null ? [] : [
      ...(measured[1] === null || measured[2] === null ? [] : [svg("line", { class: kind, x1: x(measured[1]), x2: x(measured[2]), y1: y, y2: y })]),
      svg("circle", { class: kind, cx: x(measured[0]), cy: y, r: 4.5 })]);
    return svg("svg", { class: "both", viewBox: "0 0 172 46", "aria-hidden": "true" },
      svg("path", { class: "axis", d: "M8 28V32H164V28" }), svg("text", { x: 8, y: 44 }, mark(low)), svg("text", { x: 164, y: 44, class: "end" }, mark(high)),
      ...side(item.before, "b", 8), ...side(item.after, "a", 21));
  };
  const key = () => el("p", { class: "key" }, svg("svg", { class: "both", viewBox: "0 0 14 14", "aria-hidden": "true" }, svg("circle", { class: "b", cx: 7, cy: 7, r: 4.5 })), " before ",
    svg("svg", { class: "both", viewBox: "0 0 14 14", "aria-hidden": "true" }, svg("circle", { class: "a", cx: 7, cy: 7, r: 4.5 })),
    " after, each with its interval; a row has an axis of its own.");
  const measured = (item) => {
    if (!item) return ["–"];
    const between = item[1] === null || item[2] === null ? "" : `${number(item[1])} to ${number(item[2])}${item[3] === null || item[3] === undefined ? "" : `, n = ${item[3]}`}`;
    return [number(item[0]), between ? el("span", { class: "reason" }, between) : ""];
  };
  const VERDICTS = { noise: "inside the noise", unknown: "cannot be told" }, TONES = { worse: "bad", better: "good" };
  const measures = (found, parts) => grid(
    [...(parts ? [["slice"], ["group"]] : []), ["metric"], ["before", "num"], ["after", "num"], ["drawn"], ["difference", "num"], ["verdict"]],
    found.map((item) => [...(parts ? item.where.map((text) => td("where", text)) : []), el("th", { scope: "row" }, item.metric),
      td("num was", ...measured(item.before)), td("num now", ...measured(item.after)), td("drawing", both(item)),
      td("num by", number(item.difference, true), item.low === null ? "" : el("span", { class: "reason" }, `${number(item.low, true)} to ${number(item.high, true)}`)),
      td("said", el("span", { class: `status ${TONES[item.verdict] || "plain"}` }, VERDICTS[item.verdict] || item.verdict))]), "measured");
  const lineOf = (text) => el("span", { class: text[0] === "+" ? "plus" : text[0] === "-" ? "minus" : "same" }, `${text}\n`);

  // Figures are loaded when asked for, and as images: nothing of a drawing can run or reach the page.
  const picture = (figure) => {
    if (!figure || !/^[0-9a-f]{32}\.svg$/.test(figure[0])) return el("p", { class: "none" }, "not there");
    const image = el("img", { src: `figures/${figure[0]}`, alt: figure[1] });
    image.addEventListener("error", () => image.replaceWith(el("p", { class: "none" }, "cannot be loaded")));
    return image;
  };
  const pair = (item, before, after) => {
    const shown = el("details", { class: "drawn" }, el("summary", {}, item.name, " ", el("span", { class: "reason" }, (item.after || item.before || ["", ""])[1])));
    shown.addEventListener("toggle", () => {
      if (shown.open && shown.childElementCount === 1) shown.append(el("div", { class: "pair" },
        ...[[`Before, ${before}`, item.before], [`After, ${after}`, item.after]].map(([title, figure]) => el("div", {}, el("p", { class: "meta" }, title), picture(figure)))));
    });
    return shown;
  };
  const figures = (found, before, after) => {
    if (!found.figures.length && !found.equal.length) return "";
    const shown = found.figures.map((item) => pair(item, before, after)), one = shown.length === 1;
    const every = el("button", { type: "button" }, "Show all");
    every.addEventListener("click", () => {
      const open = shown.some((item) => !item.open);
      shown.forEach((item) => { item.open = open; });
      every.textContent = open ? "Hide all" : "Show all";
    });
    return section("Figures", el("p", {}, shown.length ? `${shown.length} ${one ? "figure differs" : "figures differ"} in at least one byte. ` : "No figure differs. ", shown.length > 1 ? every : ""), ...shown,
      found.equal.length ? el("details", { class: "drawn" }, el("summary", {}, `${found.equal.length} equal in both`), list(found.equal)) : "");
  };

  const outcome = (found) => {
    const worse = found.slices.filter((item) => item.verdict === "worse").length;
    const ofSlices = worse ? ` overall; ${worse} of ${found.slices.length} measures of slices did` : "";
    const [tone, title] = found.worsened.length ? ["no", "Something got worse"] : !found.readable ? ["unknown", "Not fully compared"]
      : found.artefacts.length ? ["yes", `Nothing got worse beyond noise${ofSlices}`] : ["yes", "Every artefact is equal"];
    const noise = found.measures.filter((item) => item.verdict === "noise").length;
    const said = [...found.worsened, ...(noise ? [`${noise} of ${found.measures.length} measures differ inside the noise: that may be chance`] : [])];
    return el("div", { class: `verdict ${tone}` }, el("h2", {}, title), said.length ? list(said) : "");
  };
  const side = (title, run) => {
    const row = rowOf.get(run.name), links = all("a", row).map((link) => link.cloneNode(true)), parts = [];
    links.forEach((link) => parts.push(link, document.createTextNode(" ")));
    return el("div", {}, el("p", { class: "meta" }, title), el("p", {}, ...parts), el("p", {}, row.cells[row.cells.length - 5].firstElementChild.cloneNode(true)));
  };
  const view = (before, after) => {
    const found = mlopskitCompare(before, after);
    const worse = found.slices.filter((item) => item.verdict === "worse");
    const back = el("button", { type: "button", id: "back" }, "← All runs"), swap = el("button", { type: "button" }, "Swap");
    back.addEventListener("click", () => { location.hash = addressed(); });
    swap.addEventListener("click", () => { location.hash = addressed({ before: after.name, after: before.name }); });
    const parts = [
      el("section", { class: "outcome" }, el("p", {}, back, " ", swap), el("h1", { tabindex: "-1" }, "Two runs compared"),
        el("div", { class: "sides" }, side("Before", before), side("After", after)), outcome(found),
        found.problems.length ? el("div", {}, el("h3", {}, "Not compared"), list(found.problems)) : ""),
      found.criteria.length ? section("Acceptance criteria", el("ul", {}, ...found.criteria.map((item) => el("li", {}, el("strong", {}, item.name),
        `: ${item.before.replace("not-met", "not met")} → ${item.after.replace("not-met", "not met")} `, el("span", { class: "reason" }, item.reason))))) : "",
      found.measures.length ? section("Metrics", el("p", {}, `Interval of a difference: ${found.method}.`), key(), measures(found.measures, false)) : "",
      found.slices.length ? section("Slices that got worse", el("p", {}, `${worse.length} of ${found.slices.length} measures of slices and groups are worse beyond noise. Among so many some are by chance, so they don't decide the outcome.`),
        ...(worse.length ? [key(), measures(worse, true)] : [])) : "",
      changed("Phases", found.phases, "phase"), changed("Parameters", found.parameters, "parameter"), changed("Source of the data", found.source, "source"),
      found.data.length ? section("Data", grid([["artefact"], ["content before"], ["content after"], ["rows before", "num"], ["rows after", "num"], ["columns"]], found.data.map((item) => [
        el("th", { scope: "row" }, item.name), td("", el("code", {}, short(item.before))), td("", el("code", {}, short(item.after))), td("num", short(item.rows[0])), td("num", short(item.rows[1])),
        td("", ...item.added.map((name) => el("span", { class: "plus" }, `+${name} `)), ...item.removed.map((name) => el("span", { class: "minus" }, `−${name} `)))]))) : "",
      changed("Environment", found.environment, "part"), changed("Distributions", found.distributions, "distribution"),
      found.code.length ? section("Code", ...found.code.flatMap((item) => [el("h3", {}, `${item.phase}, cell ${item.cell}: ${item.kind}`),
        item.lines.length ? el("pre", { tabindex: "0" }, el("code", {}, ...item.lines.map(lineOf))) : ""]).filter(Boolean)) : "",
      figures(found, before.name, after.name),
    ];
    const [first, ...others] = parts.filter(Boolean);
    first.append(el("p", { class: "jumps", role: "navigation", "aria-label": "Parts of the comparison" }, ...others.map(jump)));
    get("compared").replaceChildren(first, ...others);
  };
  const jump = (part) => {  // a button, because a link would take the state out of the address
    const heading = part.querySelector("h2"), button = el("button", { type: "button" }, heading.textContent);
    heading.setAttribute("tabindex", "-1");
    button.addEventListener("click", () => { heading.scrollIntoView(); heading.focus({ preventScroll: true }); });
    return button;
  };
  const message = (text) => {
    const back = el("button", { type: "button", id: "back" }, "← All runs");
    back.addEventListener("click", () => { location.hash = addressed(); });
    get("compared").replaceChildren(el("section", { class: "outcome" }, el("p", {}, back), el("h1", { tabindex: "-1" }, "Two runs compared"), el("p", { class: "none" }, text)));
  };

  // The address says what is shown.
  const title = document.title;
  document.querySelector(".skip").addEventListener("click", (event) => {  // a jump would take the state out of the address
    event.preventDefault();
    (get("all").hidden ? get("compared").querySelector("h1") : get("q")).focus();
  });
  const follow = async () => {
    const said = new URLSearchParams(location.hash.slice(1));
    const [before, after] = [said.get("before"), said.get("after")];
    fields.forEach((field) => { field.value = said.get(field.id) || ""; });
    if ((said.get("sort") || "") !== sorted) { sorted = said.get("sort") || ""; sort(); }
    filter();
    const comparing = before !== null && after !== null, was = !get("compared").hidden;
    get("all").hidden = comparing;
    get("compared").hidden = !comparing;
    document.title = title;
    if (!comparing) {
      showPicks();
      if (was) (picked.length ? boxOf(picked[0]) : get("q")).focus();
      return;
    }
    const asked = location.hash;
    let runs = [], lost = "";
    try { runs = [await load(before), await load(after)]; } catch (error) { lost = error.message; }
    if (location.hash !== asked) return;  // what was asked for meanwhile is shown instead
    if (lost) message(lost);
    else { view(...runs); document.title = `${before} and ${after} compared`; }
    showPicks();
    scrollTo(0, 0);
    get("compared").querySelector("h1").focus();
  };
  addEventListener("hashchange", follow);
  follow();
})();
