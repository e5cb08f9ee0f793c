// What the other scripts of the page are made with. Text goes in as text, never as HTML.
const page = (() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const made = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== null && child !== ""));
    return node;
  };
  const el = (tag, attributes = {}, ...children) => made(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) => made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  const say = (words) => { document.getElementById("said").textContent = words; };
  const fill = (words, values) => words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  // Numbers as the tables of the page write them: halves go to the even digit.
  const count = (value) => value.toLocaleString("en");
  const figure = (value) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    if (Math.abs(value) >= 10000) return Math.round(value).toLocaleString("en");
    const half = value * 16 % 1 === 0 && value * 1000 % 1 !== 0;
    return half ? (2 * Math.round(value * 500) / 1000).toFixed(3) : value.toFixed(3);
  };
  const chance = (value) => (value === null ? "–" : value < 0.001 ? "< 0.001" : value.toFixed(3));
  // Wilson's interval of a share, at 95 %.
  const wilson = (k, n) => {
    const z = 1.959963984540054, middle = (k + z * z / 2) / (n + z * z);
    const reach = z / (n + z * z) * Math.sqrt(k * (n - k) / n + z * z / 4);
    return [k === 0 ? 0 : Math.max(middle - reach, 0), k === n ? 1 : Math.min(middle + reach, 1)];
  };

  const copied = async (text) => {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* a page from disk may not */ }
    const area = document.createElement("textarea"), had = document.activeElement;
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    had.focus({ preventScroll: true });
    return done;
  };
  // A spreadsheet would run a text that begins like a formula; a signed number, its interval beside it, is none.
  const harmless = (text) => (/^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d\s.,()%–\u2060to-]*$/.test(text) ? `'${text}` : text);
  const csv = (rows) => rows.map((row) => row.map((text) => `"${harmless(text).replace(/"/g, '""')}"`).join(",")).join("\r\n");
  const copyButton = (rows) => {
    const button = el("button", { type: "button", class: "copy" }, "Copy as CSV");
    button.addEventListener("click", async () => {
      button.textContent = await copied(csv(rows())) ? "Copied" : "Not allowed here";
      say(button.textContent);
      setTimeout(() => { button.textContent = "Copy as CSV"; }, 1600);
    });
    return button;
  };
  const labelled = (words, control) => el("label", {}, el("span", {}, words), control);
  const choice = (options) => el("select", {}, ...options.map(([value, words]) => el("option", { value }, words)));
  return { all, el, draw, say, fill, plain, count, figure, chance, wilson, copyButton, labelled, choice };
})();
