// Every call of the official JavaScript clients, unchanged. Prints {row: what came of it, or the error's status}.
import { Ollama } from "ollama";
import OpenAI from "openai";

const base = process.argv[2];
const openai = new OpenAI({ baseURL: `${base}/v1`, apiKey: "any", maxRetries: 0 });
const ollama = new Ollama({ host: base });
const messages = [{ role: "user", content: "hola" }];
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];
const chat = (more = {}) => openai.chat.completions.create({ model: "chat", messages, ...more });
const native = (more = {}) => ollama.chat({ model: "chat", messages, ...more });

async function all(stream, piece) {
  const parts = [];
  for await (const part of await stream) parts.push(piece(part));
  return parts;
}

const rows = {
  "openai models.list": async () => (await all(openai.models.list(), (m) => m.id)).slice(0, 2),
  "openai models.retrieve": async () => (await openai.models.retrieve("auto")).owned_by,
  "openai models.delete": async () => openai.models.delete("chat"),
  "openai chat": async () => (await chat()).usage.total_tokens,
  "openai chat stream": async () =>
    (await all(chat({ stream: true, max_tokens: 2 }), (c) => c.choices[0].delta.content ?? "")).join(""),
  "openai chat usage": async () =>
    (await all(chat({ stream: true, stream_options: { include_usage: true } }), (c) => c.usage)).at(-1)
      .completion_tokens,
  "openai chat tools": async () => (await chat({ tools })).choices[0].message.tool_calls[0].function.name,
  "openai chat thinking": async () => (await chat({ model: "wire" })).choices[0].message.reasoning_content,
  "openai chat n": async () => chat({ n: 10 ** 9 }),
  "openai chat nobody": async () => chat({ model: "nobody" }),
  "openai chat.stream": async () =>
    openai.chat.completions.stream({ model: "chat", messages }).finalContent(),
  "openai chat.parse": async () =>
    (await openai.chat.completions.parse({ model: "wire", messages })).choices[0].message.content,
  "openai chat abort": async () => {
    const stream = await chat({ stream: true });
    for await (const part of stream) break;
    return stream.controller.signal.aborted;
  },
  "openai completions": async () =>
    (await openai.completions.create({ model: "chat", prompt: "a", max_tokens: 2 })).choices[0].text,
  "openai embeddings": async () =>
    (await openai.embeddings.create({ model: "vectors", input: ["a", "b"] })).data.length,
  "openai responses": async () =>
    (await openai.responses.create({ model: "wire", input: "hola" })).output_text,
  "openai responses stream": async () =>
    (await all(openai.responses.create({ model: "wire", input: "a", stream: true }), (e) => e.type)).at(-1),
  "openai responses without": async () => openai.responses.create({ model: "extractive", input: "a" }),
  "openai responses.retrieve": async () => openai.responses.retrieve("resp_1"),
  "openai images": async () => openai.images.generate({ prompt: "a" }),
  "ollama list": async () => (await ollama.list()).models.map((m) => m.name).slice(0, 2),
  "ollama version": async () => typeof (await ollama.version()).version,
  "ollama ps": async () => (await ollama.ps()).models.some((m) => m.name === "chat"),
  "ollama show": async () => (await ollama.show({ model: "chat" })).capabilities,
  "ollama chat": async () => (await native()).message.content,
  "ollama chat stream": async () =>
    (await all(native({ stream: true, options: { num_predict: 2 } }), (p) => p.message.content)).join(""),
  "ollama chat tools": async () => (await native({ tools })).message.tool_calls[0].function.arguments.city,
  "ollama chat think": async () => (await native({ model: "wire", think: true })).message.thinking,
  "ollama chat nobody": async () => native({ model: "nobody" }),
  "ollama chat abort": async () => {
    const stream = await native({ stream: true });
    stream.abort();
    try {
      for await (const part of stream);
    } catch (error) {
      return error.name;
    }
  },
  "ollama generate": async () => (await ollama.generate({ model: "chat", prompt: "a" })).response,
  "ollama generate stream": async () =>
    (await all(ollama.generate({ model: "chat", prompt: "a", stream: true }), (p) => p.done)).at(-1),
  "ollama embed": async () => (await ollama.embed({ model: "vectors", input: ["a", "b"] })).embeddings.length,
  "ollama embeddings": async () => (await ollama.embeddings({ model: "vectors", prompt: "a" })).embedding,
  "ollama create": async () => ollama.create({ model: "mine", from: "chat" }),
  "ollama copy": async () => ollama.copy({ source: "chat", destination: "mine" }),
  "ollama delete": async () => ollama.delete({ model: "chat" }),
  "ollama pull": async () => ollama.pull({ model: "chat" }),
  "ollama push": async () => ollama.push({ model: "chat" }),
};

const found = {};
for (const [row, call] of Object.entries(rows)) {
  try {
    found[row] = await call();
  } catch (error) {
    found[row] = error.status ?? error.status_code ?? `${error.name}: ${error.message}`;
  }
}
console.log(JSON.stringify(found));
