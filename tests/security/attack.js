// What a page can try against a door. Gives, for each way, what the page could see of it; "" is nothing.
async (target) => {
  const PATIENCE_MS = 8000;
  const { url, read, act, body, socket } = target;
  const options = { method: "POST", body };
  const kinds = (kind) => ({ ...options, headers: { "content-type": kind } });
  const text = (answer) => answer.then((got) => got.text());
  const opaque = (answer) => answer.then((got) => (got.type === "opaque" ? "" : got.type));

  const element = (name, attributes, good) =>
    new Promise((resolve) => {
      const node = Object.assign(document.createElement(name), attributes);
      node.addEventListener(good, () => resolve(`${name} ${good}`));
      node.addEventListener("error", () => resolve(""));
      document.body.append(node);
    });

  const frame = (address) =>
    new Promise((resolve) => {
      const node = document.createElement("iframe");
      node.name = `frame${Math.random()}`;
      node.addEventListener("load", () => {
        try {
          const inside = node.contentDocument;
          resolve(inside && inside.URL !== "about:blank" ? `frame ${inside.body.innerText}` : "");
        } catch {
          resolve("");
        }
      });
      if (address) node.src = address;
      document.body.append(node);
      frame.last = node;
    });

  const form = (enctype) => {
    const loaded = frame("");
    const node = Object.assign(document.createElement("form"), {
      action: url + act, method: "POST", enctype, target: frame.last.name,
    });
    // As text/plain this makes a body of valid JSON.
    const [name, value] = [body.slice(0, -1) + ',"x":"', '"}'];
    node.append(Object.assign(document.createElement("input"), { name, value, type: "hidden" }));
    document.body.append(node);
    node.submit();
    return loaded.then(() => new Promise((resolve) => setTimeout(() => resolve(""), 500)));
  };

  const opened = (source) =>
    new Promise((resolve) => {
      source.onopen = () => resolve("opened");
      source.onmessage = () => resolve("message");
      source.onerror = () => resolve("");
    }).finally(() => source.close());

  const xhr = () =>
    new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("POST", url + act);
      request.onload = () => resolve(request.responseText);
      request.onerror = () => resolve("");
      request.send(body);
    });

  const ways = {
    "fetch a get": () => text(fetch(url + read)),
    "fetch a get without cors": () => opaque(fetch(url + read, { mode: "no-cors" })),
    "fetch a get with cookies": () => text(fetch(url + read, { credentials: "include" })),
    "fetch json": () => text(fetch(url + act, kinds("application/json"))),
    "fetch text": () => text(fetch(url + act, kinds("text/plain"))),
    "fetch text with json in its name": () => text(fetch(url + act, kinds("text/plain;application/json"))),
    "fetch text without cors": () => opaque(fetch(url + act, { ...kinds("text/plain"), mode: "no-cors" })),
    "fetch bytes without a kind": () => opaque(fetch(url + act, { ...options, body: new Blob([body]), mode: "no-cors" })),
    "xhr": xhr,
    "beacon text": async () => (navigator.sendBeacon(url + act, body), ""),
    "beacon json": async () =>
      (navigator.sendBeacon(url + act, new Blob([body], { type: "application/json" })), ""),
    "form text": () => form("text/plain"),
    "form fields": () => form("application/x-www-form-urlencoded"),
    "form parts": () => form("multipart/form-data"),
    "image": () => element("img", { src: url + read }, "load"),
    "audio": () => element("audio", { src: url + read, preload: "auto" }, "canplay"),
    "script": () => element("script", { src: url + read }, "load"),
    "stylesheet": () => element("link", { href: url + read, rel: "stylesheet" }, "load"),
    "frame": () => frame(url + read),
    "event source": () => opened(new EventSource(url + read)),
    "socket": () => opened(new WebSocket(url.replace("http", "ws") + socket)),
  };
  const found = {};
  for (const [way, attempt] of Object.entries(ways)) {
    const late = new Promise((resolve) => setTimeout(() => resolve(""), PATIENCE_MS));
    found[way] = await Promise.race([attempt().catch(() => ""), late]);
  }
  return found;
}
