// Hands one file to the server and tells how far it is: sent, being read, read or refused.
const LOOK_MS = 1000, PATIENT_MS = 20 * 60 * 1000;

async function handOver(file, {collection, most, words, told}) {
  const refused = reason => ({state: "refused", reason});
  if (file.size > most) return refused(words.tooLarge);
  const name = file.name.replace(/[\x00-\x1f/\\]/g, "_").slice(-240);
  told(words.sending);
  const where = `/uploads?${new URLSearchParams({name, collection})}`;
  const request = {method: "POST", headers: {"content-type": "application/octet-stream"}, body: file};
  let answer = await fetch(where, request).catch(() => null);
  const until = Date.now() + PATIENT_MS;
  for (;;) {
    const said = await answer?.json().catch(() => null);
    if (!answer?.ok || !said) return refused(said?.error?.message ?? words.failed);
    if (said.status === "processed") return {state: "read", id: said.id};
    if (said.status === "error") return refused(said.status_details ?? words.failed);
    if (Date.now() > until) return refused(words.tooLong);
    told(words.reading);
    await new Promise(done => setTimeout(done, LOOK_MS));
    answer = await fetch(`/uploads/${encodeURIComponent(said.id)}`).catch(() => null);
  }
}
