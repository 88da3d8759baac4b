// Words of the page in both languages; WORDS is filled in by ui/components.py.
const words = WORDS;
const spoken = () => (document.documentElement.lang === "en" ? "en" : "es");
const say = key => words[key]?.[spoken()] ?? key;

function notice(text) {
  const place = document.querySelector("#notice");
  place.textContent = text;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => { place.textContent = ""; }, 6000);
}
