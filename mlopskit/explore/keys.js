// Keys that a menu or a slider of an explorer needs stay with it: JupyterLab would select another cell, or insert one.
const NEEDED = ":is(select, input[type=range])";

function isCommand(event) {
  const shortcut = event.ctrlKey || event.metaKey || event.altKey;
  return shortcut || event.key === "Tab" || event.key === "Escape" || (event.key === "Enter" && event.shiftKey);
}

function render({ el }) {
  const page = el.ownerDocument;
  const keep = (event) => {
    const explorer = el.closest(".mlopskit-explorer");
    if (explorer?.contains(event.target) && event.target.matches(NEEDED) && !isCommand(event)) event.stopPropagation();
  };
  page.addEventListener("keydown", keep, true); // on the way down, since what a key does by default it does all the same
  return () => page.removeEventListener("keydown", keep, true);
}

export default { render };
