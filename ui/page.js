// What the page does by itself; Gradio calls it with the history's own element.
const panel = () => document.querySelector("#evidence");
const fold = text => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function search() {
  const box = element.querySelector("input[type=search]");
  const wanted = fold(box?.value ?? "").split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of element.querySelectorAll("li")) {
    const title = fold(row.querySelector("a").textContent);
    row.hidden = !wanted.every(word => title.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  for (const group of element.querySelectorAll("section")) group.hidden = !group.querySelector("li:not([hidden])");
  const none = element.querySelector(".none");
  if (none) none.hidden = shown > 0 || wanted.length === 0;
}

function rename(row, id) {
  const link = row.querySelector("a"), box = document.createElement("input");
  box.value = link.textContent;
  box.maxLength = 300;
  box.setAttribute("aria-label", link.textContent);
  let over = false;
  const end = keep => {
    if (over) return;
    over = true;
    box.replaceWith(link);
    const title = box.value.trim();
    if (keep && title && title !== link.textContent) trigger("submit", {act: "rename", id, title});
  };
  box.addEventListener("keydown", event => {
    if (event.key === "Enter" || event.key === "Escape") end(event.key === "Enter");
  });
  box.addEventListener("blur", () => end(true));
  link.replaceWith(box);
  box.select();
}

element.addEventListener("input", event => { if (event.target.type === "search") search(); });
element.addEventListener("click", event => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  const {act, id} = button.dataset;
  if (act === "rename") rename(button.closest("li"), id);
  else trigger("submit", {act, id});
});

function evidence(target) {
  const step = target.closest("#evidence .step");
  if (step) return {run: step.dataset.run, at: Number(step.dataset.at)};
  const mark = target.closest("#chat .mark, #chat .source"), turn = mark?.closest(".turn[id]");
  if (!turn) return null;
  const [, kind, number] = /\b(at|n)-(\d+)\b/.exec(mark.className) ?? [];
  return kind ? {run: turn.id.slice("turn-".length), [kind]: Number(number)} : null;
}

function close() {
  const open = panel().querySelector("aside");
  if (open) open.hidden = true;
  document.querySelector("#chat .mark.open")?.classList.remove("open");
}

function act(event) {
  const {target} = event;
  if (!(target instanceof Element)) return;
  if (target.closest("#evidence .close")) return close();
  if (target.closest("#chat .retry")) return document.querySelector("#again")?.click();
  if (target.closest("#past-toggle")) return document.querySelector("#past").classList.toggle("listing");
  const wanted = evidence(target);
  if (!wanted) return;
  event.preventDefault();
  document.querySelector("#chat .mark.open")?.classList.remove("open");
  const turn = document.getElementById(`turn-${wanted.run}`);
  turn?.querySelector(`.mark.at-${wanted.at}`)?.classList.add("open");
  const before = panel().querySelector("aside"); // the same passage again is no change that Gradio would draw
  if (before) before.hidden = false;
  trigger("click", {act: "evidence", ...wanted});
}

function isEmpty(event) {
  const box = document.querySelector("#question textarea");
  if (event.type === "keydown") return event.key === "Enter" && event.target === box && !box.value.trim();
  return event.target instanceof Element && event.target.closest("#question .submit-button") && !box.value.trim();
}

for (const kind of ["keydown", "click"]) {
  document.addEventListener(kind, event => {
    if (!isEmpty(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
}
document.addEventListener("click", act);
document.addEventListener("keydown", event => {
  if (event.key === "Escape") close();
  const onMark = event.target instanceof Element && event.target.matches("#chat .mark");
  if (onMark && (event.key === "Enter" || event.key === " ")) act(event);
});
watch("value", search);
new MutationObserver(() => panel()?.querySelector("mark")?.scrollIntoView({block: "center"}))
  .observe(panel(), {childList: true, subtree: true});
