// Finds what a person means by the words they read: `kind` is "press" (a button, a link, what opens details) or "field"; of
// several with the same words it is the one closest to the words `near`.
"use strict";

const [kind, name, near] = arguments;
const words = (text) => (text ?? "").replace(/\s+/g, " ").trim();
const isShown = (element) => element.checkVisibility({ visibilityProperty: true });

const pressable = () =>
  [...document.querySelectorAll("a[href], button, summary")].filter(isShown).map((element) => ({
    element,
    name: words(element.innerText) || words(element.ariaLabel),
  }));

const fields = () => {
  const labelled = [...document.querySelectorAll("label")].filter(isShown).map((label) => ({
    element: label.control,
    name: words(label.innerText),
  }));
  const told = [...document.querySelectorAll("input, select, textarea")].filter(isShown).map((element) => ({
    element,
    name: words(element.ariaLabel),
  }));
  return [...labelled, ...told].filter(({ element }) => element !== null);
};

// How much stands around an element and the nearest mention of these words.
const distance = (element) => {
  for (let around = element; around !== null; around = around.parentElement) {
    if (words(around.innerText).includes(near)) return words(around.innerText).length;
  }
  return Infinity;
};

const all = kind === "press" ? pressable() : fields();
const exact = all.filter((found) => found.name === name);
let found = exact.length > 0 ? exact : all.filter((found) => found.name.startsWith(name));
if (near) {
  const distances = new Map(found.map((one) => [one, distance(one.element)]));
  found = found.filter((one) => distances.get(one) < Infinity).sort((a, b) => distances.get(a) - distances.get(b));
}
return found.length > 0 ? { element: found[0].element } : { names: all.map((one) => one.name) };
