// Graphile Worker.
//
// Settings, those with which its performance page gets its own figures:
// * concurrentJobs 24 on a pool of 25, a local queue of 500, completions and failures batched with a delay of 0 ms;
// * a silent logger: its default one prints a line for every job;
// * enqueueing in bulk with `addJobs`, 5,000 jobs a call.
//
// A finished job's row is deleted.

import { readFileSync } from "node:fs";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { main, numbers } from "./common.mjs";

const { version } = JSON.parse(readFileSync(new URL("node_modules/graphile-worker/package.json", import.meta.url)));
const CONCURRENT_JOBS = 24;
const LOCAL_QUEUE = 500;
const CHUNK = 5000;

const connectionString = process.env.BENCH_DATABASE_URL;
const logger = new Logger(() => () => {});
let utils;

const peer = {
  info: {
    name: "Graphile Worker",
    version,
    keeps_rows: false,
    handler: "async",
    drain_scale: 5,
    remaining_sql: "SELECT count(*) FROM graphile_worker._private_jobs",
    remaining_redis: [],
    settings: {
      concurrentJobs: CONCURRENT_JOBS,
      maxPoolSize: CONCURRENT_JOBS + 1,
      "localQueue.size": LOCAL_QUEUE,
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      "bulk chunk": CHUNK,
    },
  },

  async setup() {
    await this.open();
    await utils.migrate();
  },

  async open() {
    utils = await makeWorkerUtils({ connectionString, logger });
  },

  async enqueueOne(n) {
    for (let i = 0; i < n; i++) await utils.addJob("noop", { i });
  },

  async enqueueBulk(n) {
    for (const part of numbers(n, CHUNK)) {
      await utils.addJobs(part.map((i) => ({ identifier: "noop", payload: { i } })));
    }
  },

  async send(payload) {
    await utils.addJob("stamp", payload);
  },

  async work(worker) {
    const taskList = {
      noop: async () => worker.mark(),
      stamp: async (payload) => worker.arrived(payload),
    };
    await worker.waitForGo();
    await run({
      taskList,
      preset: {
        worker: {
          connectionString,
          concurrentJobs: CONCURRENT_JOBS,
          maxPoolSize: CONCURRENT_JOBS + 1,
          localQueue: { size: LOCAL_QUEUE },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
          logger,
        },
      },
    });
  },
};

await main(peer);
