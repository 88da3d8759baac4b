// Files of this conversation: a button, and dropping them on the chat; a chip says what became of each.
const attaching = () => document.querySelector("#attach .attach");
const SIXTEEN = 16;
let filesOf = {place: "", collection: ""}; // of a conversation that has none yet: its place is empty until one is read

function collectionHere() {
  const kept = element.querySelector("nav")?.dataset.files;
  if (kept) return kept;
  if (!filesOf.collection || (filesOf.place !== place() && filesOf.place !== "")) {
    const random = crypto.getRandomValues(new Uint8Array(SIXTEEN));
    const name = [...random].map(byte => (byte % 36).toString(36)).join("");
    filesOf = {place: place(), collection: `talk_${name}`};
  }
  return filesOf.collection;
}

function forgetFiles() {
  filesOf = {place: "", collection: ""};
  attaching().querySelector("ul").replaceChildren();
}

function chip(name) {
  const item = document.createElement("li"), state = document.createElement("span");
  item.append(Object.assign(document.createElement("b"), {textContent: name}), " ", state);
  attaching().querySelector("ul").append(item);
  return {item, tell: text => { state.textContent = text; }};
}

async function attach(files) {
  const form = attaching(), collection = collectionHere(), most = Number(form.dataset.most);
  const {sending, reading, ready, tooLarge, failed, tooLong} = form.dataset;
  const words = {sending, reading, tooLarge, failed, tooLong};
  for (const file of files) {
    const {item, tell} = chip(file.name);
    const ended = await handOver(file, {collection, most, words, told: tell});
    item.className = ended.state;
    tell(ended.state === "read" ? ready : ended.reason);
    if (ended.state === "read") trigger("submit", {act: "attach", text: collection, title: file.name});
  }
}

document.addEventListener("change", event => {
  if (!event.target.closest?.("#attach")) return;
  attach([...event.target.files]);
  event.target.value = "";
});
for (const kind of ["dragover", "drop"]) {
  document.querySelector("#main").addEventListener(kind, event => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    if (kind === "drop") attach([...event.dataTransfer.files]);
  });
}
