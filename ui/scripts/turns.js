// What the buttons of a question and of an answer do.
const runOf = target => target.closest(".turn[id]")?.id.slice("turn-".length) ?? target.closest("[data-run]")?.dataset.run;

function copy(text, button) {
  const done = () => {
    const shown = [...button.childNodes];
    button.replaceChildren("✓");
    setTimeout(() => button.replaceChildren(...shown), 1500);
    notice(say("copied"));
  };
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(done, () => byHand(text, done));
  byHand(text, done);
}

function byHand(text, done) { // pages without TLS have no clipboard of their own
  const box = Object.assign(document.createElement("textarea"), {value: text, className: "aside"});
  document.body.append(box);
  box.select();
  if (document.execCommand("copy")) done(); else notice(say("not_copied"));
  box.remove();
}

function textOf(turn) {
  const answer = turn.querySelector(".answer").cloneNode(true);
  for (const part of answer.querySelectorAll("sup, .code header")) part.remove();
  const aside = Object.assign(document.createElement("div"), {className: "aside"});
  aside.append(answer);
  document.body.append(aside);
  const text = answer.innerText.trim();
  aside.remove();
  return text;
}

function edit(question) {
  const said = question.querySelector(".said"), run = question.dataset.run;
  const form = document.createElement("form"), box = document.createElement("textarea");
  form.className = "editing";
  box.value = said.textContent;
  box.rows = Math.min(8, box.value.split("\n").length + 1);
  box.setAttribute("aria-label", say("edit"));
  const send = Object.assign(document.createElement("button"), {textContent: say("send")});
  const leave = Object.assign(document.createElement("button"), {type: "button", textContent: say("cancel")});
  form.append(box, send, leave);
  const end = () => { form.replaceWith(said); };
  leave.addEventListener("click", end);
  form.addEventListener("submit", event => {
    event.preventDefault();
    const text = box.value.trim();
    end();
    if (text) trigger("edit", {act: "again", run, text});
  });
  box.addEventListener("keydown", event => {
    if (event.key === "Escape") { event.stopPropagation(); end(); }
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); form.requestSubmit(); }
  });
  said.replaceWith(form);
  box.focus();
}

function rate(button, signal) {
  const turn = button.closest(".turn"), run = runOf(button);
  turn.querySelector(".reason")?.remove();
  press(turn, signal);
  if (signal === "up") return trigger("submit", {act: "rate", run, signal, reason: ""});
  const form = Object.assign(document.createElement("form"), {className: "reason"});
  const box = Object.assign(document.createElement("input"), {maxLength: 500, placeholder: say("reason")});
  box.setAttribute("aria-label", say("reason"));
  const chips = ["reason_wrong", "reason_missing", "reason_source", "reason_form"].map(key => {
    const chip = Object.assign(document.createElement("button"), {type: "button", textContent: say(key)});
    chip.addEventListener("click", () => { box.value = say(key); form.requestSubmit(); });
    return chip;
  });
  form.append(...chips, box, Object.assign(document.createElement("button"), {textContent: say("send")}));
  form.addEventListener("submit", event => {
    event.preventDefault();
    form.remove();
    trigger("submit", {act: "rate", run, signal, reason: box.value});
  });
  turn.querySelector(".acts").after(form);
  box.focus();
}

function press(turn, signal) {
  for (const name of ["up", "down"])
    turn.querySelector(`[data-act=${name}]`)?.setAttribute("aria-pressed", String(name === signal));
}

function rated() { // judgements of before, once the conversation is drawn
  for (const one of (element.querySelector("nav")?.dataset.rated ?? "").split(" ").filter(Boolean)) {
    const [run, signal] = one.split(":"), turn = document.getElementById(`turn-${run}`);
    if (turn && !turn.querySelector(".reason")) press(turn, signal);
  }
}

function turnAct(target) {
  const button = target.closest("#chat [data-act]");
  if (!button) return false;
  const run = runOf(button), {act} = button.dataset;
  if (act === "suggest") trigger("example_select", {text: button.textContent});
  if (act === "edit") edit(button.closest(".question"));
  if (act === "copy") copy(textOf(button.closest(".turn")), button);
  if (act === "up" || act === "down") rate(button, act);
  if (act === "again") trigger("edit", {act, run});
  if (act === "branch") trigger("edit", {act, run});
  if (act === "why") openPanel({act, run}, button);
  return true;
}
