// The threshold explorer: what each threshold would do to each group, from counts; answers are drawn, none is fetched.
(() => {
  "use strict";
  const { el, draw, fill, count, figure, wilson, labelled, choice } = page;
  const part = document.getElementById("explore-thresholds");
  if (!part) return;
  const data = JSON.parse(part.querySelector("script").textContent);
  const rates = Object.entries(data.rates);
  const ALIKE = ["selection_rate", "recall", "false_positive_rate"];  // a guess has the same of each group
  let column, groups, steps, own, top, step;  // of the column chosen, and the place of the threshold in its steps
  const inks = (group) => (group ? `var(--series-${(group - 1) % 6 + 1})` : "currentColor");
  const dashes = (group) => (group ? [null, "6 3", "2 3", "9 3 2 3"][Math.floor((group - 1) / 6) % 4] : null);

  // What a rate counts and what it is a share of.
  const counted = (rate, group, step) => {
    const hits = column.hits[group][step], alarms = column.alarms[group][step];
    const positives = column.positives[group], negatives = column.negatives[group];
    return {
      selection_rate: [hits + alarms, positives + negatives], recall: [hits, positives], false_positive_rate: [alarms, negatives],
      precision: [hits, hits + alarms], accuracy: [hits + negatives - alarms, positives + negatives],
    }[rate];
  };
  const share = (rate, group, step) => { const [k, n] = counted(rate, group, step); return n >= data.few ? k / n : null; };
  const known = (rate, step) => groups.map((_, group) => group).filter((group) => group && share(rate, group, step) !== null);
  const ends = (rate, step) => {
    const rows = known(rate, step);
    if (rows.length < 2) return null;
    const by = (better) => rows.reduce((a, b) => (better(share(rate, b, step), share(rate, a, step)) ? b : a));
    return [by((b, a) => b < a), by((b, a) => b > a)];
  };

  const nearest = (wanted) => steps.reduce((best, value, place) => (Math.abs(value - wanted) < Math.abs(steps[best] - wanted) ? place : best), 0);
  const slider = el("input", { type: "range", min: 0, step: 1, autocomplete: "off" });
  const columnOf = choice(data.columns.map(({ name }, place) => [place, name])), rateOf = choice(rates);
  rateOf.value = "recall";
  const back = el("button", { type: "button" }, "The model’s own");
  const shown = el("output", { class: "amount" }), words = el("p", { class: "fits", role: "status" }), against = el("p", { class: "against" });
  const drawing = el("figure", { class: "mlopskit-chart" });
  const body = el("tbody"), gaps = el("tfoot");
  const sample = (group) => draw("svg", { class: "sample", viewBox: "0 0 22 8", "aria-hidden": "true" },
    draw("path", { d: "M0 4H22", stroke: inks(group), "stroke-width": group ? 2 : 3, "stroke-dasharray": dashes(group) }));

  const sentence = (rate) => {
    const overall = share(rate, 0, step);
    let said = fill(data.at, { threshold: steps[step].toFixed(4), own: step === own ? data.ownWords : "", rate: data.rates[rate], overall: figure(overall) });
    const found = ends(rate, step);
    if (found) {
      const [low, high] = found;
      said += fill(data.between, { low: figure(share(rate, low, step)), high: figure(share(rate, high, step)), column: column.name, lowest: groups[low], highest: groups[high] });
      said += `: a difference of ${figure(share(rate, high, step) - share(rate, low, step))}`;
    }
    const guess = data.guess !== null && ALIKE.includes(rate) ? ` ${fill(data.guessWords, { rate: data.rates[rate], guess: data.guess })}` : "";
    return `${said}.${guess}`;
  };
  const compared = () => {
    if (own === null || step === own) return "";
    const found = column.hits[0][step] - column.hits[0][own], alarms = column.alarms[0][step] - column.alarms[0][own];
    const called = data.positive ? `“${data.positive}”` : "positive";
    return `Against the model’s own threshold of ${steps[own].toFixed(4)}, ${count(Math.abs(found + alarms))} ${found + alarms < 0 ? "fewer" : "more"} `
      + `of ${count(column.positives[0] + column.negatives[0])} rows are called ${called}: ${count(Math.abs(found))} that are and ${count(Math.abs(alarms))} that are not.`;
  };
  const cell = (rate, group) => {
    const [k, n] = counted(rate, group, step);
    if (n < data.few) return el("td", { class: "num" }, "–", el("span", { class: "reason" }, fill(data.fewWords, { rows: n === 1 ? "1 row" : `${n} rows` })));
    const [low, high] = wilson(k, n);
    return el("td", { class: "num" }, figure(k / n), el("span", { class: "reason" }, `${figure(low)}–\u2060${figure(high)}`));
  };
  const gap = (rate) => {
    const found = ends(rate, step);
    if (!found) return el("td", { class: "num" }, "–");
    const [low, high] = found;
    return el("td", { class: "num" }, figure(share(rate, high, step) - share(rate, low, step)), el("span", { class: "reason" }, `${groups[low]} to ${groups[high]}`));
  };

  // The chosen rate of each group over all thresholds, with marks at this one and at the model's own.
  const reach = () => {
    const called = steps.filter((_, place) => column.hits[0][place] + column.alarms[0][place] > 0), end = (called.at(-1) || 1) * 1.02;
    return end > 0.5 ? 1 : end;
  };
  const picture = (rate) => {
    const width = Math.max(260, Math.min(drawing.clientWidth || 640, 760)), wide = width >= 560;
    const left = 34, right = width - (wide ? 190 : 10), bottom = 232;
    const x = (value) => left + Math.min(value / top, 1) * (right - left), y = (value) => 10 + (1 - value) * (bottom - 10);
    const text = (words, attributes) => draw("text", { fill: "currentColor", "font-size": 12, ...attributes }, words);
    const line = (group) => {
      let d = "", open = false;
      steps.forEach((value, place) => {
        const at = share(rate, group, place);
        if (at === null) { open = false; return; }
        d += `${open ? "L" : "M"}${x(value).toFixed(1)} ${y(at).toFixed(1)}`;
        open = true;
      });
      return draw("path", { d, fill: "none", stroke: inks(group), "stroke-width": group ? 2 : 3, "stroke-dasharray": dashes(group) });
    };
    const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((value) => [
      draw("path", { d: `M${left} ${y(value)}H${right}`, stroke: "var(--line)" }),
      text(String(value), { x: left - 6, y: y(value) + 4, "text-anchor": "end" }),
      text((value * top).toFixed(top < 0.1 ? 3 : 2).replace(/0+$/, "").replace(/\.$/, ""), { x: x(value * top), y: bottom + 16, "text-anchor": "middle" })]);
    const marks = own === null || own === step ? [] : [draw("path", { d: `M${x(steps[own])} 10V${bottom}`, stroke: "var(--soft)", "stroke-dasharray": "3 3" })];
    const here = groups.map((_, group) => [group, share(rate, group, step)]).filter(([, at]) => at !== null);
    const dots = here.map(([group, at]) => draw("circle", { cx: x(steps[step]), cy: y(at), r: 4, fill: inks(group) }));
    let before = -1;
    const named = wide ? [...here].sort((a, b) => b[1] - a[1]).flatMap(([group, at], place, every) => {
      before = Math.max(before + 15, Math.min(y(at), bottom - 15 * (every.length - 1 - place)));
      const name = groups[group].length > 20 ? `${groups[group].slice(0, 19)}…` : groups[group];
      return [draw("path", { d: `M${right + 8} ${before}h16`, stroke: inks(group), "stroke-width": 2, "stroke-dasharray": dashes(group) }),
        text(`${name} ${figure(at)}`, { x: right + 30, y: before + 4 })];
    }) : [];
    const made = draw("svg", { viewBox: `0 0 ${width} 266`, width, height: 266, role: "img" }, draw("title", {}, sentence(rate)),
      ...ticks, text(`threshold on the score (n = ${count(column.positives[0] + column.negatives[0])} test rows)`, { x: (left + right) / 2, y: bottom + 32, "text-anchor": "middle" }),
      ...groups.map((_, group) => line(group)).reverse(), ...marks,
      draw("path", { d: `M${x(steps[step])} 10V${bottom}`, stroke: "currentColor" }), ...dots, ...named);
    made.addEventListener("pointerdown", (event) => {
      const box = made.getBoundingClientRect();
      step = nearest(((event.clientX - box.left) / box.width * width - left) / (right - left) * top);
      show();
    });
    return made;
  };
  const heading = el("th", { scope: "col" });
  const take = (place) => {  // another column keeps the threshold, as near as it has it
    const at = column ? steps[step] : 0.5, atOwn = !column || step === own;
    column = data.columns[place];
    ({ groups, steps, own } = column);
    step = atOwn && own !== null ? own : nearest(at);
    top = reach();
    slider.max = steps.length - 1;
    heading.textContent = column.name;
    back.hidden = own === null;
  };
  const show = () => {
    const rate = rateOf.value;
    slider.value = step;
    slider.setAttribute("aria-valuetext", `${steps[step].toFixed(4)}${step === own ? data.ownWords : ""}`);
    shown.textContent = steps[step].toFixed(4);
    back.disabled = step === own;
    words.textContent = sentence(rate);
    against.textContent = compared();
    body.replaceChildren(...groups.map((name, group) => el("tr", {}, el("th", { scope: "row" }, sample(group), ` ${name} `,
      el("span", { class: "reason" }, `n = ${count(column.positives[group] + column.negatives[group])}`)), ...rates.map(([key]) => cell(key, group)))));
    gaps.replaceChildren(el("tr", {}, el("th", { scope: "row" }, "largest difference"), ...rates.map(([key]) => gap(key))));
    drawing.replaceChildren(picture(rate));
  };
  slider.addEventListener("input", () => { step = Number(slider.value); show(); });
  columnOf.addEventListener("change", () => { take(Number(columnOf.value)); show(); });
  rateOf.addEventListener("change", show);
  back.addEventListener("click", () => { step = own; show(); slider.focus(); });
  const table = el("table", {}, el("thead", {}, el("tr", {}, heading, ...rates.map(([, name]) => el("th", { scope: "col", class: "num" }, name)))), body, gaps);
  part.querySelector(".gist").after(
    el("div", { class: "choices", role: "group", "aria-label": "Choose a threshold" },
      el("label", { class: "slide" }, el("span", {}, "Threshold ", shown), slider),
      data.columns.length > 1 ? labelled("Groups of", columnOf) : null, labelled("Rate drawn", rateOf), back),
    words, against, drawing, el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Rates by group at this threshold" }, table),
    el("p", { class: "mlopskit-more" }, "In small: 95 % interval (Wilson). Dashed in the drawing: the model’s own threshold."));
  take(0);
  show();
  let width = drawing.clientWidth;
  new ResizeObserver(() => { if (drawing.clientWidth && drawing.clientWidth !== width) { width = drawing.clientWidth; show(); } }).observe(drawing);
})();
