// pg-boss.
//
// Settings, after its documentation on workers:
// * batches of 500 jobs, two workers in the process (of 200 to 2,000 and 1 to 4, no other pair drained faster), and
//   `burstWhenBatchFull`: no pause while full batches come;
// * LISTEN/NOTIFY on, for the instance and for the queue: without it a worker only polls, every half second at best;
// * enqueueing in bulk with `insert`, 5,000 jobs a call.
//
// Its handler gets a batch as an array and completes it as a whole, which is its ordinary interface. Version 12.38
// depends on a release that its registry did not have when this was written, so 12.35 is pinned.

import { readFileSync } from "node:fs";
import pg from "pg"; // pg-boss depends on it
import { PgBoss } from "pg-boss";
import { main, numbers } from "./common.mjs";

const { version } = JSON.parse(readFileSync(new URL("node_modules/pg-boss/package.json", import.meta.url)));
const BATCH = 500;
const WORKERS = 2;
const CHUNK = 5000;

let boss;

async function start() {
  boss = new PgBoss({ connectionString: process.env.BENCH_DATABASE_URL, useListenNotify: true });
  boss.on("error", (error) => console.error(error.message));
  await boss.start();
}

const peer = {
  info: {
    name: "pg-boss",
    version,
    keeps_rows: true,
    handler: "async, a batch a call",
    drain_scale: 5,
    remaining_sql: "SELECT count(*) FROM pgboss.job WHERE state < 'completed' AND name IN ('noop', 'stamp')",
    remaining_redis: [],
    settings: {
      batchSize: BATCH,
      localConcurrency: WORKERS,
      burstWhenBatchFull: true,
      useListenNotify: true,
      "bulk chunk": CHUNK,
    },
  },

  async setup() {
    await start();
    for (const name of ["noop", "stamp"]) await boss.createQueue(name, { notify: true });
  },

  open: start,

  async enqueueOne(n) {
    for (let i = 0; i < n; i++) await boss.send("noop", { i });
  },

  async enqueueBulk(n) {
    for (const part of numbers(n, CHUNK)) await boss.insert("noop", part.map((i) => ({ data: { i } })));
  },

  async fillDone(n) {
    await this.enqueueOne(1);
    const client = new pg.Client({ connectionString: process.env.BENCH_DATABASE_URL });
    await client.connect();
    await client.query(`
      INSERT INTO pgboss.job
      SELECT r.*
      FROM (SELECT x FROM pgboss.job x LIMIT 1) AS t(row_), generate_series(1, ${n}) AS g,
           LATERAL jsonb_populate_record(t.row_, CASE WHEN g > 0 THEN jsonb_build_object(
             'id', gen_random_uuid(), 'state', 'completed', 'started_on', now(), 'completed_on', now()) END) AS r`);
    await client.query("DELETE FROM pgboss.job WHERE state = 'created'");
  },

  async send(payload) {
    await boss.send("stamp", payload);
  },

  async work(worker) {
    await start();
    await worker.waitForGo();
    const options = {
      batchSize: BATCH,
      localConcurrency: WORKERS,
      burstWhenBatchFull: true,
      pollingIntervalSeconds: 0.5,
    };
    if (worker.stamp) await boss.work("stamp", options, async (jobs) => jobs.forEach((job) => worker.arrived(job.data)));
    else await boss.work("noop", options, async (jobs) => worker.mark(jobs.length));
  },
};

await main(peer);
