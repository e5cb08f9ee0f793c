// Theme: automatic, light, dark. Where storage is forbidden the choice lasts as long as the page.
(() => {
  "use strict";
  const root = document.documentElement, button = document.getElementById("theme");
  const themes = ["automatic", "light", "dark"];
  const choose = (name) => {
    if (name === "automatic") delete root.dataset.theme; else root.dataset.theme = name;
    button.lastElementChild.textContent = name;
    try { localStorage.setItem("mlopskit-theme", name); } catch { /* not allowed here */ }
  };
  let theme = "automatic";
  try { theme = localStorage.getItem("mlopskit-theme") || theme; } catch { /* not allowed here */ }
  choose(themes.includes(theme) ? theme : "automatic");
  button.addEventListener("click", () => choose(themes[(themes.indexOf(root.dataset.theme || "automatic") + 1) % 3]));
  button.parentElement.hidden = false;
})();
