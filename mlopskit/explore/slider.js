// A native slider: its label names it, and it can be dragged, clicked and moved by keys in every browser.
function render({ model, el }) {
  const label = document.createElement("label");
  const words = document.createElement("span");
  const input = document.createElement("input");
  words.className = "widget-label";
  words.textContent = model.get("description");
  input.type = "range";
  label.append(words, input);
  el.classList.add("mlopskit-slider");
  el.append(label);

  const show = () => {
    for (const name of ["min", "max", "step"]) input[name] = model.get(name);
    input.value = model.get("value");
    input.setAttribute("aria-valuetext", model.get("value"));
  };
  const tell = () => {
    model.set("value", input.valueAsNumber);
    model.save_changes();
  };
  show();
  model.on("change", show);
  input.addEventListener("input", tell);
  return () => model.off("change", show);
}

export default { render };
