// An agent in Node, without any package: `node worker.mjs`. It turns texts into capitals.
import { setTimeout as sleep } from "node:timers/promises";

const { DURE_URL = "http://127.0.0.1:8000", DURE_KEY, DURE_TENANT = "default", AGENT = "shout-1" } = process.env;
const who = DURE_KEY ? { Authorization: `Bearer ${DURE_KEY}` } : { "Dure-Tenant": DURE_TENANT };
const self = `/v1/agents/${encodeURIComponent(AGENT)}`;
const leaving = new AbortController();
let session, inHand;

async function shout({ text }, signal) { // the work; `signal` says that it is wanted no more
  if (typeof text !== "string") throw Object.assign(new Error("text is missing"), { final: true });
  signal.throwIfAborted();
  return { text: text.toUpperCase() };
}

async function ask(path, body, signal) { // again and again, however long the server is away
  const request = { method: "POST", headers: { "Content-Type": "application/json", ...who }, body: JSON.stringify(body), signal };
  for (let pause = 100; ; pause = Math.min(2 * pause, 15_000)) {
    const answer = await fetch(DURE_URL + path, request).catch(() => signal?.throwIfAborted());
    if (answer?.ok) return answer.json();
    if (answer && answer.status < 500 && answer.status !== 429) throw await answer.json(); // a no, with its `code`
    await sleep(pause, undefined, { signal });
  }
}

async function register() {
  session = await ask("/v1/agents", { agent_id: AGENT, class: "shout", version: "1.0.0", capabilities: ["shout"] });
}

async function renew() {
  while (await sleep(session.renew_every_s * 1000, true, { ref: false })) {
    const { cancel } = await ask(`${self}/renew`, { epoch: session.epoch }).catch(() => ({ cancel: [] }));
    if (cancel.some(({ task_id }) => task_id === inHand?.task_id)) inHand.stop.abort();
  }
}

async function work({ task_id, claim_id, params }) {
  const { epoch } = session, stop = new AbortController();
  inHand = { task_id, stop };
  const [verb, outcome] = await shout(params, stop.signal).then(
    (result) => ["complete", { result }],
    ({ name, message, final }) => ["fail", { error_class: name, message, retry: !final, cancelled: stop.signal.aborted }],
  );
  // Sent until it is answered. After a lost lease the answer is no, and the task is somebody else's.
  await ask(`${self}/${verb}`, { epoch, task_id, claim_id, ...outcome }).catch(({ code }) => console.error(code));
}

for (const name of ["SIGTERM", "SIGINT"]) process.once(name, () => leaving.abort());
await register();
renew();
while (!leaving.signal.aborted) {
  const wish = { epoch: session.epoch, wait_s: 25, holding: [] }; // nothing is in hand while it asks
  const given = await ask(`${self}/claim`, wish, leaving.signal).catch((no) => no);
  if (given.code === "lease_lost") await register();
  else if (given.items) for (const task of given.items) await work(task);
  else if (!leaving.signal.aborted) throw new Error(given.detail);
}
await ask(`${self}/deregister`, { epoch: session.epoch });
