// A page beside the chat: buttons and forms say what they wish; files are sent one by one.
const LIVE_MS = 4000, SURE_MS = 4000;
const sheet = () => element.querySelector(".sheet");

element.addEventListener("click", event => {
  const button = event.target.closest("button[data-act]");
  if (!button) return;
  const {sure, ...wish} = button.dataset;
  if (sure && !button.classList.contains("asked")) {
    const words = button.textContent;
    button.classList.add("asked");
    button.textContent = sure;
    setTimeout(() => { button.classList.remove("asked"); button.textContent = words; }, SURE_MS);
    return;
  }
  button.disabled = true;
  trigger("submit", wish);
});

element.addEventListener("submit", event => {
  event.preventDefault();
  const fields = Object.fromEntries([...new FormData(event.target)].filter(([, value]) => typeof value === "string"));
  event.target.querySelector("button").disabled = true;
  trigger("submit", {...fields, act: event.target.dataset.act});
});

element.addEventListener("change", event => {
  if (event.target.type === "file") send(event.target.closest(".upload"), [...event.target.files]);
});
for (const kind of ["dragover", "drop"]) {
  element.addEventListener(kind, event => {
    const form = element.querySelector(".upload");
    if (!form) return;
    event.preventDefault();
    if (kind === "drop") send(form, [...event.dataTransfer.files]);
  });
}

const PLACED = /\.(csv|tsv|tab|x?html?|eml|mbox|rtf)$/i; // texts whose rows and headings a parser knows
async function read(file) { // empty for what is no plain text
  if (PLACED.test(file.name)) return "";
  const text = new TextDecoder("utf-8", {fatal: true});
  return text.decode(await file.arrayBuffer());
}

async function send(form, files) {
  const {collection, most, uploading, uploaded, refused, tooLarge, failed, tooLong, sending, reading} = form.dataset;
  const place = form.querySelector(".progress"), bad = [];
  let accepted = 0, unchanged = 0;
  for (const [at, file] of files.entries()) {
    const step = uploading.replace("{done}", at + 1).replace("{count}", files.length);
    place.textContent = step;
    const name = file.name.replace(/[\x00-\x1f/\\]/g, "_").slice(0, 240);
    let text = "";
    if (file.size > Number(most)) { bad.push([file.name, tooLarge]); continue; }
    try { text = await read(file); } catch { /* no UTF-8 */ }
    if (!text.trim() || text.includes("\0")) {
      const words = {sending, reading, tooLarge, failed, tooLong};
      const told = state => { place.textContent = `${step} ${file.name}: ${state}`; };
      const ended = await handOver(file, {collection, most: Number(most), words, told});
      if (ended.state === "read") accepted += 1;
      else bad.push([file.name, ended.reason]);
      continue;
    }
    const body = JSON.stringify({name, text, collection});
    const headers = {"content-type": "application/json"};
    const answer = await fetch("/knowledge/documents", {method: "POST", headers, body}).catch(() => null);
    const said = await answer?.json().catch(() => null);
    if (answer?.ok && said && !said.failed.length) { accepted += said.accepted; unchanged += said.unchanged; }
    else bad.push([file.name, said?.error?.message ?? said?.failed?.[0]?.reason ?? failed]);
  }
  told = {text: uploaded.replace("{accepted}", accepted).replace("{unchanged}", unchanged), refused, bad};
  tell(); // where nothing was added, nothing is drawn again
  trigger("submit", {act: "refresh", collection});
}

let told = null;
function tell() { // also after the page was drawn again
  const place = element.querySelector(".upload .progress");
  if (!told || !place) return;
  place.textContent = told.text;
  if (!told.bad.length) return;
  const list = document.createElement("ul");
  for (const [name, reason] of told.bad)
    list.append(Object.assign(document.createElement("li"), {textContent: `${name}: ${reason}`}));
  place.append(Object.assign(document.createElement("p"), {textContent: told.refused}), list);
}
watch("value", tell);
setInterval(() => {
  const busy = element.contains(document.activeElement) || element.querySelector(".asked");
  if (sheet()?.dataset.live && element.offsetParent && !document.hidden && !busy) trigger("submit", {act: "refresh"});
}, LIVE_MS);
