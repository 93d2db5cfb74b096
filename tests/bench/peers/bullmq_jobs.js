// Jobs on BullMQ, its completions waited for: node bullmq_jobs.js FOLDER REDIS_PORT worker READY_FILE | ... producer
'use strict';

const { createRequire } = require('node:module');
const { writeFileSync } = require('node:fs');
const { createInterface } = require('node:readline');
const [folder, port, role, readyFile] = process.argv.slice(2);
const { Queue, QueueEvents, Worker } = createRequire(`${folder}/peers.js`)('bullmq');
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };

async function work() {
  const worker = new Worker('jobs', async () => ({ done: true }), { connection, concurrency: 100 });
  await worker.waitUntilReady();
  writeFileSync(readyFile, '');
}

async function produce() {
  const queue = new Queue('jobs', { connection });
  const events = new QueueEvents('jobs', { connection });
  await events.waitUntilReady();
  const waiting = new Map();
  const early = new Set(); // completions that came before the answer to `add`
  events.on('completed', ({ jobId }) => {
    const done = waiting.get(jobId);
    waiting.delete(jobId);
    if (done) done();
    else early.add(jobId);
  });

  async function oneAfterAnother(until, took) {
    while (performance.now() < until) {
      const before = performance.now();
      const job = await queue.add('noop', {}, { removeOnComplete: true });
      if (!early.delete(job.id)) await new Promise((resolve) => waiting.set(job.id, resolve));
      took.push(performance.now() - before);
    }
  }

  for await (const line of createInterface({ input: process.stdin })) {
    const [inFlight, seconds] = line.split(' ').map(Number);
    const begun = performance.now();
    const took = [];
    await Promise.all(Array.from({ length: inFlight }, () => oneAfterAnother(begun + seconds * 1000, took)));
    took.sort((a, b) => a - b);
    const [p50, p99] = [0.5, 0.99].map((share) => took[Math.floor(took.length * share)] || 0);
    const answer = { done: took.length, seconds: (performance.now() - begun) / 1000, p50_ms: p50, p99_ms: p99 };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

(role === 'worker' ? work : produce)();
