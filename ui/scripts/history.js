// The list of conversations: search in titles here and in texts at the server, rename, pin, delete, undo.
const fold = text => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const found = {text: "", excerpts: new Map()};
let asking = null;

function search() {
  const box = element.querySelector("input[type=search]");
  const text = box?.value.trim() ?? "", wanted = fold(text).split(/\s+/).filter(Boolean);
  if (text !== found.text) look(text);
  let shown = 0;
  for (const row of element.querySelectorAll("li")) {
    const title = fold(row.querySelector("a span")?.textContent ?? "");
    const excerpt = wanted.length ? found.excerpts.get(row.dataset.id) : undefined;
    row.hidden = !excerpt && !wanted.every(word => title.includes(word));
    row.querySelector(".excerpt")?.remove();
    if (excerpt) row.append(Object.assign(document.createElement("p"), {className: "excerpt", textContent: excerpt}));
    shown += row.hidden ? 0 : 1;
  }
  for (const group of element.querySelectorAll("section")) group.hidden = !group.querySelector("li:not([hidden])");
  const none = element.querySelector(".none");
  if (none) none.hidden = shown > 0 || wanted.length === 0;
}

function look(text) {
  clearTimeout(asking);
  found.text = text;
  found.excerpts = new Map();
  if (text.length < 3) return;
  asking = setTimeout(async () => {
    const answer = await fetch(`/conversations/find?text=${encodeURIComponent(text)}`).catch(() => null);
    if (!answer?.ok || found.text !== text) return;
    found.excerpts = new Map((await answer.json()).found.map(one => [one.thread_id, one.excerpt]));
    search();
  }, 300);
}

function rename(row, id) {
  const link = row.querySelector("a"), name = link.querySelector("span").textContent;
  const box = document.createElement("input");
  box.value = name;
  box.maxLength = 300;
  box.setAttribute("aria-label", name);
  let over = false;
  const end = keep => {
    if (over) return;
    over = true;
    box.replaceWith(link);
    const title = box.value.trim();
    if (keep && title && title !== name) trigger("submit", {act: "rename", id, title});
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
  if (act === "delete" && id === place()) forgetFiles();
});
watch("value", () => { search(); rated(); restore(); });
