// An agent in Node, without any package: `node worker.mjs`. It turns texts into capitals.
import { setTimeout as sleep } from "node:timers/promises";

const { DURE_URL = "http://127.0.0.1:8000", DURE_KEY, DURE_TENANT = "default", AGENT = "shout-1" } = process.env;
const headers = { "Content-Type": "application/json" };
Object.assign(headers, DURE_KEY ? { Authorization: `Bearer ${DURE_KEY}` } : { "Dure-Tenant": DURE_TENANT });
const self = `/v1/agents/${encodeURIComponent(AGENT)}`;
const leaving = new AbortController();
const inHand = new Map();
let session;

async function shout({ text }, signal) { // the work itself; `signal` says that it is wanted no more
  if (typeof text !== "string") throw Object.assign(new Error("text is missing"), { final: true });
  signal.throwIfAborted();
  return { text: text.toUpperCase() };
}

async function ask(path, body, signal) { // until there is an answer, however long the server is away
  for (let pause = 100; ; pause = Math.min(2 * pause, 15_000)) {
    try {
      const answer = await fetch(DURE_URL + path, { method: "POST", headers, body: JSON.stringify(body), signal });
      if (answer.ok) return await answer.json();
      if (answer.status < 500 && answer.status !== 429) throw Object.assign(new Error(`HTTP ${answer.status}`), await answer.json());
    } catch (error) {
      if (error.code?.match?.(/^[a-z_]+$/) || signal?.aborted) throw error; // a problem of Dure's; or we leave
    }
    await sleep(pause, undefined, { signal });
  }
}

async function register() {
  for (const work of inHand.values()) work.abort(); // others may have them by now
  session = await ask("/v1/agents", { agent_id: AGENT, class: "shout", version: "1.0.0", capabilities: ["shout"] });
  console.log(`registered ${AGENT}`);
}

async function renew() {
  while (await sleep(session.renew_every_s * 1000, true, { ref: false })) {
    const { cancel = [] } = await ask(`${self}/renew`, { epoch: session.epoch }).catch(() => ({}));
    for (const { task_id } of cancel) inHand.get(task_id)?.abort();
  }
}

async function work({ task_id, claim_id, params }, { epoch }) {
  const stop = new AbortController();
  inHand.set(task_id, stop);
  const outcome = await shout(params, stop.signal).then(
    (result) => ["complete", { result }],
    (error) => ["fail", { error_class: error.name, message: error.message, retry: !error.final, cancelled: stop.signal.aborted }],
  );
  // Sent until it is answered; when the lease was lost, the answer is no, and somebody else has the task.
  await ask(`${self}/${outcome[0]}`, { epoch, task_id, claim_id, ...outcome[1] }).catch((no) => console.error(no.code));
  inHand.delete(task_id);
}

for (const name of ["SIGTERM", "SIGINT"]) process.once(name, () => leaving.abort());
await register();
renew();
while (!leaving.signal.aborted) {
  try {
    const asked = { epoch: session.epoch, most: 1, wait_s: 25, holding: [] };
    const { items } = await ask(`${self}/claim`, asked, leaving.signal);
    for (const task of items) await work(task, session);
  } catch (error) {
    if (error.code === "lease_lost") await register();
    else if (!leaving.signal.aborted) throw error;
  }
}
await ask(`${self}/deregister`, { epoch: session.epoch });
