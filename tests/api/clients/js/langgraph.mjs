// Calls of LangGraph's official JavaScript client, unchanged, and those that Agent Chat UI makes with it.
// Prints {row: what came of it, or the error's status}.
import { Client } from "@langchain/langgraph-sdk";

const apiUrl = process.argv[2];
const client = new Client({ apiUrl, callerOptions: { maxRetries: 0 } });
const agent = "capibara6";
const input = { messages: [{ type: "human", content: "¿En qué puerto escucha el agente?", id: "m1" }] };
const thread = (await client.threads.create({ metadata: { of: "js" } })).thread_id;

async function all(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

const last = (values) => values.messages.at(-1).content.includes("5000");
const kinds = (parts) => [...new Set(parts.map((part) => part.event))].sort();
const fresh = async () => (await client.threads.create()).thread_id;

const rows = {
  "assistants.search": async () => (await client.assistants.search())[0].assistant_id,
  "assistants.create": async () =>
    (await client.assistants.create({ graphId: agent, assistantId: "js", name: "De JS" })).name,
  "assistants.update": async () => (await client.assistants.update("js", { name: "Otro" })).version,
  "assistants.getVersions": async () => (await client.assistants.getVersions("js")).length,
  "assistants.setLatest": async () => (await client.assistants.setLatest("js", 1)).name,
  "assistants.getGraph": async () => (await client.assistants.getGraph("js")).nodes.length > 2,
  "assistants.getSchemas": async () => (await client.assistants.getSchemas(agent)).graph_id,
  "assistants.getSubgraphs": async () => client.assistants.getSubgraphs(agent),
  "assistants.count": async () => client.assistants.count({ graphId: agent }),
  "assistants.delete": async () => (await client.assistants.delete("js")) ?? "gone",
  "runs.wait": async () => last(await client.runs.wait(thread, agent, { input })),
  "runs.wait without a thread": async () => last(await client.runs.wait(null, agent, { input })),
  "runs.stream": async () =>
    kinds(await all(client.runs.stream(thread, agent, { input, streamMode: ["values", "updates"] }))),
  "runs.create, join": async () => {
    const run = await client.runs.create(thread, agent, { input });
    return last(await client.runs.join(thread, run.run_id));
  },
  "runs.joinStream": async () => {
    const run = await client.runs.create(thread, agent, { input, streamMode: "values" });
    return kinds(await all(client.runs.joinStream(thread, run.run_id)));
  },
  "runs.list": async () => (await client.runs.list(thread)).length,
  "runs.get": async () => (await client.runs.get(thread, (await client.runs.list(thread))[0].run_id)).status,
  "runs.createBatch": async () =>
    (await client.runs.createBatch([{ assistantId: agent, input }])).map((run) => run.assistant_id),
  "runs.cancel": async () => {
    const run = await client.runs.create(await fresh(), agent, { input, afterSeconds: 60 });
    await client.runs.cancel(run.thread_id, run.run_id, true);
    return (await client.runs.get(run.thread_id, run.run_id)).status;
  },
  "runs.delete": async () =>
    (await client.runs.delete(thread, (await client.runs.list(thread))[0].run_id)) ?? "gone",
  "threads.get": async () => (await client.threads.get(thread)).status,
  "threads.getState": async () => last((await client.threads.getState(thread)).values),
  "threads.getHistory": async () => (await client.threads.getHistory(thread, { limit: 2 })).length,
  "threads.updateState": async () =>
    typeof (await client.threads.updateState(thread, { values: { messages: input.messages } })).checkpoint
      .checkpoint_id,
  "threads.update": async () => (await client.threads.update(thread, { metadata: { a: 1 } })).metadata.of,
  "threads.count": async () => client.threads.count({ metadata: { of: "js" } }),
  "threads.copy": async () => (await client.threads.copy(thread)).thread_id !== thread,
  "threads.delete": async () => (await client.threads.delete(await fresh())) ?? "gone",
  "store.putItem, getItem": async () => {
    await client.store.putItem(["js"], "k", { v: 1 });
    return (await client.store.getItem(["js"], "k")).value;
  },
  "store.searchItems": async () => (await client.store.searchItems(["js"])).items.length,
  "store.listNamespaces": async () => (await client.store.listNamespaces({ prefix: ["js"] })).namespaces,
  "store.deleteItem": async () => (await client.store.deleteItem(["js"], "k")) ?? "gone",
  "crons.create without Prefect": async () =>
    client.crons.create(agent, { schedule: "0 9 * * *", input }),
  "runs.wait, nobody": async () => client.runs.wait(null, "nobody", { input }),
  "chat ui: the server": async () => (await fetch(`${apiUrl}/info`)).status,
  "chat ui: submit": async () =>
    kinds(
      await all(
        client.runs.stream(await fresh(), agent, {
          input,
          config: {},
          context: {},
          metadata: {},
          streamMode: ["values", "messages-tuple", "custom", "updates"],
          streamSubgraphs: true,
          streamResumable: true,
          onDisconnect: "continue",
          multitaskStrategy: "interrupt",
          ifNotExists: "create",
          durability: "async",
        }),
      ),
    ),
  "chat ui: answer to an interrupt, none waits": async () =>
    all(client.runs.stream(thread, agent, { command: { resume: "sí" }, streamMode: ["values"] })),
  "chat ui: threads": async () =>
    (await client.threads.search({ metadata: { graph_id: agent }, limit: 100 })).some(
      (found) => found.thread_id === thread && found.values.messages.length > 0,
    ),
  "chat ui: history": async () =>
    (await client.threads.getHistory(thread, { limit: 10 })).every((state) => "next" in state),
};

const results = {};
for (const [name, call] of Object.entries(rows)) {
  try {
    results[name] = (await call()) ?? null;
  } catch (error) {
    results[name] = error.status ?? String(error);
  }
}
console.log(JSON.stringify(results));
