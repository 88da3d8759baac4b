// The page's own clicks and keys, the draft that is kept, and the bottom that is kept in sight.
const box = () => document.querySelector("#question textarea");
const place = () => new URLSearchParams(location.search).get("c") ?? "";
const draft = () => `draft:${place()}`;

function isEmpty(event) {
  if (event.type === "keydown") return event.key === "Enter" && event.target === box() && !box().value.trim();
  return event.target instanceof Element && event.target.closest("#question .submit-button") && !box().value.trim();
}

function write(text) { // as a person would: Gradio hears of it
  const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
  set.call(box(), text);
  box().dispatchEvent(new Event("input", {bubbles: true}));
}

function click(event) {
  const {target} = event;
  if (!(target instanceof Element)) return;
  if (target.closest("#evidence .close")) return closePanel();
  if (target.closest("#chat .retry")) return document.querySelector("#again")?.click();
  if (target.closest("#new")) forgetFiles();
  if (target.closest("#past-toggle")) return document.querySelector("#past").classList.toggle("listing");
  const code = target.closest("#chat .copy-code");
  if (code) return copy(code.closest(".code").querySelector("code").textContent, code);
  const file = target.closest("#export [data-kind]");
  if (file) return exported(file);
  if (turnAct(target)) return;
  const wanted = evidence(target);
  if (!wanted) return;
  event.preventDefault();
  openPanel(wanted, target.closest("button"));
}

function exported(button) {
  button.closest("details").open = false;
  if (button.dataset.kind === "print") return print();
  if (!place()) return notice(say("nothing_to_export"));
  if (button.dataset.kind === "share") {
    const names = prompt(say("share_with"));
    return names === null ? undefined : trigger("submit", {act: "share", text: names});
  }
  location.assign(`/conversations/export/${encodeURIComponent(place())}.${button.dataset.kind}?language=${spoken()}`);
}

function keys(event) {
  const control = event.ctrlKey || event.metaKey;
  if (event.key === "Escape" && !event.defaultPrevented) {
    const menu = document.querySelector("details.menu[open]");
    if (menu) menu.open = false;
    else if (!closePanel()) box()?.focus();
  } else if (control && !event.shiftKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    document.querySelector("#past").classList.add("listing");
    element.querySelector("input[type=search]")?.focus();
  } else if (control && event.shiftKey && event.key.toLowerCase() === "o") {
    event.preventDefault();
    document.querySelector("#new")?.click();
  } else if (event.key === "ArrowUp" && event.target === box() && !box().value) {
    const last = [...document.querySelectorAll("#chat .said")].at(-1)?.textContent;
    if (!last) return;
    event.preventDefault();
    write(last);
  }
}

for (const kind of ["keydown", "click"]) {
  document.addEventListener(kind, event => {
    if (!isEmpty(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
}
document.addEventListener("click", click);
document.addEventListener("keydown", keys);
document.addEventListener("click", event => {
  for (const menu of document.querySelectorAll("details.menu[open]"))
    if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("input", event => {
  if (event.target !== box()) return;
  if (box().value) sessionStorage.setItem(draft(), box().value);
  else sessionStorage.removeItem(draft());
});
document.addEventListener("keydown", event => { // what was sent is no draft
  if (event.key === "Enter" && !event.shiftKey && event.target === box()) sessionStorage.removeItem(draft());
}, true);
document.addEventListener("click", event => {
  if (event.target.closest?.("#question .submit-button")) sessionStorage.removeItem(draft());
}, true);
let restored = false;
function restore() { // once the page has arrived: before that it would write over it
  if (restored) return;
  restored = true;
  const kept = sessionStorage.getItem(draft());
  if (kept) setTimeout(() => { if (box() && !box().value) write(kept); }, 150);
}

const scroller = document.querySelector("#chat");
let following = true;
scroller.addEventListener("scroll", () => {
  following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
});
let asked = document.querySelectorAll("#chat .question").length;
new MutationObserver(() => {
  if (following) scroller.scrollTop = scroller.scrollHeight;
  const questions = document.querySelectorAll("#chat .question");
  const scrolls = getComputedStyle(scroller).overflowY !== "visible"; // on a phone the page itself does
  if (questions.length > asked && !scrolls) questions[questions.length - 1].scrollIntoView({block: "start"});
  asked = questions.length;
  rated();
}).observe(scroller, {childList: true, subtree: true});
