// The voice that reads an answer: which one, and how fast; both are kept for the next answer.
const playing = () => document.querySelector("#player audio");

function settle() { // a new player speaks as the last one did
  const audio = playing(), voice = document.querySelector("#player .voice"), kept = localStorage.getItem("voice");
  if (!audio || audio.settled) return;
  audio.settled = true;
  if ([...voice.options].some(one => one.value === kept) && voice.value !== kept) {
    voice.value = kept;
    speak();
  }
  const speed = document.querySelector("#player .speed");
  speed.value = localStorage.getItem("speed") ?? "1.0";
  audio.playbackRate = Number(speed.value) || 1;
  audio.addEventListener("error", () => notice(say("no_sound")));
}

function speak() {
  const audio = playing(), {src} = audio.closest(".player").dataset;
  audio.src = `${src}?${new URLSearchParams({voice: document.querySelector("#player .voice").value})}`;
  audio.play().catch(() => {}); // a browser that wants a click first shows its own button
}

document.addEventListener("change", event => {
  const {target} = event;
  if (!(target instanceof Element) || !target.closest("#player")) return;
  if (target.matches(".voice")) {
    localStorage.setItem("voice", target.value);
    speak();
  }
  if (target.matches(".speed")) localStorage.setItem("speed", target.value);
  playing().playbackRate = Number(document.querySelector("#player .speed").value) || 1;
});
new MutationObserver(settle).observe(document.querySelector("#player"), {childList: true, subtree: true});
