// The slice explorer: every slice found or tested, to search, sort and look into; answers are drawn, none is fetched.
(() => {
  "use strict";
  const { all, el, draw, say, fill, plain, count, figure, chance, wilson, copyButton, labelled, choice } = page;
  const part = document.getElementById("explore-slices");
  if (!part) return;
  const data = JSON.parse(part.querySelector("script").textContent);
  const AND = " and ", FIRST = 20, WIDTH = 150;
  const names = data.names, places = names.map((_, place) => place);
  const flags = (list) => { const set = new Set(list); return (place) => set.has(place); };
  const isConfirmed = flags(data.confirmed), isDeclared = flags(data.declared);
  const words = names.map(plain);
  const conditions = names.map((name, place) => data.apart[place] || name.split(AND));  // a value may hold " and " too
  const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)} %`);

  // A measure as columns, one place a slice: the figure, its interval, the rows behind it, and what it is held against.
  const spread = (at, values) => { const wide = Array(names.length).fill(null); at.forEach((place, i) => { wide[place] = values[i]; }); return wide; };
  const prepared = (measure) => {
    const grouped = !measure.n, at = grouped ? data.groups.at : places;
    const n = grouped ? spread(at, data.groups.n) : measure.n, total = grouped ? data.groups.total : measure.total;
    const between = places.map(() => [null, null]);
    let value;
    if (measure.k) {
      value = places.map((place) => (n[place] ? measure.k[place] / n[place] : null));
      places.forEach((place) => { if (value[place] !== null && n[place] >= data.few) between[place] = wilson(measure.k[place], n[place]); });
    } else {
      value = grouped ? spread(at, measure.v) : measure.v;
      if (grouped) at.forEach((place, i) => { between[place] = [measure.low[i], measure.high[i]]; });
    }
    const beside = measure.rest || places.map(() => measure.all ?? null);
    const guess = (measure.guess && grouped ? spread(at, measure.guess) : measure.guess) || places.map(() => null);
    const share = n.map((rows) => (rows !== null && total ? rows / total : null));
    const seen = [...value, ...beside, ...between.flat()].filter((item) => item !== null);
    const low = Math.min(0, ...seen), high = Math.max(...seen, low + 1e-9);
    return { ...measure, n, share, value, between, beside, guess, low, high, against: measure.rest ? "all other rows" : "all rows" };
  };
  const kept = new Map();
  const measureOf = (number) => {
    if (!kept.has(number)) kept.set(number, prepared(data.measures[number]));
    return kept.get(number);
  };

  const titles = data.measures.map((measure) => `${measure.name} on ${measure.rows}`);
  const controls = {
    text: el("input", { type: "search", placeholder: "words of the slice", autocomplete: "off" }),
    column: choice([["", "any"], ...data.columns.map((name) => [name, name])]),
    measure: choice(titles.map((title, number) => [number, title])),
    rows: el("input", { type: "number", min: 0, step: 1, value: 0, inputmode: "numeric", autocomplete: "off" }),
    order: choice([["score", "score of the search"], ["value", "the figure"], ["n", "rows"], ["beside", "what it is held against"], ["p", "p, adjusted"], ["status", "status"], ["name", "slice"]]),
    confirmed: el("input", { type: "checkbox", autocomplete: "off" }),
  };
  let falls = true, limit = FIRST, chosen = 0;
  const keys = {
    name: () => words, status: () => data.status.map((number) => data.statuses[number]), score: () => data.score, p: () => data.p,
    n: (m) => m.n, value: (m) => m.value, beside: (m) => m.beside,
  };
  const fitting = (m) => {
    const asked = plain(controls.text.value).split(/\s+/).filter(Boolean), least = Number(controls.rows.value) || 0;
    const column = controls.column.value && `${controls.column.value} = `;
    return places.filter((place) => (!controls.confirmed.checked || isConfirmed(place))
      && (m.n[place] === null || m.n[place] >= least) && (!column || conditions[place].some((item) => item.startsWith(column)))
      && asked.every((word) => words[place].includes(word)));
  };
  const sorted = (list, m) => {
    const key = keys[controls.order.value](m), way = falls ? -1 : 1;
    return list.sort((a, b) => {
      const x = key[a], y = key[b];
      if (x === null || y === null) return (x === null) - (y === null);
      return (x < y ? -way : x > y ? way : 0) || a - b;
    });
  };

  const interval = (m, place) => {
    const at = (value) => (4 + (WIDTH - 8) * (value - m.low) / (m.high - m.low)).toFixed(1);
    const [low, high] = m.between[place], value = m.value[place], beside = m.beside[place];
    if (value === null) return "";
    return draw("svg", { class: `interval ${isConfirmed(place) ? "bad" : "plain"}`, viewBox: `0 0 ${WIDTH} 20`, "aria-hidden": "true" },
      draw("path", { class: "axis", d: `M4 10H${WIDTH - 4}` }),
      beside === null ? null : draw("path", { class: "mark", d: `M${at(beside)} 2V18` }),
      low === null ? null : draw("path", { class: "range", d: `M${at(low)} 10H${at(high)}` }),
      draw("circle", { class: "dot", cx: at(value), cy: 10, r: 4 }));
  };
  const between = (m, place) => {
    const [low, high] = m.between[place], n = m.n[place];
    if (low !== null) return `${figure(low)}–\u2060${figure(high)}`;
    return m.value[place] !== null && n !== null && n < data.few ? fill(data.fewWords, { rows: n === 1 ? "1 row" : `${n} rows` }) : "";
  };
  const status = (place) => data.statuses[data.status[place]];
  const shortStatus = (place) => {
    const [tone, mark] = { confirmed: ["bad", "✗"], "not confirmed": ["plain", "–"] }[status(place)] || ["warning", "?"];
    return el("span", { class: `status ${tone}` }, el("span", { "aria-hidden": "true" }, mark), ` ${status(place).split(":")[0]}`);
  };

  const body = el("tbody"), headings = new Map();
  const heading = (key, text, kind = "") => {
    const button = el("button", { type: "button", class: "sort" }, text);
    const cell = el("th", { scope: "col", class: kind }, button);
    headings.set(key, { cell, button });
    button.addEventListener("click", () => {
      falls = controls.order.value === key ? !falls : key !== "name" && key !== "p";
      controls.order.value = key;
      changed();
    });
    return cell;
  };
  const scale = el("th", { scope: "col", class: "scale" });
  const table = el("table", { class: "stacked" }, el("thead", {}, el("tr", {}, heading("name", "slice"), heading("n", "rows", "num"),
    heading("value", "", "num"), scale, heading("beside", "", "num far"), heading("p", "p, adjusted", "num far"), heading("status", "status"))), body);
  const row = (m, place) => {
    const pick = el("button", { type: "button", class: "pick", "aria-pressed": String(place === chosen), "data-place": place }, names[place]);
    return el("tr", {}, el("th", { scope: "row" }, pick),
      el("td", { class: "num", "data-unit": "n =" }, m.n[place] === null ? "–" : count(m.n[place]), el("span", { class: "reason" }, percent(m.share[place]))),
      el("td", { class: "num" }, figure(m.value[place]), el("span", { class: "reason" }, between(m, place)),
        m.guess[place] === null ? null : el("span", { class: "reason" }, `guess ${figure(m.guess[place])}`)),
      el("td", { class: "scale" }, interval(m, place)),
      el("td", { class: "num far" }, figure(m.beside[place])),
      el("td", { class: "num far" }, chance(data.p[place])), el("td", {}, shortStatus(place)));
  };
  const texts = (m, place) => [names[place], m.n[place] === null ? "" : String(m.n[place]), m.share[place] === null ? "" : String(m.share[place]),
    ...[m.value[place], ...m.between[place], m.guess[place], m.beside[place], data.p[place]].map((value) => (value === null ? "" : String(value))), status(place)];

  // What there is to say of one slice.
  const sentences = (m, place) => {
    const value = m.value[place], [low, high] = m.between[place], beside = m.beside[place], said = [];
    if (value === null) said.push(`The ${m.name} on ${m.rows} is not given${status(place).includes(":") ? "" : " for this slice"}.`);
    else {
      const rows = `${count(m.n[place])} ${m.rows}${m.share[place] === null ? "" : `, ${percent(m.share[place])} of them`}`;
      const sure = low === null ? "" : ` (${figure(low)} to ${figure(high)})`;
      const times = beside > 0 && value >= 0 ? `, ${(value / beside).toFixed(2)} times as much` : "";
      said.push(`${m.name[0].toUpperCase()}${m.name.slice(1)} ${figure(value)}${sure} on ${rows}${beside === null ? "" : `; ${m.against}: ${figure(beside)}${times}`}${m.guess[place] === null ? "" : `; ${data.guess}: ${figure(m.guess[place])}`}.`);
    }
    const told = {
      confirmed: `Confirmed on test rows: worse than the rows outside it (p, adjusted ${chance(data.p[place])}).`,
      "not confirmed": `Not confirmed on test rows (p, adjusted ${chance(data.p[place])}): it may be chance.${data.power[place] === null ? "" : ` The test finds an excess like the one on validation rows with a chance of ${data.power[place].toFixed(2)}.`}`,
      "could not test": `Not tested: fewer than ${data.few} test rows in it or outside it.`,
    }[status(place)];
    said.push(told || `${status(place)[0].toUpperCase()}${status(place).slice(1)}.`);
    said.push(isDeclared(place) ? "A declared group." : "Found by the search on validation rows.");
    if (data.same[place]) said.push(`Also described by: ${data.same[place]}.`);
    if (data.over[place]) said.push(`Overlapping slices: ${data.over[place]}.`);
    const own = new Set(conditions[place]);
    const above = places.filter((other) => conditions[other].length < own.size && conditions[other].every((item) => own.has(item)));
    if (above.length) said.push(`Part of: ${above.slice(0, 5).map((other) => `${names[other]} (${figure(m.value[other])})`).join("; ")}${above.length > 5 ? `; and ${above.length - 5} more` : ""}.`);
    return said;
  };
  const fits = el("p", { class: "fits", role: "status" }), detail = el("div", { class: "detail", "aria-live": "polite" });
  const legend = el("p", { class: "mlopskit-more" });
  const more = el("button", { type: "button", class: "copy" });
  const current = () => measureOf(Number(controls.measure.value));
  const look = () => {
    const [first, ...others] = sentences(current(), chosen);
    detail.replaceChildren(el("p", {}, el("strong", {}, names[chosen])), el("p", {}, first), el("p", {}, others.join(" ")));
  };
  let found = [];
  const show = () => {
    const m = current();
    found = sorted(fitting(m), m);
    body.replaceChildren(...found.slice(0, limit).map((place) => row(m, place)));
    fits.textContent = fill(data.fit, { fitting: found.length, of: names.length, confirmed: found.filter(isConfirmed).length });
    more.hidden = found.length <= FIRST;
    more.textContent = limit > FIRST ? `Show ${FIRST} rows` : `Show all ${count(found.length)} rows`;
    headings.forEach(({ cell }, key) => {
      if (key === controls.order.value) cell.setAttribute("aria-sort", falls ? "descending" : "ascending"); else cell.removeAttribute("aria-sort");
    });
    headings.get("value").button.textContent = m.name;
    headings.get("beside").button.textContent = m.against;
    headings.get("n").button.textContent = m.rows;
    scale.textContent = `${figure(m.low)} to ${figure(m.high)}`;
  };
  const changed = () => { limit = FIRST; show(); };

  body.addEventListener("click", (event) => {
    const pick = event.target.closest(".pick");
    if (!pick) return;
    chosen = Number(pick.dataset.place);
    all(".pick", body).forEach((button) => button.setAttribute("aria-pressed", String(button === pick)));
    look();
  });
  more.addEventListener("click", () => {
    limit = limit > FIRST ? FIRST : Infinity;
    show();
    say(limit > FIRST ? "All rows are shown." : `${FIRST} rows are shown.`);
  });
  const describe = () => {
    const m = current();
    const line = m.between.some(([low]) => low !== null) ? `; bar: its 95 % interval (${m.k ? "Wilson" : "as in the table of groups"})` : "; it has no interval here";
    legend.textContent = `Dot: ${m.name} of the slice${line}; upright line: ${m.against}.${m.guess.some((item) => item !== null) ? ` Guess: the ${data.guess} on the same rows.` : ""} Red is confirmed on test rows.`;
  };
  controls.measure.addEventListener("change", () => {
    falls = Boolean(current().down);
    controls.order.value = "value";
    describe();
    look();
  });
  controls.order.addEventListener("change", () => { falls = !["name", "p"].includes(controls.order.value) && (controls.order.value !== "value" || Boolean(current().down)); });
  Object.values(controls).forEach((control) => control.addEventListener("input", changed));
  ["measure", "order"].forEach((name) => controls[name].addEventListener("change", changed));

  const head = ["slice", "rows", "share of rows", "figure", "low", "high", data.guess, "held against", "p, adjusted", "status"];
  part.querySelector(".gist").after(
    el("div", { class: "choices", role: "group", "aria-label": "Choose among the slices" },
      labelled("Search", controls.text), labelled("Column", controls.column), labelled("Figure", controls.measure),
      labelled("Rows at least", controls.rows), labelled("Sorted by", controls.order),
      el("label", { class: "tick-box" }, controls.confirmed, el("span", {}, "confirmed only"))),
    fits, detail,
    el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Slices that fit" }, table), legend,
    el("div", { class: "tools" }, copyButton(() => [head, ...found.map((place) => texts(current(), place))]), more));
  part.querySelector(".gist").hidden = true;
  describe();
  changed();
  look();
})();
