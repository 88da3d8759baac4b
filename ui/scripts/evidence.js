// The panel beside the answer: a passage behind a mark, or why an answer is what it is.
const panel = () => document.querySelector("#evidence");

function evidence(target) {
  const step = target.closest("#evidence .step");
  if (step) return {act: "evidence", run: step.dataset.run, at: Number(step.dataset.at)};
  const mark = target.closest("#chat .mark, #chat .source"), turn = mark?.closest(".turn[id]");
  if (!turn) return null;
  const [, kind, number] = /\b(at|n)-(\d+)\b/.exec(mark.className) ?? [];
  return kind ? {act: "evidence", run: turn.id.slice("turn-".length), [kind]: Number(number)} : null;
}

function closePanel() {
  const open = panel().querySelector("aside");
  if (!open || open.hidden) return false;
  open.hidden = true;
  document.querySelector("#chat .mark.open")?.classList.remove("open");
  panel().opener?.focus();
  return true;
}

function openPanel(wanted, opener) {
  document.querySelector("#chat .mark.open")?.classList.remove("open");
  const turn = document.getElementById(`turn-${wanted.run}`);
  if (wanted.at !== undefined) turn?.querySelector(`.mark.at-${wanted.at}`)?.classList.add("open");
  const before = panel().querySelector("aside"); // the same passage again is no change that Gradio would draw
  if (before) before.hidden = false;
  if (!opener.closest("#evidence")) panel().opener = opener;
  trigger("click", wanted);
}

new MutationObserver(() => panel()?.querySelector("mark")?.scrollIntoView({block: "center"}))
  .observe(panel(), {childList: true, subtree: true});
