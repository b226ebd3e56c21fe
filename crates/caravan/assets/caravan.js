// What makes the pages pleasanter; without it every one of them works as well.
"use strict";

// A page that follows what happens is read anew, unless somebody fills something in.
const isFilledIn = (field) => {
  if (field.tagName === "SELECT") {
    const usual = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(usual, 0);
  }
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  return field.type !== "hidden" && field.value !== field.defaultValue;
};

const isBusy = (main) => {
  const at = document.activeElement;
  const isTyping = at && main.contains(at) && ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName);
  const fields = [...main.querySelectorAll("input, textarea, select")];
  return isTyping || fields.some(isFilledIn) || main.querySelector("details[open] form") !== null;
};

const refresh = async () => {
  const main = document.querySelector("[data-live]");
  if (!main || document.hidden || isBusy(main)) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const read = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
  if (!read) return;
  const focused = document.activeElement && main.contains(document.activeElement) ? document.activeElement.id : "";
  const kept = main.querySelector("#moving");
  const moving = read.querySelector("#moving");
  if (kept && moving) moving.replaceWith(kept);
  // What was unfolded stays so.
  for (const open of main.querySelectorAll("details[open][id]")) read.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  main.replaceChildren(...read.childNodes);
  if (focused) document.getElementById(focused)?.focus();
};

// However much happens, a page is read anew once in a while.
const REFRESH_PAUSE = 500;
let due = null;
const refreshSoon = () => {
  due ??= setTimeout(() => {
    due = null;
    refresh().catch(() => {});
  }, REFRESH_PAUSE);
};

// What is under way is looked at again until it has ended, whatever else happens.
const UNDER_WAY_PAUSE = 2000;
setInterval(() => {
  if (document.querySelector("main [data-under-way]")) refreshSoon();
}, UNDER_WAY_PAUSE);

const showCounts = (counts) => {
  for (const [name, number] of Object.entries(counts)) {
    for (const badge of document.querySelectorAll(`[data-count="${name}"]`)) {
      badge.querySelector(".number").textContent = number;
      badge.hidden = number === 0 && badge.classList.contains("badge");
    }
  }
};

// A purchase that moves through: its steps light up as it passes them.
const MOVING_MAX = 6;
const show = (told) => {
  for (const stage of document.querySelectorAll(`[data-tells~="${told.topic}"]`)) {
    stage.classList.remove("passed");
    void stage.offsetWidth;
    stage.classList.add("passed");
  }
  const list = document.getElementById("moving");
  if (!list || !told.purchase_id) return;
  let row = list.querySelector(`[data-purchase="${told.purchase_id}"]`);
  if (!row) {
    row = document.getElementById("moving-row").content.firstElementChild.cloneNode(true);
    row.dataset.purchase = told.purchase_id;
    const link = row.querySelector("a");
    link.href = `/purchases/${told.purchase_id}`;
    link.textContent = told.label;
    list.prepend(row);
    while (list.children.length > MOVING_MAX) list.lastElementChild.remove();
  }
  row.querySelector(`[data-step="${told.topic}"]`)?.removeAttribute("hidden");
};

const follow = () => {
  const source = new EventSource("/live");
  source.addEventListener("counts", (event) => showCounts(JSON.parse(event.data)));
  source.addEventListener("changed", refreshSoon);
  source.addEventListener("told", (event) => {
    show(JSON.parse(event.data));
    refreshSoon();
  });
};

// A file is put into the field beside it, where it can be seen before it is sent.
const readFiles = () => {
  for (const input of document.querySelectorAll("input[type=file][data-into]")) {
    input.closest("[hidden]")?.removeAttribute("hidden");
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (file) document.getElementById(input.dataset.into).value = await file.text();
    });
  }
};

if (document.querySelector(".side")) follow();
readFiles();
