"use strict";
const alertOf = () => document.querySelector("[role=alert]");

async function send(method, path, body) {
  try {
    return await fetch(path, {
      method, headers: { "content-type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    return null;
  }
}

function sentence(form, answer) {
  const said = form.dataset;
  if (answer?.status === 401) return said.wrong;
  if (answer?.status === 429) return said.wait.replace("{seconds}", answer.headers.get("retry-after") ?? "60");
  return said.failed;
}

const form = document.querySelector("form");
form?.addEventListener("submit", async event => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  alertOf().textContent = "";
  const answer = await send("POST", form.getAttribute("action"), Object.fromEntries(new FormData(form)));
  if (answer?.ok) {
    location.replace((await answer.json()).next);
    return;
  }
  alertOf().textContent = sentence(form, answer);
  button.disabled = false;
  form.querySelector("[name=password]").select();
});

for (const button of document.querySelectorAll("[data-send]")) {
  button.addEventListener("click", async () => {
    const [method, path] = button.dataset.send.split(" ");
    button.disabled = true;
    const answer = await send(method, path);
    if (answer?.ok || answer?.status === 401) {
      location.assign(button.dataset.next);
      return;
    }
    alertOf().textContent = document.querySelector("main").dataset.failed;
    button.disabled = false;
  });
}
